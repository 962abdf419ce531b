"""What a table says of itself."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec

from headwater.immutable import record_fields
from headwater.tables.content import Content, TableKind
from headwater.tables.shape import Field

Row = TypeVar("Row")

_SAMPLE: Final = 1_000
_ORDERED_KEY: Final = 8
"""Bytes for each key in a sorted list."""


class TableInfo(msgspec.Struct, frozen=True):
    """A table as it is at one moment.

    Attributes:
        name: what it is called, or None.
        kind: `set`, `ordered_set`, `bag` or `duplicate_bag`.
        row: its rows' class.
        key: the fields that rows are found by; empty if it is a function.
        indexes: the fields that have an index.
        size: how many rows there are.
        memory: about how many bytes they take; see `Table.memory`.
        owner: the process that it lives with, a `Pid`, or None.
        max_rows: how many rows there may be; None for any number.
        time_to_live: seconds that a row lives after it was last written; None for ever.
    """

    name: str | None
    kind: TableKind
    row: type
    key: tuple[Field, ...]
    indexes: tuple[Field, ...]
    size: int
    memory: int
    owner: object
    max_rows: int | None
    time_to_live: float | None


def describe(content: Content[Row]) -> TableInfo:
    """What a table says of itself."""
    bounds = content.watch.bounds
    return TableInfo(
        name=content.name,
        kind=content.kind,
        row=content.shape.row,
        key=content.shape.key_fields,
        indexes=tuple(index.field for index in content.indexes),
        size=content.size(),
        memory=memory(content),
        owner=content.owner,
        max_rows=None if bounds is None else bounds.max_rows,
        time_to_live=None if bounds is None else bounds.time_to_live,
    )


def memory(content: Content[Row]) -> int:
    """About how many bytes a table takes: its own structures, and its rows with what they refer to.

    Rows are measured by a sample. A value that several rows share counts for each of them.
    """
    rows = content.all()
    sample = rows[:: max(1, len(rows) // _SAMPLE)]
    average = sum(map(_size, sample)) / len(sample) if sample else 0
    order = 0 if content.order is None else len(rows) * _ORDERED_KEY
    return sys.getsizeof(content.rows) + order + round(average * len(rows))


def _size(value: object) -> int:
    return sys.getsizeof(value) + sum(map(_size, _held(value)))


def _held(value: object) -> Iterable[object]:
    if isinstance(value, (tuple, frozenset)):
        return value
    return (getattr(value, field) for field in record_fields(type(value)))
