"""Finding rows: by pattern and test, with keys, orders and indexes, page by page; and changing what was found."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import (
    ANY,
    Above,
    AtLeast,
    AtMost,
    BagTable,
    Below,
    Between,
    DuplicateBagTable,
    Not,
    OneOf,
    OrderedTable,
    Prefix,
    Table,
    like,
    where,
)
from headwater.errors import InvalidRow, KeyChanged, UnknownField
from headwater.tables.match import Where
from headwater.tables.reader import Page
from tests.tables.rows import Item, Open, Order, items

AnyTable = Table[Order] | BagTable[Order]

small = st.integers(0, 4)
orders = st.builds(Order, st.integers(0, 12), st.sampled_from(["BTC", "ETH"]), st.sampled_from(["buy", "sell"]), small)
conditions = st.one_of(
    small,
    st.builds(Between, small, small),
    st.builds(AtLeast, small),
    st.builds(AtMost, small),
    st.builds(Above, small),
    st.builds(Below, small),
    st.builds(Not, small),
    st.lists(small, max_size=3).map(lambda options: OneOf(*options)),
    st.just(ANY),
)
wheres = st.fixed_dictionaries(
    {},
    optional={
        "key": conditions,
        "instrument": st.sampled_from(["BTC", OneOf("ETH", "X"), Prefix("B")]),
        "price": conditions,
    },
)
MAKERS: list[Callable[[], AnyTable]] = [
    lambda: Table(Order, "key"),
    lambda: Table(Order, "key", indexes=["price", "instrument"]),
    lambda: OrderedTable(Order, "key"),
    lambda: OrderedTable(Order, ("instrument", "price", "key"), indexes=["side"]),
    lambda: BagTable(Order, "key", indexes=["price"]),
    lambda: DuplicateBagTable(Order, "instrument", indexes=["price"]),
]


MEANINGS: dict[type, Callable[[Any, Any], bool]] = {
    Between: lambda asked, value: asked.low <= value <= asked.high,
    AtLeast: lambda asked, value: value >= asked.low,
    AtMost: lambda asked, value: value <= asked.high,
    Above: lambda asked, value: value > asked.low,
    Below: lambda asked, value: value < asked.high,
    Not: lambda asked, value: value != asked.what,
    OneOf: lambda asked, value: value in asked.options,
    Prefix: lambda asked, value: value.startswith(asked.prefix),
    type(ANY): lambda asked, value: True,
}
"""What the conditions mean, said in another way."""


def holds(asked: object, value: object) -> bool:
    meaning = MEANINGS.get(type(asked))
    return value == asked if meaning is None else meaning(asked, value)


def meant(row: Order, fields: dict[str, object]) -> bool:
    return all(holds(asked, getattr(row, field)) for field, asked in fields.items())


@pytest.mark.row("ET-07", "ET-08", "BT-02")
@given(st.sampled_from(MAKERS), st.lists(orders, max_size=30), st.lists(orders, max_size=8), wheres, st.booleans())
def test_what_is_found_is_what_is_meant_however_it_is_found(
    make: Callable[[], AnyTable], rows: list[Order], gone: list[Order], fields: dict[str, object], reverse: bool
) -> None:
    table = make()
    table.insert_many(rows)
    for row in gone:
        table.delete_row(row)
    expected = [row for row in table if meant(row, fields)]
    key = table.content.key
    assert sorted(table.match(**fields), key=repr) == sorted(expected, key=repr)
    found = table.select(where(lambda row: row.side == "buy", **fields), reverse=reverse)
    buys = [row for row in expected if row.side == "buy"]
    assert sorted(found, key=repr) == sorted(buys, key=repr)
    if isinstance(table, OrderedTable):
        assert found == sorted(buys, key=key, reverse=reverse)  # type: ignore[arg-type]
    assert table.count(where(**fields)) == len(expected)
    assert len(table.select(where(**fields), limit=3)) == min(3, len(expected))
    assert table.explain(where(**fields)).candidates >= len(expected)


@pytest.mark.row("BT-02")
def test_explain_tells_how_rows_are_found() -> None:
    table = Table(Order, "key", indexes=["instrument", "side"])
    table.insert_many([Order(key, "BTC" if key < 10 else "ETH", "buy", key) for key in range(100)])

    def plan(rows: Where[Order]) -> tuple[str, tuple[object, ...], int]:
        found = table.explain(rows)
        return found.access, found.fields, found.candidates

    assert plan(where(key=5, side="buy")) == ("key", ("key",), 1)
    assert plan(where(key=OneOf(5, 6, 500))) == ("key", ("key",), 2)
    assert plan(where(instrument="BTC", side="buy")) == ("index", ("instrument",), 10)
    assert plan(where(instrument=OneOf("BTC", "ETH", "X"))) == ("index", ("instrument",), 100)
    assert plan(where(price=5)) == ("scan", (), 100)
    assert plan(where(instrument=["unhashable"])) == ("scan", (), 100)


@pytest.mark.row("ET-09", "BT-02")
def test_orders_narrow_what_is_looked_at() -> None:
    table = OrderedTable(Order, ("instrument", "price", "key"))
    table.insert_many([Order(key, "BTC" if key % 2 else "ETH", "buy", key % 10) for key in range(100)])
    cases: list[tuple[dict[str, object], str, tuple[str, ...], int]] = [
        ({"instrument": "BTC", "price": 3, "key": 13}, "key", ("instrument", "price", "key"), 1),
        ({"instrument": "BTC", "price": 3}, "range", ("instrument", "price"), 10),
        ({"instrument": "BTC", "price": Between(3, 5)}, "range", ("instrument", "price"), 20),
        ({"instrument": "BTC", "price": Above(3)}, "range", ("instrument", "price"), 30),
        ({"instrument": "BTC", "price": Below(3)}, "range", ("instrument", "price"), 10),
        ({"instrument": "BTC", "key": 3}, "range", ("instrument",), 50),
        ({"instrument": Prefix("E")}, "range", ("instrument",), 50),
        ({"price": 3}, "scan", (), 100),
    ]
    for fields, access, by, candidates in cases:
        plan = table.explain(where(**fields))
        assert (plan.access, plan.fields, plan.candidates) == (access, by, candidates)
        assert table.match(**fields) == [row for row in table if meant(row, fields)]


@pytest.mark.row("BT-02")
def test_an_index_follows_every_write() -> None:
    table = Table(Item, "key", indexes=["value"])
    table.insert_many([Item(1, "a"), Item(2, "a"), Item(3, "b")])
    table.insert(Item(1, "b"))
    assert table.match(value="b") == [Item(3, "b"), Item(1, "b")]
    table.update_element(3, {"value": "c"})
    table.update_counter(2, "count")
    table.replace_if(Item(2, "a", 1), Item(2, "c", 1))
    assert table.explain(where(value="c")).candidates == 2
    assert table.explain(where(value="a")).candidates == 0
    table.take(2)
    table.delete(1)
    assert table.match(value=OneOf("a", "b", "c")) == [Item(3, "c")]
    table.clear()
    assert table.explain(where(value="c")).candidates == 0


@pytest.mark.row("ET-07")
def test_tuples_are_matched_by_a_pattern() -> None:
    table = Table(tuple[int, str, float], key=0)
    table.insert_many([(1, "a", 1.5), (2, "b", 2.5), (3, "a", 3.5)])
    assert table.select(like(ANY, "a")) == [(1, "a", 1.5), (3, "a", 3.5)]
    assert table.select(like(ANY, ANY, Above(2))) == [(2, "b", 2.5), (3, "a", 3.5)]
    assert table.explain(like(3, "a")).access == "key"
    assert table.select(like(ANY, "a") & where(lambda row: row[2] > 2)) == [(3, "a", 3.5)]


def test_conditions_are_combined() -> None:
    table = Table(Item, "key")
    table.insert_many(items(*range(10)))
    both: Where[Item] = where(key=Above(2))
    assert [row.key for row in table.select(both & where(key=Below(5)))] == [3, 4]
    assert [row.key for row in table.select(where(key=Not(Between(1, 8))))] == [0, 9]


def test_what_can_not_be_compared_does_not_match() -> None:
    table = Table(Open, "key")
    table.insert_many([Open(1, None), Open(2, 5), Open(3, "text")])
    assert table.match(value=AtLeast(3)) == [Open(2, 5)]
    assert table.match(value=Prefix("te")) == [Open(3, "text")]
    ordered = OrderedTable(Item, "key")
    ordered.insert_many(items(1, 2))
    assert ordered.match(key=AtLeast("a")) == []


def test_fields_that_rows_do_not_have_are_refused() -> None:
    table = Table(Item, "key")
    with pytest.raises(UnknownField, match="no field 'id'"):
        table.match(id=1)
    with pytest.raises(UnknownField, match="only tuples have numbered fields"):
        table.delete_where(like(1))


@pytest.mark.row("ET-08")
def test_a_limit_is_reached_however_far_the_rows_lie_apart() -> None:
    table = OrderedTable(Item, "key")
    table.insert_many([Item(key, "rare" if key % 2_500 == 0 else "v") for key in range(10_000)])
    rare = [row.key for row in table.select(where(value="rare"), limit=3)]
    assert rare == [0, 2_500, 5_000]
    assert [row.key for row in table.select(where(value="rare"), limit=3, reverse=True)] == [7_500, 5_000, 2_500]
    assert [row.key for row in table.select(where(value="v"), limit=2)] == [1, 2]
    assert len(table.select(where(value="rare"), limit=9)) == 4


# --- pages ---------------------------------------------------------------------------------------------------


@pytest.mark.row("ET-07", "ET-08")
@pytest.mark.parametrize("make", MAKERS)
def test_pages_come_to_the_same_as_one_search(make: Callable[[], AnyTable]) -> None:
    table = make()
    table.insert_many([Order(key, "BTC", "buy" if key % 3 else "sell", key) for key in range(20)])
    for reverse in (False, True):
        pages = all_pages(table, table.page(where(side="buy"), limit=4, reverse=reverse))
        assert [len(page) for page in pages] == [4, 4, 4, 1]
        assert [row for page in pages for row in page] == table.select(where(side="buy"), reverse=reverse)
    with pytest.raises(ValueError, match="at least one row, not 0"):
        table.page(where(), limit=0)


def all_pages(table: AnyTable, page: Page[Order]) -> list[list[Order]]:
    pages = [page.rows]
    while page.continuation is not None:
        page = table.page(page.continuation)
        pages.append(page.rows)
    return pages


@pytest.mark.row("ET-06", "ET-08")
@pytest.mark.parametrize("make", MAKERS[:5])
def test_others_may_write_between_two_pages(make: Callable[[], AnyTable]) -> None:
    table = make()
    table.insert_many([Order(key, "BTC", "buy", key) for key in range(6)])
    page = table.page(where(side="buy"), limit=2)
    assert page.continuation is not None
    table.delete_row(Order(0, "BTC", "buy", 0))
    table.delete_row(Order(3, "BTC", "buy", 3))
    table.insert(Order(9, "BTC", "buy", 9))
    rest = [row.key for rows in all_pages(table, table.page(page.continuation)) for row in rows]
    assert rest == [2, 4, 5]
    assert [row.key for row in table.page(page.continuation).rows] == [2, 4]  # a continuation may be used again


# --- changing ------------------------------------------------------------------------------------------------


@pytest.mark.row("ET-08")
def test_rows_are_replaced_where_they_are_meant() -> None:
    table = OrderedTable(Item, "key")
    table.insert_many(items(1, 2, 3))
    assert table.replace_where(where(key=AtLeast(2)), lambda row: Item(row.key, "new", row.count + 1)) == 2
    assert table.rows() == [Item(1, "v"), Item(2, "new", 1), Item(3, "new", 1)]
    with pytest.raises(KeyChanged):
        table.replace_where(where(), lambda row: Item(4 if row.key == 3 else row.key, "newer"))
    with pytest.raises(InvalidRow):
        table.replace_where(where(), lambda row: "x" if row.key == 3 else row)  # type: ignore[arg-type,return-value]
    assert table.rows() == [Item(1, "v"), Item(2, "new", 1), Item(3, "new", 1)]


@pytest.mark.row("ET-08")
def test_a_row_that_changed_meanwhile_is_not_replaced() -> None:
    table = Table(Item, "key")
    table.insert_many(items(1, 2))

    def change(row: Item) -> Item:
        if row.key == 1:
            table.update_counter(1, "count")
        return Item(row.key, "new")

    assert table.replace_where(where(), change) == 1
    assert table.rows() == [Item(1, "v", 1), Item(2, "new")]


@pytest.mark.row("ET-07", "ET-08")
@pytest.mark.parametrize("make", MAKERS)
def test_rows_are_deleted_where_they_are_meant(make: Callable[[], AnyTable]) -> None:
    table = make()
    table.insert_many([Order(key, "BTC", "buy", key) for key in range(6)])
    assert table.delete_where(where(price=Between(1, 4))) == 4
    assert sorted(row.key for row in table) == [0, 5]
    assert table.delete_where(where(price=Between(1, 4))) == 0
