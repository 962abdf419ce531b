"""Tables with one row a key: what each operation does, and what it refuses."""

import msgspec
import pytest

from headwater import Count, OrderedTable, Table
from headwater.errors import (
    DefinitionError,
    InvalidRow,
    KeyChanged,
    MissingKey,
    NotCountable,
    UnknownField,
)
from tests.tables.rows import Item, Open, Order, Pair, Point, items

KINDS = [Table, OrderedTable]


def table_of(kind: type[Table[Item]], *keys: int) -> Table[Item]:
    table = kind(Item, "key")
    table.insert_many(items(*keys))
    return table


class Loose(msgspec.Struct):
    key: int


# --- keys ----------------------------------------------------------------------------------------------------


@pytest.mark.row("ET-01")
@pytest.mark.parametrize("kind", KINDS)
def test_a_key_has_at_most_one_row(kind: type[Table[Item]]) -> None:
    table = kind(Item, "key")
    table.insert(Item(1, "old"))
    table.insert(Item(1, "new"))
    assert table.rows() == [Item(1, "new")]
    assert len(table) == 1


@pytest.mark.row("ET-01")
@pytest.mark.parametrize("kind", KINDS)
def test_keys_are_equal_as_in_dicts(kind: type[Table[tuple[object, str]]]) -> None:
    table = kind(tuple, 0)
    table.insert((1, "integer"))
    table.insert((1.0, "float"))
    assert table.rows() == [(1.0, "float")]


@pytest.mark.row("ET-04")
def test_rows_are_keyed_by_a_field_several_fields_an_index_or_a_function() -> None:
    by_field = Table(Point, key="x")
    by_field.insert(Point(1, 2))
    assert by_field.lookup(1) == Point(1, 2)
    by_fields = Table(Order, key=("instrument", "price"))
    by_fields.insert(Order(1, "BTC", "buy", 10))
    assert by_fields.lookup(("BTC", 10)) == Order(1, "BTC", "buy", 10)
    by_index = Table(tuple[str, int], key=1)
    by_index.insert(("a", 7))
    assert by_index.lookup(7) == ("a", 7)
    named = Table(Pair, key="right")
    named.insert(Pair("a", 3))
    assert named.lookup(3) == Pair("a", 3)
    by_function = Table(Item, key=lambda item: item.value.lower())
    by_function.insert(Item(1, "ABC"))
    assert by_function.lookup("abc") == Item(1, "ABC")
    assert by_function.info().key == ()


