"""Rows that wait to be written, and the statements that write them many at a time."""

from __future__ import annotations

from bisect import bisect_left
from itertools import chain
from typing import Final, TypeVar

import apsw
import msgspec

_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512)
"""Statements of more rows would be too long for apsw to keep them prepared."""


class _Inserts:
    """Statements that insert many rows at a time, each value a parameter: the cheapest way for one row and for many.

    As few of them as can be, for after each one the writer has to wait for Python's lock. So one that has room for more
    rows than there are is filled up with rows of nulls, which it leaves out.
    """

    def __init__(self, table: str, columns: int) -> None:
        self._columns: Final = columns
        row = f"({','.join('?' * columns)})"
        self._statements: Final = {
            size: f"INSERT INTO {table} SELECT * FROM (VALUES {','.join([row] * size)}) WHERE column1 IS NOT NULL"  # noqa: S608 - constants only
            for size in _SIZES
        }
        self._single: Final = f"INSERT INTO {table} VALUES {row}"  # noqa: S608 - constants only

    def run(self, connection: apsw.Connection, values: list[apsw.SQLiteValue]) -> None:
        """Insert the rows whose columns these are, one after the other. The first column is never null."""
        columns = self._columns
        if len(values) == columns:
            connection.execute(self._single, values)
            return
        most = _SIZES[-1] * columns
        for start in range(0, len(values), most):
            rows = values[start : start + most]
            size = _SIZES[bisect_left(_SIZES, len(rows) // columns)]
            rows += [None] * (size * columns - len(rows))
            connection.execute(self._statements[size], rows)


_EVENTS: Final = _Inserts("events", 13)
_EVENT_TAGS: Final = _Inserts("event_tags", 2)
_INSERT_STREAMS: Final = "INSERT INTO streams (id, name) SELECT value ->> 1, value ->> 0 FROM json_each(?)"
_INSERT_TYPES: Final = (
    "INSERT INTO types (id, name, schema) SELECT value ->> 2, value ->> 0, value ->> 1 FROM json_each(?)"
)
_INSERT_TAGS: Final = "INSERT INTO tags (id, name) SELECT value ->> 1, value ->> 0 FROM json_each(?)"

_Row = TypeVar("_Row")


class Rows:
    """Rows of one transaction.

    Attributes:
        events: the columns of all events, one after the other.
        event_tags: number of the tag, position.
        streams: name, number.
        types: name, schema version, number.
        tags: name, number.
    """

    __slots__ = ("event_tags", "events", "streams", "tags", "types")

    def __init__(self) -> None:
        self.events: list[apsw.SQLiteValue] = []
        self.event_tags: list[tuple[int, int]] = []
        self.streams: list[tuple[str, int]] = []
        self.types: list[tuple[str, int, int]] = []
        self.tags: list[tuple[str, int]] = []

    def flush(self, connection: apsw.Connection) -> None:
        """Write all of them, and forget them.

        Raises:
            apsw.Error: SQLite refused.
        """
        _insert(connection, _INSERT_STREAMS, self.streams)
        _insert(connection, _INSERT_TYPES, self.types)
        _insert(connection, _INSERT_TAGS, self.tags)
        if self.event_tags:
            self.event_tags.sort()  # along the table's own order
            _EVENT_TAGS.run(connection, list(chain.from_iterable(self.event_tags)))
            self.event_tags.clear()
        if self.events:
            _EVENTS.run(connection, self.events)
            self.events.clear()


def _insert(connection: apsw.Connection, statement: str, rows: list[_Row]) -> None:
    if rows:
        connection.execute(statement, (msgspec.json.encode(rows).decode(),))
        rows.clear()
