"""The order of the keys of a table, against a plain sorted list."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from headwater.tables.match import Span
from headwater.tables.sorted_keys import SortedKeys

KEYS = st.integers(0, 60)
SPANS = st.builds(Span, st.none() | KEYS, st.none() | KEYS, st.tuples(st.booleans(), st.booleans()))


@given(
    st.lists(st.tuples(st.booleans(), st.sets(KEYS, min_size=1, max_size=25)), max_size=12),
    st.lists(st.tuples(SPANS, st.none() | st.integers(0, 70), st.booleans()), max_size=6),
)
def test_it_holds_what_a_sorted_list_holds(
    steps: list[tuple[bool, set[int]]], questions: list[tuple[Span, int | None, bool]]
) -> None:
    keys, model = SortedKeys(chunk=3), set[int]()
    for adding, some in steps:
        if adding:
            keys.update(list(some - model))
            model |= some
        else:
            for key in some & model:
                keys.remove(key)
            model -= some
        assert list(keys) == sorted(model)
        assert len(keys) == len(model)
        for span, limit, reverse in questions:
            wanted = _stretch(sorted(model), span)
            assert keys.count(span) == len(wanted)
            assert keys.within(span, limit, reverse=reverse) == (wanted[::-1] if reverse else wanted)[:limit]
    keys.clear()
    assert not list(keys)
    assert not len(keys)


def _stretch(keys: list[int], span: Span) -> list[int]:
    low, high = cast("int | None", span.low), cast("int | None", span.high)
    start = 0 if low is None else (bisect_left if span.inclusive[0] else bisect_right)(keys, low)
    stop = len(keys) if high is None else (bisect_right if span.inclusive[1] else bisect_left)(keys, high)
    return keys[start:stop]
