"""Tables in files."""

import os
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from headwater import BagTable, DuplicateBagTable, OrderedTable, Table, table_file_info
from headwater.errors import CorruptTableFile, NotATableFile, OtherTableFile, TableFileError
from headwater.tables.file import TableFileInfo
from tests.tables.rows import Item, Open, Pair, Point, items
from tests.tables.test_rows import Deep, Listed

MAKERS: list[Callable[[], Any]] = [
    lambda: Table(Item, "key"),
    lambda: OrderedTable(Item, ("value", "key")),
    lambda: BagTable(Item, "key", indexes=["value"]),
    lambda: DuplicateBagTable(Item, "key"),
]


@pytest.mark.row("ET-17")
@pytest.mark.parametrize("make", MAKERS)
def test_a_table_is_saved_and_loaded(make: Callable[[], Any], tmp_path: Path) -> None:
    table, again = make(), make()
    table.insert_many(items(3, 1, 2))
    table.insert(Item(1, "v"))
    info = table.save(tmp_path / "table")
    assert info == table_file_info(tmp_path / "table")
    assert (info.kind, info.row, info.count) == (table.info().kind, "Item", len(table))
    again.insert(Item(9, "mine"))
    assert again.load(tmp_path / "table") == len(table)
    assert again.delete_row(Item(9, "mine"))
    assert again == table
    assert os.listdir(tmp_path) == ["table"]  # noqa: PTH208 - nothing is left beside it


@pytest.mark.row("ET-17")
def test_rows_of_all_classes_come_back_as_they_were(tmp_path: Path) -> None:
    tables: list[tuple[Callable[[], Any], list[Any]]] = [
        (lambda: Table(Deep, "key"), [Deep(1, Point(1, 2), (Item(1, "v"),))]),
        (lambda: Table(Pair, "left"), [Pair("a", 1)]),
        (lambda: Table(tuple[str, int], 0), [("a", 1), ("b", 2)]),
        (lambda: Table(Listed, "key", copies=True), [Listed(1, [1, [2]], {"a": 1})]),
    ]
    for number, (make, rows) in enumerate(tables):
        table, again = make(), make()
        table.insert_many(rows)
        table.save(tmp_path / str(number))
        again.load(tmp_path / str(number))
        assert again == table
        assert [type(row) for row in again] == [type(row) for row in table]
    assert isinstance(next(iter(again)).by_name, MappingProxyType)


@pytest.mark.row("ET-17")
@pytest.mark.parametrize("keep", [0, 5, 17, 40, -1])
def test_a_file_that_was_cut_short_or_changed_is_refused(keep: int, tmp_path: Path) -> None:
    path = tmp_path / "table"
    table = Table(Item, "key")
    table.insert_many(items(1, 2))
    table.save(path)
    whole = path.read_bytes()
    mine = Table(Item, "key")
    mine.insert(Item(1, "mine"))
    for broken in (whole[:keep], whole[:60] + bytes([whole[60] ^ 1]) + whole[61:]):
        path.write_bytes(broken)
        error = CorruptTableFile if broken.startswith(b"headwater table 1\n") else NotATableFile
        for read in (mine.load, table_file_info):
            with pytest.raises(error, match=str(path)):
                read(path)
    assert mine.rows() == [Item(1, "mine")]


@pytest.mark.row("ET-17")
@pytest.mark.parametrize(
    "other",
    [
        lambda: Table(Open, "key"),
        lambda: Table(Item, "value"),
        lambda: Table(Item, lambda item: item.key),
        lambda: OrderedTable(Item, "key"),
    ],
)
def test_a_file_of_another_table_is_refused(other: Callable[[], Any], tmp_path: Path) -> None:
    table = Table(Item, "key")
    table.insert(Item(1, "v"))
    table.save(tmp_path / "table")
    stranger = other()
    with pytest.raises(OtherTableFile, match="holds a set of Item rows by key; this table is"):
        stranger.load(tmp_path / "table")
    assert len(stranger) == 0


def test_rows_that_do_not_fit_their_class_any_more_are_refused(tmp_path: Path) -> None:
    table = Table(Item, "key")
    table.insert(Item(1, 5))  # type: ignore[arg-type]  # that is the point
    table.save(tmp_path / "table")
    again = Table(Item, "key")
    with pytest.raises(OtherTableFile, match="don't fit Item: Expected `str`, got `int`"):
        again.load(tmp_path / "table")
    assert len(again) == 0


def test_what_has_no_form_in_a_file_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "table"
    table = Table(Open, "key")
    table.insert(Open(1, "fine"))
    table.save(path)
    table.insert(Open(2, print))
    with pytest.raises(TableFileError, match="the rows can't be written: a builtin_function_or_method has no form"):
        table.save(path)
    assert table_file_info(path) == TableFileInfo("set", "Open", ("key",), 1)


@pytest.mark.row("ET-17")
def test_the_file_is_replaced_only_by_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.mkdir()
    (path / "full").touch()
    table = Table(Item, "key")
    with pytest.raises(OSError, match="irectory"):
        table.save(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["table"]


@pytest.mark.row("ET-17")
def test_who_reads_the_old_file_reads_it_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "table"
    table = Table(Item, "key")
    table.save(path)
    old = path.read_bytes()
    with path.open("rb") as reading:
        table.insert(Item(1, "v"))
        table.save(path)
        assert reading.read() == old
    assert table_file_info(path).count == 1
