"""Queries as values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.store.query import EventQuery, QueryItem

types = st.lists(st.sampled_from("TUV"), max_size=2, unique=True).map(tuple)
tags = st.lists(st.sampled_from("pqr"), max_size=3, unique=True).map(tuple)
queries = st.lists(st.builds(QueryItem, types, tags), max_size=3).map(lambda items: EventQuery(tuple(items)))


@given(one=queries, other=queries, name=st.sampled_from("TUVW"), has=tags)
def test_or_means_what_one_of_the_two_means(
    one: EventQuery, other: EventQuery, name: str, has: tuple[str, ...]
) -> None:
    assert (one | other).matches(name, has) == (one.matches(name, has) or other.matches(name, has))


@given(query=queries, name=st.sampled_from("TUVW"), has=tags)
def test_everything_means_everything(query: EventQuery, name: str, has: tuple[str, ...]) -> None:
    if query.everything:
        assert query.matches(name, has)


def test_types_and_tags() -> None:
    query = EventQuery.of("T", "U", "T", tags=["p", "q", "p"])
    assert query == EventQuery((QueryItem(("T", "U"), ("p", "q")),))
    assert query.matches("U", ["q", "x", "p"])
    assert not query.matches("U", ["p"])
    assert not query.matches("V", ["p", "q"])
    assert EventQuery.of() == EventQuery()
    assert EventQuery.of().everything
    with pytest.raises(TypeError, match="not one string"):
        EventQuery.of(tags="p")
