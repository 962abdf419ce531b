"""Bags: any number of rows a key."""

from collections import Counter
from types import MappingProxyType

import pytest

from headwater import BagTable, DuplicateBagTable, where
from headwater.errors import InvalidRow, MutableRow, UnknownField
from tests.tables.rows import Item, Open, items

A, B, C = Item(1, "a"), Item(1, "b"), Item(2, "c")
KINDS = [BagTable, DuplicateBagTable]


@pytest.mark.row("ET-01")
def test_a_bag_holds_equal_rows_once_and_a_duplicate_bag_each_time() -> None:
    bag, duplicates = BagTable(Item, "key"), DuplicateBagTable(Item, "key")
    for table in (bag, duplicates):
        table.insert(A)
        table.insert_many([B, A, C, A])
        table.insert(Item(1, "a"))
    assert (bag.lookup(1), len(bag)) == ([A, B], 3)
    assert (duplicates.lookup(1), len(duplicates)) == ([A, B, A, A, A], 6)
    assert bag.lookup_many([2, 3]) == [[C], []]
    assert duplicates.lookup_element(1, "value") == ["a", "b", "a", "a", "a"]
    assert bag.info().kind == "bag"
    assert duplicates.info().kind == "duplicate_bag"


@pytest.mark.row("ET-05")
@pytest.mark.parametrize("kind", KINDS)
def test_a_list_is_inserted_whole_or_not_at_all(kind: type[BagTable[Item]]) -> None:
    table = kind(Item, "key")
    table.insert(A)
    with pytest.raises(InvalidRow):
        table.insert_many([B, "x"])  # type: ignore[list-item]  # that is the point
    assert not table.insert_new_many([C, B])
    assert not table.insert_new(B)
    assert table.rows() == [A]
    assert table.insert_new_many([C, Item(2, "d")])
    assert table.rows() == [A, C, Item(2, "d")]


@pytest.mark.row("ET-05")
@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_removed_by_key_by_value_and_as_they_are_meant(kind: type[BagTable[Item]]) -> None:
    table = kind(Item, "key")
    table.insert_many([A, B, C, *items(3, 4, 5)])
    assert table.delete_row(A) == 1
    assert table.delete_row(A) == 0
    assert table.take(1) == [B]
    assert table.take(1) == []
    assert table.delete(2) == 1
    assert table.delete_where(where(lambda row: row.key > 3)) == 2
    assert (table.rows(), len(table), table.keys(), 3 in table, 4 in table) == (items(3), 1, [3], True, False)
    table.clear()
    assert (table.rows(), len(table)) == ([], 0)


def test_equal_rows_of_a_duplicate_bag_are_removed_together() -> None:
    table = DuplicateBagTable(Item, "key")
    table.insert_many([A, B, A])
    assert table.delete_row(A) == 2
    assert (table.rows(), len(table)) == ([B], 1)


def test_rows_of_a_bag_are_hashable() -> None:
    table = BagTable(Open, "key")
    with pytest.raises(InvalidRow, match="rows of a bag must be hashable"):
        table.insert(Open(1, MappingProxyType({})))
    with pytest.raises(MutableRow, match=r"Open\.value is a list"):
        table.insert(Open(1, []))
    with pytest.raises(UnknownField):
        table.lookup_element(1, "id")
    assert len(table) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_bags_are_equal_if_their_rows_are(kind: type[BagTable[Item]]) -> None:
    one, other = kind(Item, "key"), kind(Item, "key")
    one.insert_many([A, B])
    other.insert_many([B, A])
    assert one == other
    assert Counter(one) == Counter(other)
    other.delete_row(A)
    assert one != other
