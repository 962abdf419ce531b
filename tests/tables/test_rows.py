"""What rows may hold: nothing that changes."""

import dataclasses
import datetime as dt
import enum
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Generic, Literal, NewType, TypeVar

import msgspec
import pytest

from headwater import BagTable, OrderedTable, Pid, Table
from headwater.errors import MutableRow
from headwater.immutable import frozen_copy, promises_immutable
from tests.tables.rows import Item, Open, Pair, Point

T = TypeVar("T")
Price = NewType("Price", int)


class Side(enum.Enum):
    BUY = 1


class Loose(msgspec.Struct):
    key: int


class Hashed:
    """Can change, and has a hash all the same, as objects have by default."""


class Deep(msgspec.Struct, frozen=True):
    key: int
    point: Point
    rows: tuple[Item, ...] = ()
    side: Side | None = None


class Tree(msgspec.Struct, frozen=True):
    key: int
    left: "Tree | None" = None


class Box(msgspec.Struct, Generic[T], frozen=True):
    key: int
    value: T


class Listed(msgspec.Struct, frozen=True):
    key: int
    values: Sequence[object] = ()
    by_name: Mapping[str, object] = MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class Held:
    key: int
    value: object


@pytest.mark.row("BT-01", "ET-18")
@pytest.mark.parametrize(
    ("value", "path", "better"),
    [
        ([1], "Open.value is a list", "a tuple"),
        ((1, {2}), r"Open.value\[1\] is a set", "a frozenset"),
        (Hashed(), "Open.value is a Hashed", "immutable values"),
        ((1, Hashed()), r"Open.value\[1\] is a Hashed", "immutable values"),
        (Held(1, {}), "Open.value.value is a dict", "a types.MappingProxyType or a frozen struct"),
        (MappingProxyType({"a": Loose(1)}), r"Open.value\['a'\] is a Loose", "a frozen one"),
        (frozenset({(1, bytearray())[:1]}) and (bytearray(),), r"Open.value\[0\] is a bytearray", "bytes"),
    ],
)
def test_something_mutable_in_a_row_is_refused_with_the_path_to_it(value: object, path: str, better: str) -> None:
    for table in (Table(Open, "key"), OrderedTable(Open, "key"), BagTable(Open, "key")):
        table.insert(Open(1, "fine"))
        with pytest.raises(MutableRow, match=f"^{path}; use {better}, or make the table with copies=True$"):
            table.insert(Open(2, value))
        with pytest.raises(MutableRow, match=path):
            table.insert_many([Open(3, "fine"), Open(2, value)])
        assert table.rows() == [Open(1, "fine")]


@pytest.mark.row("BT-01")
def test_a_list_is_found_in_spite_of_what_the_annotation_says() -> None:
    table = Table(Item, "key")
    assert table.content.shape.trusting
    with pytest.raises(MutableRow, match=r"Item\.value is a list"):
        table.insert(Item(1, ["v"]))  # type: ignore[arg-type]  # that is the point
    with pytest.raises(MutableRow, match=r"Item\.key is a dict"):
        table.insert_many([Item(1, "v"), Item({}, "v")])  # type: ignore[arg-type]  # that is the point
    tuples = Table(tuple[int, tuple[object, ...]], key=0)
    with pytest.raises(MutableRow, match=r"tuple\[1\]\[0\] is a list"):
        tuples.insert((1, ([],)))
    assert len(table) == len(tuples) == 0


@pytest.mark.row("BT-01", "ET-18")
def test_mutable_values_are_copied_when_the_table_says_so() -> None:
    table = Table(Listed, "key", copies=True)
    values: list[object] = [1, [2, {3}], {"a": bytearray(b"b")}]
    by_name = {"x": [1]}
    table.insert(Listed(1, values, by_name))
    table.insert_many([Listed(2, values)])
    values.append("later")
    by_name["x"].append(2)
    expected = (1, (2, frozenset({3})), MappingProxyType({"a": b"b"}))
    assert table[1] == Listed(1, expected, MappingProxyType({"x": (1,)}))
    assert table[2].values == expected
    assert isinstance(table[1].by_name, MappingProxyType)
    with pytest.raises(MutableRow, match=r"values\[0\] is a Loose; use a frozen one"):
        table.insert(Listed(3, [Loose(1)]))
    assert table.update_element(1, {"values": [9]}).values == (9,)
    assert table.lookup(3) is None


@pytest.mark.row("ET-18")
def test_a_row_is_not_copied_for_nobody_can_change_it() -> None:
    for table in (Table(Item, "key"), Table(Item, "key", copies=True)):
        row = Item(1, "v")
        table.insert(row)
        assert table.lookup(1) is row
        table.update_counter(1, "count")
        assert row == Item(1, "v")  # whoever has read the row keeps what he has read
        assert table.lookup(1) == Item(1, "v", 1)


def test_frozen_copies_keep_what_is_frozen_already() -> None:
    deep = Deep(1, Point(1, 2), (Item(1, "v"),))
    for value in (deep, (1, (2, "x")), Pair("a", 1), frozenset({1}), "text", None):
        assert frozen_copy(value) is value
    assert frozen_copy(Held(1, [Pair("a", 1)])) == Held(1, (Pair("a", 1),))


@pytest.mark.parametrize(
    "annotation",
    [
        *(int, str, None, Side, Price, dt.datetime, bytes, Pid[object], Literal["a", 1], int | None),
        *(tuple[int, ...], tuple[int, str], frozenset[str], Annotated[int, "x"], Deep, Tree, Pair, Point),
    ],
)
def test_annotations_that_promise_immutable_values(annotation: object) -> None:
    assert promises_immutable(annotation)


@pytest.mark.parametrize(
    "annotation",
    [
        object,
        list[int],
        dict[str, int],
        Sequence[int],
        Loose,
        T,
        Open,
        Box[int],
        tuple,
        tuple[list[int], ...],
        int | list[int],
    ],
)
def test_annotations_that_leave_it_open(annotation: object) -> None:
    assert not promises_immutable(annotation)
