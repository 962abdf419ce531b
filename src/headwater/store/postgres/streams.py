"""The queries about streams as things."""

from __future__ import annotations

from typing import Final

from headwater.store.postgres.connection import Connection
from headwater.store.stream import StreamInfo, StreamSearch
from headwater.types import Position, Version

_PLACES: Final = """
    SELECT version, position FROM {s}.events WHERE stream = streams.id
    UNION ALL SELECT version, position FROM {s}.links WHERE stream = streams.id
"""
_ROWS: Final = f"""
SELECT streams.name, coalesce(last.version, 0) AS version, coalesce(first.position, 0), coalesce(last.position, 0),
       coalesce(marks.first, 1) AS first_version, coalesce(marks.tombstoned, false)
FROM {{s}}.streams LEFT JOIN {{s}}.marks ON marks.stream = streams.id
LEFT JOIN LATERAL ({_PLACES} ORDER BY version LIMIT 1) AS first ON true
LEFT JOIN LATERAL ({_PLACES} ORDER BY version DESC LIMIT 1) AS last ON true
"""  # noqa: S608 - constants only
_ONE: Final = f"{_ROWS} WHERE streams.name = $1"
_SEARCH: Final = f"""
{_ROWS} WHERE streams.name > $1 AND streams.name >= $2 AND starts_with(streams.name, $2)
AND ($3 OR coalesce(marks.first, 1) <= coalesce(last.version, 0)) ORDER BY streams.name LIMIT $4
"""


async def stream_info(connection: Connection, schema: str, name: str) -> StreamInfo | None:
    """What is known of a stream."""
    row = await connection.fetchrow(_ONE.format(s=schema), name)
    return None if row is None else _info(*row)


async def streams(connection: Connection, schema: str, search: StreamSearch, limit: int) -> list[StreamInfo]:
    """The next streams that are searched for, in the order of their names."""
    rows = await connection.fetch(_SEARCH.format(s=schema), search.after, search.prefix, search.deleted, limit)
    return [_info(*row) for row in rows]


def _info(name: str, version: int, first: int, last: int, readable: int, tombstoned: bool) -> StreamInfo:
    return StreamInfo(name, Version(version), Position(first), Position(last), Version(readable), tombstoned)
