"""The queries that read events, and the form in which their answers come back.

A page is one row that holds one JSON array per column: one step of SQLite, then msgspec. See the package's
docstring for why. Text is carried as JSON strings, so the stored JSON comes back to the letter.
"""

from __future__ import annotations

from typing import Final

import apsw
import msgspec

from headwater.errors import InternalError
from headwater.store.model import StoredEvent, StreamInfo
from headwater.types import Position, Version

_EVENTS: Final = """
SELECT json_array(
    json_group_array(position), json_group_array(stream), json_group_array(version),
    json_group_array(type), json_group_array(schema), json_group_array(data),
    group_concat(hex(id), ''), json_group_array(recorded_at),
    json_group_array(hex(causation)), json_group_array(hex(correlation)), json_group_array(metadata)
) FROM (
    SELECT events.position AS position, streams.name AS stream, events.version AS version,
           types.name AS type, types.schema AS schema, events.data AS data, events.id AS id,
           events.recorded_at AS recorded_at, events.causation AS causation,
           events.correlation AS correlation, events.metadata AS metadata
    FROM events JOIN streams ON streams.id = events.stream JOIN types ON types.id = events.type
    WHERE {where} ORDER BY {order} LIMIT ?
)
"""
_ALL: Final = _EVENTS.format(where="events.position > ?", order="events.position")
_STREAM: Final = _EVENTS.format(
    where="events.stream = (SELECT id FROM streams WHERE name = ?) AND events.version > ?", order="events.version"
)
_LAST: Final = _EVENTS.format(
    where="events.stream = (SELECT id FROM streams WHERE name = ?)", order="events.version DESC"
)
_HEAD: Final = "SELECT coalesce(max(position), 0) FROM events"
_STREAMS: Final = """
SELECT json_group_array(json_array(name, version, first, last)) FROM (
    SELECT streams.name AS name,
           (SELECT max(version) FROM events WHERE stream = streams.id) AS version,
           (SELECT position FROM events WHERE stream = streams.id ORDER BY version LIMIT 1) AS first,
           (SELECT position FROM events WHERE stream = streams.id ORDER BY version DESC LIMIT 1) AS last
    FROM streams WHERE streams.name > ? ORDER BY streams.name LIMIT ?
)
"""

_Columns = tuple[
    list[int],
    list[str],
    list[int],
    list[str],
    list[int],
    list[str],
    str | None,
    list[int],
    list[str | None],
    list[str | None],
    list[str | None],
]
_columns: Final = msgspec.json.Decoder(_Columns)
_streams: Final = msgspec.json.Decoder(list[tuple[str, int, int, int]])
_ID_BYTES: Final = 16


def all_events(connection: apsw.Connection, after: int, limit: int) -> list[StoredEvent]:
    """The next events above position `after`, at most `limit`, in order."""
    return _events(_text(connection, _ALL, (after, limit)))


def stream_events(connection: apsw.Connection, stream: str, after: int, limit: int) -> list[StoredEvent]:
    """The next events of a stream above version `after`, at most `limit`, in order."""
    return _events(_text(connection, _STREAM, (stream, after, limit)))


def last_event(connection: apsw.Connection, stream: str) -> StoredEvent | None:
    """The stream's last event, or None when it has none."""
    found = _events(_text(connection, _LAST, (stream, 1)))
    return found[0] if found else None


def head(connection: apsw.Connection) -> int:
    """The highest position; 0 for an empty log."""
    return int(_text(connection, _HEAD, ()))


def streams(connection: apsw.Connection, after: str, limit: int) -> list[StreamInfo]:
    """The next streams by name above `after`, at most `limit`, in the order of their names."""
    return [
        StreamInfo(name, Version(version), Position(first), Position(last))
        for name, version, first, last in _streams.decode(_text(connection, _STREAMS, (after, limit)))
    ]


def _text(connection: apsw.Connection, query: str, values: tuple[apsw.SQLiteValue, ...]) -> str:
    # All rows are fetched although there is one: a statement that isn't finished would hold its snapshot.
    [(value,)] = connection.execute(query, values).fetchall()
    return str(value)


def _events(text: str) -> list[StoredEvent]:
    positions, names, versions, kinds, schemas, data, ids, times, causations, correlations, metadata = _columns.decode(
        text
    )
    # SQLite gathers a column in the order of the subquery, but doesn't promise it.
    if versions != sorted(versions) and positions != sorted(positions):
        raise InternalError("SQLite returned a page out of order")
    return list(
        map(
            StoredEvent,
            positions,
            names,
            versions,
            kinds,
            schemas,
            data,
            _split(ids or ""),
            times,
            map(_bytes, causations),
            map(_bytes, correlations),
            metadata,
        )
    )


def _split(ids: str) -> list[bytes]:
    joined = bytes.fromhex(ids)
    return [joined[start : start + _ID_BYTES] for start in range(0, len(joined), _ID_BYTES)]


def _bytes(text: str | None) -> bytes | None:
    return bytes.fromhex(text) if text else None
