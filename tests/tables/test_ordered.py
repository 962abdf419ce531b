"""Ordered tables: the order, its ends, neighbours, stretches and prefixes, and keys that have no place in it."""

import math
import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import OrderedTable, Prefix, where
from headwater.errors import IncomparableKey
from tests.tables.rows import Item, Open, Order, items

keys = st.lists(st.integers(0, 30))
ends = st.none() | st.integers(0, 30)


@pytest.mark.row("ET-01")
@given(keys, keys, keys)
def test_rows_come_in_the_order_of_their_keys(one: list[int], more: list[int], gone: list[int]) -> None:
    table = OrderedTable(Item, "key")
    for key in one:
        table.insert(Item(key, "v"))
    assert [row.key for row in table] == sorted(set(one))
    table.insert_many(items(*more))
    for key in gone:
        table.delete(key)
    assert [row.key for row in table] == sorted(set(one + more) - set(gone)) == table.keys()


@pytest.mark.row("ET-06")
@given(keys, st.integers(-1, 31))
def test_a_table_is_walked_from_key_to_key_in_both_directions(present: list[int], key: int) -> None:
    table = OrderedTable(Item, "key")
    table.insert_many(items(*present))
    assert table.first() == min(table, key=lambda row: row.key, default=None)
    assert table.last() == max(table, key=lambda row: row.key, default=None)
    assert table.next(key) == next((row for row in table if row.key > key), None)
    assert table.previous(key) == next((row for row in reversed(table.rows()) if row.key < key), None)


@pytest.mark.row("ET-09")
@given(keys, ends, ends, st.none() | st.integers(0, 5), st.booleans())
def test_a_range_is_that_of_a_sorted_list(
    present: list[int], low: int | None, high: int | None, limit: int | None, reverse: bool
) -> None:
    table = OrderedTable(Item, "key")
    table.insert_many(items(*present))
    model = [row for row in table if (low is None or row.key >= low) and (high is None or row.key < high)]
    if reverse:
        model.reverse()
    assert table.range(low, high, limit=limit, reverse=reverse) == model[:limit]


@pytest.mark.row("ET-09")
@given(st.sets(st.text("ab\U0010ffff", max_size=4)), st.text("ab\U0010ffff", max_size=3), st.booleans())
def test_a_prefix_of_strings(present: set[str], prefix: str, reverse: bool) -> None:
    table = OrderedTable(Open, key="value")
    table.insert_many([Open(1, text) for text in present])
    model = sorted((text for text in present if text.startswith(prefix)), reverse=reverse)
    assert [row.value for row in table.prefix(prefix, reverse=reverse)] == model
    assert [row.value for row in table.prefix(prefix, reverse=reverse, limit=1)] == model[:1]


@pytest.mark.row("ET-09")
@given(st.sets(st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.integers(0, 3))), st.integers(0, 3))
def test_a_prefix_of_tuples(present: set[tuple[str, int, int]], length: int) -> None:
    table = OrderedTable(tuple, key=(0, 1, 2))
    table.insert_many(sorted(present, reverse=True))
    prefix = ("a", 2, 1)[:length]
    model = sorted(key for key in present if key[:length] == prefix)
    assert table.prefix(prefix) == model
    assert table.prefix(prefix, reverse=True) == model[::-1]


@pytest.mark.row("ET-09")
def test_a_prefix_looks_only_at_the_rows_that_begin_so() -> None:
    table = OrderedTable(Order, key=("instrument", "key"))
    table.insert_many([Order(key, "BTC" if key % 10 else "ETH", "buy", key) for key in range(1_000)])
    assert [row.key for row in table.prefix(("ETH",), limit=3, reverse=True)] == [990, 980, 970]
    assert table.match(instrument="ETH") == table.prefix(("ETH",))
    assert Prefix(("ETH",)).holds(("ETH", 1))


@pytest.mark.row("ET-01")
@pytest.mark.parametrize("bad", ["text", None, math.nan, (1, 2), 1j])
def test_a_key_without_a_place_in_the_order_is_refused(bad: object) -> None:
    table = OrderedTable(Open, key="value")
    table.insert_many([Open(key, float(key)) for key in range(3)])
    before = table.rows()
    for insert in (table.insert, table.insert_new):
        with pytest.raises(IncomparableKey, match=re.escape(repr(bad))):
            insert(Open(9, bad))
    with pytest.raises(IncomparableKey, match=re.escape(repr(bad))):
        table.insert_many([Open(7, 7), Open(9, bad)])
    assert table.rows() == before
    table.insert(Open(7, 7))
    assert table.last() == Open(7, 7)


def test_a_first_key_must_have_an_order_too() -> None:
    table = OrderedTable(Open, key="value")
    for bad in (None, 1j):
        with pytest.raises(IncomparableKey):
            table.insert(Open(1, bad))
    with pytest.raises(IncomparableKey):
        table.insert_many([Open(1, 1), Open(2, "x")])
    assert table.rows() == []
    table.insert(Open(1, "text"))
    with pytest.raises(IncomparableKey):
        table.insert(Open(2, 5))
    table.clear()
    table.insert(Open(2, 5))
    assert table.rows() == [Open(2, 5)]


def test_keys_of_many_types_have_an_order() -> None:
    table = OrderedTable(Open, key="value")
    table.insert_many([Open(1, 2), Open(2, 0.5), Open(3, True)])
    assert [row.value for row in table] == [0.5, True, 2]
    days = OrderedTable(Open, key="value")
    for day in (3, 1, 2):
        days.insert(Open(day, date(2024, 1, day)))
    assert [row.key for row in days] == [1, 2, 3]
    mixed = OrderedTable(Open, key="value")
    mixed.insert(Open(1, ("a", 1)))
    mixed.insert(Open(2, ("b", None)))
    with pytest.raises(IncomparableKey):
        mixed.insert(Open(3, ("a", None)))
    assert [row.key for row in mixed] == [1, 2]


def test_an_end_that_has_no_place_in_the_order_is_refused() -> None:
    table = OrderedTable(Item, "key")
    table.insert_many(items(1, 2))
    for read in (lambda: table.range("a"), lambda: table.next("a"), lambda: table.prefix("a")):
        with pytest.raises(IncomparableKey):
            read()


def test_a_negative_limit_is_refused() -> None:
    table = OrderedTable(Item, "key")
    table.insert_many(items(1, 2))
    for reverse in (False, True):
        with pytest.raises(ValueError, match="a limit is 0 or more, not -1"):
            table.range(0, limit=-1, reverse=reverse)
        with pytest.raises(ValueError, match="a limit is 0 or more, not -1"):
            table.select(where(), limit=-1, reverse=reverse)
    assert table.range(0, limit=0) == table.select(where(), limit=0) == []