def test_what_can_not_be_a_row_is_refused_with_the_definition() -> None:
    with pytest.raises(DefinitionError, match="make Loose a frozen Struct, a frozen dataclass or a tuple"):
        Table(Loose, "key")
    with pytest.raises(DefinitionError, match="no field 'id'; it has key, value, count"):
        Table(Item, "id")
    with pytest.raises(DefinitionError, match="numbered fields, Item hasn't: 0"):
        Table(Item, 0)
    with pytest.raises(DefinitionError, match="names at least two"):
        Table(Item, ("key",))
    with pytest.raises(DefinitionError, match="no field 'id'"):
        Table(Item, "key", indexes=["id"])
    with pytest.raises(DefinitionError, match="max_rows can't be 0"):
        Table(Item, "key", max_rows=0)
    with pytest.raises(DefinitionError, match="time_to_live can't be 0"):
        Table(Item, "key", time_to_live=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_of_another_class_or_without_a_usable_key_is_refused(kind: type[Table[Item]]) -> None:
    table = table_of(kind, 1)
    for insert in (table.insert, table.insert_new):
        with pytest.raises(InvalidRow, match="holds Item rows, not Point"):
            insert(Point(1, 2))  # type: ignore[arg-type]  # that is the point
    for insert_many in (table.insert_many, table.insert_new_many):
        with pytest.raises(InvalidRow, match="holds Item rows, not int"):
            insert_many([*items(2), 7])  # type: ignore[list-item]  # that is the point
    by_function = Table(Item, key=lambda item: [item.key])
    with pytest.raises(InvalidRow, match="the key of a Item can't be used: unhashable"):
        by_function.insert(Item(1, ""))
    short = Table(tuple, key=3)
    with pytest.raises(InvalidRow, match="no field"):
        short.insert((1,))
    assert table.rows() == items(1)
    assert len(by_function) == len(short) == 0


# --- inserting and removing -------------------------------------------------------------------------------------


@pytest.mark.row("ET-05")
@pytest.mark.parametrize("kind", KINDS)
def test_a_list_is_inserted_whole_or_not_at_all(kind: type[Table[Item]]) -> None:
    table = table_of(kind, 1)
    with pytest.raises(InvalidRow):
        table.insert_many([Item(1, "new"), Item(2, "new"), "x"])  # type: ignore[list-item]  # that is the point
    assert table.rows() == items(1)
    table.insert_many(iter([Item(2, "a"), Item(1, "new"), Item(2, "b")]))
    assert table.rows() == [Item(1, "new"), Item(2, "b")]
    table.insert_many([])
    assert len(table) == 2


@pytest.mark.row("ET-05")
@pytest.mark.parametrize("kind", KINDS)
def test_insert_new_inserts_all_or_none(kind: type[Table[Item]]) -> None:
    table = table_of(kind, 1)
    assert not table.insert_new(Item(1, "new"))
    assert table.insert_new(Item(2, "new"))
    assert not table.insert_new_many([Item(3, "new"), Item(2, "newer")])
    assert table.insert_new_many([Item(3, "new"), Item(4, "new")])
    assert table.rows() == [*items(1), *items(2, 3, 4, value="new")]


@pytest.mark.row("ET-05")
@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_removed_by_key_by_value_taken_or_all_at_once(kind: type[Table[Item]]) -> None:
    table = table_of(kind, 1, 2, 3, 4)
    assert table.delete(1)
    assert not table.delete(1)
    assert not table.delete_row(Item(2, "other"))
    assert table.delete_row(Item(2, "v"))
    assert table.take(3) == Item(3, "v")
    assert table.take(3) is None
    assert table.rows() == items(4)
    table.clear()
    assert table.rows() == []
    table.insert(Item(1, "v"))
    assert table.rows() == items(1)


def test_a_row_that_was_read_is_put_in_the_place_of_itself_only() -> None:
    table = table_of(Table, 1)
    assert table.replace_if(Item(1, "v"), Item(1, "new"))
    assert not table.replace_if(Item(1, "v"), Item(1, "newer"))
    assert not table.replace_if(Item(2, "v"), Item(2, "new"))
    with pytest.raises(KeyChanged, match="1 became 2"):
        table.replace_if(Item(1, "new"), Item(2, "new"))
    assert table.rows() == [Item(1, "new")]


# --- reading -------------------------------------------------------------------------------------------------


@pytest.mark.row("ET-12")
@pytest.mark.parametrize("kind", KINDS)
def test_rows_and_their_fields_are_looked_up(kind: type[Table[Item]]) -> None:
    table = table_of(kind, 1, 2)
    assert table.lookup(3) is None
    assert table[2] == Item(2, "v")
    assert table.lookup_many([2, 3, 1]) == [Item(2, "v"), None, Item(1, "v")]
    assert table.lookup_element(1, "value") == "v"
    assert 1 in table
    assert 3 not in table
    assert table.keys() == [1, 2]
    with pytest.raises(MissingKey, match="the table of Item rows has no key 3") as missing:
        table.lookup_element(3, "value")
    assert missing.value.key == 3
    with pytest.raises(MissingKey):
        table[3]
    with pytest.raises(UnknownField, match="Item has no field 'id'; it has key, value, count"):
        table.lookup_element(1, "id")


@pytest.mark.row("ET-12")
def test_a_table_tells_what_it_is_and_how_large() -> None:
    table = Table(Item, "key", indexes=["value"], max_rows=500, time_to_live=60)
    empty = table.memory()
    table.insert_many(items(*range(200)))
    info = table.info()
    assert (info.kind, info.row, info.key, info.indexes) == ("set", Item, ("key",), ("value",))
    assert (info.size, info.max_rows, info.time_to_live) == (200, 500, 60)
    assert info.name is info.owner is None
    assert info.memory == table.memory()
    assert table.memory() > empty + 200 * 50
    larger = Table(Item, "key")
    larger.insert_many(items(*range(200), value="v" * 1_000))
    assert larger.memory() > table.memory() + 200 * 900


def test_rows_are_folded_in_their_order() -> None:
    table: OrderedTable[Item] = OrderedTable(Item, "key")
    table.insert_many(items(3, 1, 2))
    assert table.fold(lambda keys, row: [*keys, row.key], list[int]()) == [1, 2, 3]


def test_tables_are_equal_if_their_rows_are() -> None:
    assert table_of(Table, 1, 2) == table_of(Table, 2, 1)
    assert table_of(Table, 1) != table_of(Table, 2)
    assert table_of(Table, 1) != table_of(OrderedTable, 1)
    assert repr(table_of(Table, 1)) == "<Table of Item>"


# --- counters and elements --------------------------------------------------------------------------------------


@pytest.mark.row("ET-10")
@pytest.mark.parametrize("kind", KINDS)
def test_a_counter_counts_and_returns_what_it_shows(kind: type[Table[Item]]) -> None:
    table = table_of(kind, 1)
    assert table.update_counter(1, "count") == 1
    assert table.update_counter(1, "count", 5) == 6
    assert table.update_counter(1, "count", -7) == -1
    count = table.counter("count")
    assert (count(1), count(1, 10)) == (0, 10)
    assert table.rows() == [Item(1, "v", 10)]


@pytest.mark.row("ET-10")
def test_a_counter_that_goes_beyond_its_threshold_is_reset() -> None:
    table = table_of(Table, 1)
    assert [table.update_counter(1, "count", threshold=2, reset=-5) for _ in range(4)] == [1, 2, -5, -4]
    assert [table.update_counter(1, "count", -1, threshold=-5, reset=9) for _ in range(3)] == [-5, 9, 8]


@pytest.mark.row("ET-10")
def test_several_counters_change_together_and_a_missing_row_begins_with_a_default() -> None:
    table = table_of(Table)
    counts = [Count("count", 2), Count("count", 3, threshold=4, reset=1)]
    assert table.update_counters(1, counts, default=Item(1, "new", 1)) == (3, 1)
    assert table.rows() == [Item(1, "new", 1)]
    assert table.update_counter(2, "count", default=Item(2, "new", 10)) == 11
    with pytest.raises(InvalidRow, match="default row has the key 4 instead of 3"):
        table.update_counter(3, "count", default=Item(4, "new"))
    with pytest.raises(NotCountable):
        table.update_counters(1, [Count("count"), Count("value")])
    assert table.rows() == [Item(1, "new", 1), Item(2, "new", 11)]


@pytest.mark.row("ET-10")
def test_what_is_no_counter_is_refused() -> None:
    table = table_of(Table, 1)
    with pytest.raises(NotCountable, match="'value' holds 'v'"):
        table.update_counter(1, "value")
    with pytest.raises(NotCountable, match=r"changed by 1\.5"):
        table.update_counter(1, "count", 1.5)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(NotCountable, match="'key' is part of the key"):
        table.update_counter(1, "key")
    with pytest.raises(UnknownField):
        table.counter("id")
    for _ in range(2):
        with pytest.raises(MissingKey):
            table.update_counter(2, "count")
    by_function = Table(Item, key=lambda item: item.count)
    by_function.insert(Item(1, "v"))
    with pytest.raises(KeyChanged):
        by_function.update_counter(0, "count")
    assert table.rows() == by_function.rows() == items(1)


@pytest.mark.row("ET-10")
def test_tuples_and_dataclasses_have_counters_too() -> None:
    tuples = Table(tuple[str, int], key=0)
    tuples.insert(("a", 1))
    assert tuples.update_counter("a", 1, 4) == 5
    named = Table(Pair, key=0)
    named.insert(Pair("a", 1))
    assert (named.update_counter("a", "right"), named.update_counter("a", 1)) == (2, 3)
    points = Table(Point, key="x")
    points.insert(Point(1, 2))
    assert points.update_counter(1, "y") == 3
    assert (tuples.rows(), named.rows(), points.rows()) == ([("a", 5)], [Pair("a", 3)], [Point(1, 3)])
    assert type(named[("a")]) is Pair


@pytest.mark.row("ET-11")
@pytest.mark.parametrize("kind", KINDS)
def test_fields_of_a_row_change_together(kind: type[Table[Item]]) -> None:
    table = table_of(kind, 1)
    assert table.update_element(1, {"value": "new", "count": 5}) == Item(1, "new", 5)
    assert table.update_element(2, {"count": 7}, default=Item(2, "default")) == Item(2, "default", 7)
    assert table.rows() == [Item(1, "new", 5), Item(2, "default", 7)]
    with pytest.raises(MissingKey):
        table.update_element(3, {"count": 7})
    with pytest.raises(KeyChanged):
        table.update_element(1, {"count": 1, "key": 9})
    with pytest.raises(UnknownField):
        table.update_element(1, {"count": 1, "id": 9})
    assert table.rows() == [Item(1, "new", 5), Item(2, "default", 7)]


@pytest.mark.row("ET-11")
@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_a_key_is_made_of_does_not_change(kind: type[Table[Item]]) -> None:
    table = kind(Item, key=lambda row: row.value.lower())
    table.insert(Item(1, "A"))
    assert table.update_element("a", {"value": "a", "count": 1}) == Item(1, "a", 1)
    with pytest.raises(KeyChanged):
        table.update_element("a", {"count": 2, "value": "b"})
    assert table.rows() == [Item(1, "a", 1)]


@pytest.mark.row("ET-11")
def test_fields_of_tuples_change_by_number() -> None:
    table = Table(tuple[int, str, str], key=0)
    table.insert((1, "a", "b"))
    assert table.update_element(1, {2: "c", 1: "d"}) == (1, "d", "c")
    open_rows = Table(Open, key="key")
    open_rows.insert(Open(1))
    with pytest.raises(InvalidRow, match=r"Open.value is a list"):
        open_rows.update_element(1, {"value": []})
    assert open_rows.rows() == [Open(1)]
