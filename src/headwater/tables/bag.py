"""Tables with any number of rows a key."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import ClassVar, TypeVar

from headwater.clock import Clock
from headwater.errors import InvalidRow
from headwater.tables.bounds import Bounds
from headwater.tables.content import BagContent, ExpiringBagContent, TableKind
from headwater.tables.file import load
from headwater.tables.match import Where
from headwater.tables.query import Query
from headwater.tables.reader import Reader
from headwater.tables.shape import Field, Key, Shape

Row = TypeVar("Row")


class BagReader(Reader[Row]):
    """What can be read of a table with any number of rows a key."""

    __slots__ = ()

    def lookup(self, key: object) -> list[Row]:
        """The rows of a key, in the order in which they came."""
        found: list[Row] = self._content.rows.of(key)
        return found

    def lookup_many(self, keys: Iterable[object]) -> list[list[Row]]:
        """The rows of each key, as they are at one moment."""
        keys = list(keys)
        with self._content.lock:
            return list(map(self._content.rows.of, keys))

    def lookup_element(self, key: object, field: Field) -> list[object]:
        """The values of one field of the rows of a key.

        Raises:
            UnknownField: rows have no such field.
        """
        self._content.shape.check_field(field)
        return list(map(self._content.shape.getter(field), self.lookup(key)))


class BagTable(BagReader[Row]):
    """Rows in memory, any number for each key, but no two that are equal.

        members = BagTable(Member, key="room")
        members.insert(Member("lobby", "ann"))
        members.insert(Member("lobby", "ben"))
        members.lookup("lobby")                     # both

    What holds for a `Table` holds here: operations are atomic, any thread may read and one writes, rows are
    immutable. Rows must be hashable as well.

    Args and Raises: as for `Table`.
    """

    __slots__ = ()

    kind: ClassVar[TableKind] = "bag"

    def __init__(
        self,
        row: type[Row],
        key: Key[Row],
        *,
        copies: bool = False,
        indexes: Sequence[Field] = (),
        max_rows: int | None = None,
        time_to_live: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        content: type[BagContent[Row]] = BagContent if time_to_live is None else ExpiringBagContent
        bounds = Bounds.of(max_rows, time_to_live)
        super().__init__(content(self.kind, Shape(row, key, copies=copies), indexes, bounds, clock))

    def reader(self) -> BagReader[Row]:
        """A handle that can read the table, and not change it."""
        return BagReader.of(self._content)

    def insert(self, row: Row) -> None:
        """Insert the row, beside those that have its key.

        Raises:
            InvalidRow: the row is of another class, or it or its key can't be hashed.
            MutableRow: it holds something mutable.
        """
        self._content.rows.add([self._admit(row)])

    def insert_many(self, rows: Iterable[Row]) -> None:
        """Insert all rows, as one write: nobody sees a part of them.

        Raises:
            InvalidRow, MutableRow: as `insert` does. No row was inserted.
        """
        self._content.rows.add(list(map(self._admit, rows)))

    def insert_new(self, row: Row) -> bool:
        """Insert the row if its key has none. Returns whether it did.

        Raises:
            InvalidRow, MutableRow: as `insert` does.
        """
        return self.insert_new_many([row])

    def insert_new_many(self, rows: Iterable[Row]) -> bool:
        """Insert all rows if none of their keys has one. Returns whether it did: all or none.

        Raises:
            InvalidRow, MutableRow: as `insert` does. No row was inserted.
        """
        admitted = list(map(self._admit, rows))
        present = self._content.rows
        if any(self._content.key(row) in present for row in admitted):
            return False
        present.add(admitted)
        return True

    def _admit(self, row: Row) -> Row:
        try:
            if type(row) is not self._content.row_type:
                row = self._content.shape.admit(row)
            hash(row)
        except InvalidRow:
            raise
        except TypeError as error:
            self._content.shape.admit(row)  # it may say more
            raise InvalidRow(f"rows of a bag must be hashable: {error}") from error
        self._content.shape.key_of(row)
        return row

    def delete(self, key: object) -> int:
        """Remove the rows of a key. Returns how many there were."""
        return len(self._content.rows.pop(key))

    def delete_row(self, row: Row) -> int:
        """Remove this row, with all that equal it. Returns how many there were."""
        return self._content.remove(row)

    def delete_where(self, rows: Where[Row]) -> int:
        """Remove the rows that are meant, each by itself. Returns how many there were.

        Raises:
            UnknownField: rows have no such field.
        """
        return sum(map(self._content.remove, Query(self._content, rows).find()))

    def take(self, key: object) -> list[Row]:
        """Remove the rows of a key and return them."""
        rows: list[Row] = self._content.rows.pop(key)
        return rows

    def clear(self) -> None:
        """Remove all rows, as one write."""
        self._content.rows.clear()

    def load(self, path: str | os.PathLike[str]) -> int:
        """Insert all rows of a file that `save` wrote, as one write. Returns how many it holds.

        Raises:
            NotATableFile, CorruptTableFile: the file can't be trusted.
            OtherTableFile: it is of another kind of table, of other rows, or with another key.
            InvalidRow, MutableRow: as `insert` does.
            OSError: the file can't be read.
        """
        rows = load(self._content, path)
        self.insert_many(rows)
        return len(rows)


class DuplicateBagTable(BagTable[Row]):
    """Rows in memory, any number for each key, equal ones too.

    Args and Raises: as for `Table`. Bounds and `delete_row` remove equal rows together.
    """

    __slots__ = ()

    kind: ClassVar[TableKind] = "duplicate_bag"
