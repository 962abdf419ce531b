"""The queries about streams as things."""

from __future__ import annotations

from typing import Final

import apsw
import msgspec

from headwater.store.naming import LONGEST
from headwater.store.stream import StreamInfo, StreamSearch
from headwater.types import Position, Version

_BOUND: Final = """(
    SELECT position FROM (
        SELECT version, position FROM events WHERE stream = streams.id
        UNION ALL SELECT version, position FROM links WHERE stream = streams.id
        ORDER BY version {order} LIMIT 1
    )
)"""
_VERSION: Final = """max(
    coalesce((SELECT max(version) FROM events WHERE stream = streams.id), 0),
    coalesce((SELECT max(version) FROM links WHERE stream = streams.id), 0)
)"""
_ROW: Final = f"""
SELECT streams.name AS name, {_VERSION} AS version,
       coalesce({_BOUND.format(order="ASC")}, 0) AS first_position,
       coalesce({_BOUND.format(order="DESC")}, 0) AS last_position,
       coalesce(marks.first, 1) AS first_version, coalesce(marks.tombstoned, 0) AS tombstoned
FROM streams LEFT JOIN marks ON marks.stream = streams.id
"""  # noqa: S608 - constants only
_GATHER: Final = """
SELECT json_group_array(json_array(name, version, first_position, last_position, first_version, tombstoned)) FROM (
    {rows}
)
"""
_ONE: Final = _GATHER.format(rows=f"{_ROW} WHERE streams.name = ?")
_SEARCH: Final = _GATHER.format(
    rows=f"""SELECT * FROM ({_ROW} WHERE streams.name > ? AND streams.name BETWEEN ? AND ?)
    WHERE ? OR first_version <= version ORDER BY name LIMIT ?"""  # noqa: S608
)

_LAST: Final = "\U0010ffff"

_rows: Final = msgspec.json.Decoder(list[tuple[str, int, int, int, int, bool]], strict=False)


def stream_info(connection: apsw.Connection, name: str) -> StreamInfo | None:
    """What is known of a stream."""
    found = _infos(connection, _ONE, (name,))
    return found[0] if found else None


def streams(connection: apsw.Connection, search: StreamSearch, limit: int) -> list[StreamInfo]:
    """The next streams that are searched for, in the order of their names."""
    highest = search.prefix + _LAST * LONGEST
    return _infos(connection, _SEARCH, (search.after, search.prefix, highest, int(search.deleted), limit))


def _infos(connection: apsw.Connection, query: str, values: tuple[apsw.SQLiteValue, ...]) -> list[StreamInfo]:
    [(text,)] = connection.execute(query, values).fetchall()
    return [
        StreamInfo(name, Version(version), Position(first), Position(last), Version(readable), tombstoned)
        for name, version, first, last, readable, tombstoned in _rows.decode(str(text))
    ]
