"""Rows that wait to be written, and the statements that write them many at a time."""

from __future__ import annotations

from itertools import chain
from typing import Final, TypeVar

import apsw
import msgspec

_SIZES: Final = (512, 256, 128, 64, 32, 16, 8, 4, 2, 1)


class _Inserts:
    """Statements that insert many rows at a time, each value a parameter: the cheapest way for one row and for many."""

    def __init__(self, table: str, columns: int) -> None:
        self._columns: Final = columns
        row = f"({','.join('?' * columns)})"
        insert = f"INSERT INTO {table} VALUES "  # noqa: S608 - constants only
        self._statements: Final = [(size * columns, insert + ",".join([row] * size)) for size in _SIZES]

    def run(self, connection: apsw.Connection, values: list[apsw.SQLiteValue]) -> None:
        """Insert the rows whose columns these are, one after the other."""
        if len(values) == self._columns:
            connection.execute(self._statements[-1][1], values)
            return
        start = 0
        for width, insert in self._statements:
            while len(values) - start >= width:
                connection.execute(insert, values[start : start + width])
                start += width


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
