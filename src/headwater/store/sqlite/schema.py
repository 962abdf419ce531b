"""The tables, and the steps by which older files get to them. Forward only: a file is never taken back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw

from headwater.errors import NewerSchema, NotAStore, StorageFailed
from headwater.store.sqlite import migration_2
from headwater.store.sqlite.connection import open_reader
from headwater.store.sqlite.failure import storage_failure

APPLICATION_ID: Final = 0x48445752
"""Stands in the header of each file that is an event store: the letters HDWR."""

_VERSION_1: Final = """
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE streams (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE types (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    schema INTEGER NOT NULL,
    UNIQUE (name, schema)
) STRICT;

CREATE TABLE events (
    position INTEGER PRIMARY KEY,  -- 1, 2, 3 ... in commit order
    stream INTEGER NOT NULL,       -- streams.id
    version INTEGER NOT NULL,      -- 1, 2, 3 ... in the stream
    type INTEGER NOT NULL,         -- types.id
    id BLOB NOT NULL,              -- UUID, 16 bytes
    recorded_at INTEGER NOT NULL,  -- microseconds since 1970-01-01 UTC
    causation BLOB,                -- UUID, 16 bytes
    correlation BLOB,              -- UUID, 16 bytes
    data TEXT NOT NULL,            -- JSON
    metadata TEXT                  -- JSON
) STRICT;

CREATE UNIQUE INDEX events_by_stream ON events (stream, version);
CREATE UNIQUE INDEX events_by_id ON events (id);

CREATE TRIGGER events_are_never_updated BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are immutable: they cannot be updated');
END;

CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are immutable: they cannot be deleted');
END;
"""


def _version_1(connection: apsw.Connection) -> None:
    connection.execute(_VERSION_1)


MIGRATIONS: Final[tuple[Callable[[apsw.Connection], None], ...]] = (_version_1, migration_2.migrate)
"""Migration n (counted from 1) leads to schema version n. Released ones are never edited, only added to."""

SCHEMA_VERSION: Final = len(MIGRATIONS)
"""The schema that this Headwater reads and writes; in the file it is `PRAGMA user_version`."""


def prepare(connection: apsw.Connection, path: Path) -> None:
    """Bring the file to the newest schema and into WAL mode. An empty file becomes a store.

    Raises:
        NewerSchema: the file is of a newer schema than this Headwater knows.
        NotAStore: the file isn't empty, and none of ours.
        StorageFailed: the file system cannot do WAL.
        apsw.Error: SQLite refused.
    """
    version = checked_version(connection, path)
    if version == 0 and connection.execute("SELECT name FROM sqlite_schema").fetchall():
        raise NotAStore(f"{path}: this is a SQLite file of another program, not an event store")
    for number, migration in enumerate(MIGRATIONS[version:], start=version + 1):
        _migrate(connection, number, migration)
    # Only now: the transaction that made the store, and with it the application id, is in the file itself and not
    # in a write-ahead log beside it, so that whoever looks at the file alone can tell what it is.
    if connection.pragma("journal_mode", "WAL") != "wal":
        raise StorageFailed(f"{path}: this file system cannot hold a write-ahead log, which the store needs")


def schema_version(path: Path) -> int:
    """The schema version of a store's file, which is not changed.

    Raises:
        StorageFailed: SQLite cannot read it.
    """
    try:
        with closing(open_reader(path)) as connection:
            return int(connection.pragma("user_version"))
    except apsw.Error as error:
        raise storage_failure(path, error) from error


def checked_version(connection: apsw.Connection, path: Path) -> int:
    """The file's schema version; 0 when it is empty.

    Raises:
        NewerSchema: it is newer than this Headwater knows.
    """
    version = int(connection.pragma("user_version"))
    require_known(version, path)
    return version


def require_known(version: int, path: Path) -> None:
    """Refuse a schema version that is newer than this Headwater knows.

    Raises:
        NewerSchema: it is.
    """
    if version > SCHEMA_VERSION:
        raise NewerSchema(
            f"{path}: the store has schema version {version}, this Headwater knows up to {SCHEMA_VERSION}; "
            "open it with a newer Headwater"
        )


def _migrate(connection: apsw.Connection, number: int, migration: Callable[[apsw.Connection], None]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        migration(connection)
        connection.pragma("application_id", APPLICATION_ID)
        connection.pragma("user_version", number)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
