"""A set table: immutable rows, at most one for each key."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Generic, TypeVar

import msgspec

Row = TypeVar("Row", bound=msgspec.Struct)


class Table(Generic[Row]):
    """Rows by the value of one of their fields, in the order in which their keys first came.

    Rows are frozen msgspec Structs: a row that was read is never changed by a later write.

    Args:
        row: the rows' class.
        key: the name of the field that rows are found by.

    Raises:
        ValueError: the class isn't frozen, or has no such field.
    """

    __slots__ = ("_key", "_row", "_rows")

    def __init__(self, row: type[Row], key: str) -> None:
        if not row.__struct_config__.frozen:
            raise ValueError(f"rows never change: declare {row.__qualname__} with frozen=True")
        if key not in row.__struct_fields__:
            raise ValueError(f"{row.__qualname__} has no field {key!r}; it has {', '.join(row.__struct_fields__)}")
        self._row = row
        self._key = attrgetter(key)
        self._rows: dict[object, Row] = {}

    def put(self, row: Row) -> None:
        """Insert the row, in place of the one that has its key.

        Raises:
            TypeError: the row is of another class, or its key can't be hashed.
        """
        if type(row) is not self._row:
            raise TypeError(f"this table holds {self._row.__qualname__} rows, not {type(row).__qualname__}")
        self._rows[self._key(row)] = row

    def get(self, key: object) -> Row | None:
        """The row of this key, or None."""
        return self._rows.get(key)

    def delete(self, key: object) -> bool:
        """Remove the row of this key. False if there is none."""
        return self._rows.pop(key, None) is not None

    def rows(self) -> list[Row]:
        """All rows as they are now."""
        return list(self._rows.values())

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows())

    def __len__(self) -> int:
        return len(self._rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self._rows == other._rows

    __hash__ = None  # type: ignore[assignment]  # tables change
