"""What the numbers of streams and types stand for, for those who read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import apsw
import msgspec

_STREAMS: Final = """
SELECT json_group_array(json_array(id, name)) FROM streams WHERE id IN (SELECT value FROM json_each(?))
"""
_TYPES: Final = "SELECT json_group_array(json_array(id, name, schema)) FROM types"
_REMEMBERED_STREAMS: Final = 100_000

_stream_rows: Final = msgspec.json.Decoder(list[tuple[int, str]])
_type_rows: Final = msgspec.json.Decoder(list[tuple[int, str, int]])


class Names:
    """Remembers names that were looked up, those of streams up to a limit: what a number stands for never changes.

    A number that stands for nothing, which only somebody else's SQL brings about, has the empty name. Safe to use from
    several threads.
    """

    __slots__ = ("_schemas", "_streams", "_types")

    def __init__(self) -> None:
        self._streams: dict[int, str] = {}
        self._types: dict[int, str] = {}
        self._schemas: dict[int, int] = {}

    def streams(self, connection: apsw.Connection, numbers: list[int]) -> Iterable[str]:
        """The names of streams.

        Raises:
            apsw.Error: SQLite refused.
        """
        known = self._streams
        missing = set(numbers).difference(known)
        if missing:
            [(text,)] = connection.execute(_STREAMS, (msgspec.json.encode(missing).decode(),)).fetchall()
            known.update(dict.fromkeys(missing, "") | dict(_stream_rows.decode(str(text))))
            if len(known) > _REMEMBERED_STREAMS:
                self._streams = {}
        return map(known.__getitem__, numbers)

    def types(self, connection: apsw.Connection, numbers: list[int]) -> tuple[Iterable[str], Iterable[int]]:
        """The names and the schema versions of types.

        Raises:
            apsw.Error: SQLite refused.
        """
        missing = set(numbers).difference(self._schemas)
        if missing:
            [(text,)] = connection.execute(_TYPES).fetchall()
            rows = _type_rows.decode(str(text))
            self._types.update(dict.fromkeys(missing, "") | {number: name for number, name, _ in rows})
            self._schemas.update(dict.fromkeys(missing, 0) | {number: schema for number, _, schema in rows})
        return map(self._types.__getitem__, numbers), map(self._schemas.__getitem__, numbers)
