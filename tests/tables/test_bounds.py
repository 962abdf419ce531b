"""Bounds: how many rows, for how long, and which go first."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import BagTable, Between, DuplicateBagTable, OrderedTable, Table, TableChanged, where
from headwater.testing.clock import VirtualClock
from tests.tables.rows import Item, items

AnyTable = Table[Item] | BagTable[Item]
KINDS: list[Callable[..., AnyTable]] = [Table, OrderedTable, BagTable, DuplicateBagTable]


@pytest.mark.row("BT-04")
@pytest.mark.parametrize("kind", KINDS)
def test_beyond_the_maximum_those_go_that_came_first(kind: Callable[..., AnyTable]) -> None:
    table = kind(Item, "key", max_rows=3, indexes=["value"])
    heard: list[TableChanged] = []
    table.subscribe(heard.append)
    for key in (5, 1, 4, 3):
        table.insert(Item(key, "v"))
    assert sorted(row.key for row in table) == [1, 3, 4]
    table.insert_many(items(7, 8))
    assert sorted(row.key for row in table) == [3, 7, 8]
    assert [change.key for change in heard if change.kind == "evicted"] == [5, 1, 4]
    assert sorted(row.key for row in table.match(value="v")) == [3, 7, 8]
    table.insert_many(items(*range(10, 20)))
    assert sorted(row.key for row in table) == [17, 18, 19]


@pytest.mark.row("BT-04")
def test_a_row_that_is_replaced_keeps_its_place_and_one_that_is_deleted_loses_it() -> None:
    table = Table(Item, "key", max_rows=3)
    table.insert_many(items(1, 2, 3))
    table.insert(Item(1, "again"))
    table.insert(Item(4, "v"))
    assert table.keys() == [2, 3, 4]
    table.delete(2)
    table.insert(Item(2, "v"))
    table.insert(Item(5, "v"))
    assert table.keys() == [4, 2, 5]
    table.clear()
    table.insert_many(items(1, 2, 3))
    assert table.keys() == [1, 2, 3]


@pytest.mark.row("BT-04")
@pytest.mark.parametrize("kind", KINDS)
def test_nobody_sees_a_row_whose_time_is_over(kind: Callable[..., AnyTable]) -> None:
    clock = VirtualClock()
    table = kind(Item, "key", time_to_live=10, clock=clock, indexes=["value"])
    table.insert(Item(1, "v"))
    clock.advance(4)
    table.insert(Item(2, "v"))
    clock.advance(5.9)
    assert len(table) == 2
    clock.advance(0.1)
    reads: list[Callable[[], object]] = [
        lambda: len(table),
        lambda: 1 in table,
        lambda: table.lookup(1),
        lambda: table.rows(),
        lambda: table.match(key=Between(0, 9)),
        lambda: table.match(value="v"),
        lambda: table.match(key=1),
        lambda: table.info().size,
    ]
    read = [one() for one in reads]
    nothing: object = None if isinstance(table, Table) else []
    assert read == [1, False, nothing, items(2), items(2), items(2), [], 1]


@pytest.mark.row("BT-04")
@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize("kind", KINDS)
def test_every_way_to_read_is_the_first_to_notice(kind: Callable[..., AnyTable], number: int) -> None:
    clock = VirtualClock()
    table = kind(Item, "key", time_to_live=10, clock=clock, indexes=["value"])
    table.insert(Item(1, "v"))
    table.insert(Item(2, "v"))
    page = table.page(where(), limit=1)
    assert page.continuation is not None
    continuation = page.continuation
    clock.advance(10)
    reads: list[Callable[[], object]] = [
        lambda: len(table),
        lambda: list(table),
        lambda: table.match(value="v"),
        lambda: table.match(key=1),
        lambda: table.match(key=Between(0, 5)),
        lambda: table.page(continuation).rows,
        lambda: table.keys(),
        lambda: table.lookup(1),
    ]
    assert not reads[number]()


@pytest.mark.row("BT-04")
def test_a_write_gives_a_row_its_time_anew_and_the_rest_go_in_the_order_of_their_writes() -> None:
    clock = VirtualClock()
    table = Table(Item, "key", time_to_live=10, clock=clock)
    heard: list[TableChanged] = []
    table.subscribe(heard.append)
    table.insert_many(items(1, 2, 3))
    clock.advance(5)
    table.insert(Item(1, "again"))
    table.update_counter(3, "count")
    clock.advance(5)
    assert table.keys() == [1, 3]
    clock.advance(5)
    assert table.insert_new(Item(3, "new"))
    assert [(change.kind, change.key) for change in heard if change.kind == "expired"] == [
        ("expired", 2),
        ("expired", 1),
        ("expired", 3),
    ]
    assert table.rows() == [Item(3, "new")]


@pytest.mark.row("BT-04")
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3))), st.integers(1, 4))
def test_bounds_are_those_of_a_model(steps: list[tuple[int, int]], limit: int) -> None:
    clock = VirtualClock()
    table = Table(Item, "key", max_rows=limit, time_to_live=5, clock=clock)
    model: dict[int, int] = {}
    now = 0
    for key, pause in steps:
        clock.advance(pause)
        now += pause
        model = {other: end for other, end in model.items() if end > now}
        model[key] = now + 5
        while len(model) > limit:
            del model[next(iter(model))]
        table.insert(Item(key, "v"))
        assert table.keys() == list(model)
