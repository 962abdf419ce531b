"""What can be read of a table with at most one row a key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from headwater.errors import MissingKey
from headwater.tables.reader import Reader
from headwater.tables.shape import Field

Row = TypeVar("Row")


class TableReader(Reader[Row]):
    """What can be read of a table with at most one row a key."""

    __slots__ = ()

    def lookup(self, key: object) -> Row | None:
        """The row of a key, or None."""
        row: Row | None = self._content.rows.get(key)
        return row

    def __getitem__(self, key: object) -> Row:
        """The row of a key.

        Raises:
            MissingKey: there is none.
        """
        row: Row | None = self._content.rows.get(key)
        if row is None:
            raise self.missing(key)
        return row

    def lookup_many(self, keys: Iterable[object]) -> list[Row | None]:
        """The row of each key, or None, as they are at one moment."""
        keys = keys if isinstance(keys, (list, tuple, range)) else list(keys)  # so that nobody's code runs in between
        return list(map(self._content.rows.get, keys))

    def lookup_element(self, key: object, field: Field) -> object:
        """The value of one field of the row of a key.

        Raises:
            MissingKey: there is no such row.
            UnknownField: rows have no such field.
        """
        self._content.shape.check_field(field)
        return self._content.shape.getter(field)(self[key])

    def missing(self, key: object) -> MissingKey:
        """The error that says that there is no row of a key. For the tables' own modules."""
        name = "the table" if self._content.name is None else f"table {self._content.name!r}"
        return MissingKey(f"{name} of {self._content.shape.name} rows has no key {key!r}", key=key)
