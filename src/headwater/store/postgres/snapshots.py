"""The statements for snapshots of aggregates. They need no order with appends, and take no lock of the log's."""

from __future__ import annotations

from typing import Final

from headwater.store.postgres.connection import Connection
from headwater.store.stream import Snapshot

_SAVE: Final = """
INSERT INTO {s}.snapshots (stream, key, version, data) VALUES ($1, $2, $3, $4)
ON CONFLICT (stream, key) DO UPDATE SET version = excluded.version, data = excluded.data
WHERE excluded.version >= snapshots.version
"""
_LOAD: Final = "SELECT stream, key, version, data FROM {s}.snapshots WHERE stream = $1 AND key = $2"
_DELETE: Final = "DELETE FROM {s}.snapshots WHERE stream = $1 AND ($2::text IS NULL OR key = $2)"


async def save(connection: Connection, schema: str, snapshot: Snapshot) -> None:
    """Keep it, unless there is one with a higher version."""
    await connection.execute(_SAVE.format(s=schema), snapshot.stream, snapshot.key, snapshot.version, snapshot.data)


async def load(connection: Connection, schema: str, stream: str, key: str) -> Snapshot | None:
    """The snapshot of this stream and key."""
    row = await connection.fetchrow(_LOAD.format(s=schema), stream, key)
    return None if row is None else Snapshot(*row)


async def delete(connection: Connection, schema: str, stream: str, key: str | None) -> None:
    """Forget one snapshot of the stream, or all."""
    await connection.execute(_DELETE.format(s=schema), stream, key)
