"""What the writer knows of streams and types without asking SQLite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final, NamedTuple

import apsw
import msgspec

_LOOK_UP: Final = """
SELECT json_group_array(json_array(
    streams.name, streams.id, (SELECT max(version) FROM events WHERE events.stream = streams.id)
)) FROM json_each(?) AS asked JOIN streams ON streams.name = asked.value
"""


class StreamState(NamedTuple):
    """A stream as the last append left it."""

    id: int
    version: int


class Catalogue:
    """Committed facts only: what a transaction adds gets in here after its commit.

    Streams are remembered up to a limit, those least recently appended to are forgotten first; types are few and
    all remembered. Belongs to the writer's thread.

    Args:
        connection: the writer's connection.
        limit: how many streams to remember.
    """

    __slots__ = ("_connection", "_limit", "_rows", "next_stream", "streams", "types")

    def __init__(self, connection: apsw.Connection, limit: int) -> None:
        self._connection = connection
        self._limit = limit
        self._rows = msgspec.json.Decoder(list[tuple[str, int, int]])
        self.streams: dict[str, StreamState] = {}
        self.types: dict[tuple[str, int], int] = {}
        self.next_stream = 1
        self.reload()

    def reload(self) -> None:
        """Forget everything and read it anew.

        Raises:
            apsw.Error: SQLite refused.
        """
        self.streams.clear()
        rows = self._connection.execute("SELECT name, schema, id FROM types").fetchall()
        self.types = {(str(name), _integer(schema)): _integer(number) for name, schema, number in rows}
        [(highest,)] = self._connection.execute("SELECT coalesce(max(id), 0) FROM streams").fetchall()
        self.next_stream = _integer(highest) + 1

    def look_up(self, names: Iterable[str]) -> dict[str, StreamState]:
        """Those of the named streams that exist, by one query."""
        asked = msgspec.json.encode(list(names)).decode()
        [(found,)] = self._connection.execute(_LOOK_UP, (asked,)).fetchall()
        return {name: StreamState(number, version) for name, number, version in self._rows.decode(str(found))}

    def adopt(self, streams: Mapping[str, StreamState], types: Mapping[tuple[str, int], int], next_stream: int) -> None:
        """Remember what a transaction that is committed now has changed."""
        known = self.streams
        for name, state in streams.items():
            known.pop(name, None)  # so that it moves to the end, the last to be forgotten
            known[name] = state
        self.types.update(types)
        self.next_stream = next_stream
        surplus = len(known) - self._limit
        if surplus > 0:
            for name in list(islice(known, surplus)):
                del known[name]


def _integer(value: object) -> int:
    assert isinstance(value, int)  # noqa: S101 - tells the type checker what the table's STRICT says
    return value
