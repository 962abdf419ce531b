"""Rows that wait to be written, and the statements that write them many at a time."""

from __future__ import annotations

from typing import Final, TypeVar

import apsw
import msgspec

_COLUMNS: Final = 13
_ROW: Final = "(?,?,?,?,?,?,?,?,?,?,?,?,?)"
_INSERTS: Final = tuple(
    (size, "INSERT INTO events VALUES " + ",".join([_ROW] * size))  # noqa: S608 - constants only
    for size in (512, 256, 128, 64, 32, 16, 8, 4, 2, 1)
)
_INSERT_STREAMS: Final = "INSERT INTO streams (id, name) SELECT value ->> 1, value ->> 0 FROM json_each(?)"
_INSERT_TYPES: Final = (
    "INSERT INTO types (id, name, schema) SELECT value ->> 2, value ->> 0, value ->> 1 FROM json_each(?)"
)
_INSERT_TAGS: Final = "INSERT INTO tags (id, name) SELECT value ->> 1, value ->> 0 FROM json_each(?)"
_INSERT_EVENT_TAGS: Final = "INSERT INTO event_tags (tag, position) SELECT value ->> 0, value ->> 1 FROM json_each(?)"

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
        self.event_tags.sort()  # along the table's own order
        _insert(connection, _INSERT_EVENT_TAGS, self.event_tags)
        self._insert_events(connection)

    def _insert_events(self, connection: apsw.Connection) -> None:
        events = self.events
        start = 0
        for size, insert in _INSERTS:
            width = size * _COLUMNS
            while len(events) - start >= width:
                connection.execute(insert, events[start : start + width])
                start += width
        events.clear()


def _insert(connection: apsw.Connection, statement: str, rows: list[_Row]) -> None:
    if rows:
        connection.execute(statement, (msgspec.json.encode(rows).decode(),))
        rows.clear()
