"""The statements for snapshots of aggregates."""

from __future__ import annotations

from typing import Final

import apsw
import msgspec

from headwater.store.stream import Snapshot

_SAVE: Final = """
INSERT INTO snapshots (stream, key, version, data) VALUES (?, ?, ?, ?)
ON CONFLICT (stream, key) DO UPDATE SET version = excluded.version, data = excluded.data
WHERE excluded.version >= snapshots.version
"""
_LOAD: Final = "SELECT stream, key, version, data FROM snapshots WHERE stream = ? AND key = ?"
_DELETE: Final = "DELETE FROM snapshots WHERE stream = ?1 AND (?2 IS NULL OR key = ?2)"


def save(connection: apsw.Connection, snapshot: Snapshot) -> None:
    """Keep it, unless there is one with a higher version."""
    connection.execute(_SAVE, (snapshot.stream, snapshot.key, snapshot.version, snapshot.data))


def load(connection: apsw.Connection, stream: str, key: str) -> Snapshot | None:
    """The snapshot of this stream and key."""
    rows = connection.execute(_LOAD, (stream, key)).fetchall()
    return Snapshot(*msgspec.convert(rows[0], tuple[str, str, int, bytes])) if rows else None


def delete(connection: apsw.Connection, stream: str, key: str | None) -> None:
    """Forget one snapshot of the stream, or all."""
    connection.execute(_DELETE, (stream, key))
