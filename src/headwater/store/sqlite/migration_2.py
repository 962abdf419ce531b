"""Schema version 2: tags, the hash chain, the bounds of appends, links, marks, snapshots, keys.

The events are copied into a table of the new form, because each needs a hash that covers the one before it.
"""

from __future__ import annotations

from typing import Final

import apsw

from headwater.store.chain import GENESIS, next_hash
from headwater.store.sqlite import key_tables, subscription_tables

_TABLES: Final = """
DROP TRIGGER events_are_never_updated;
DROP TRIGGER events_are_never_deleted;
DROP INDEX events_by_stream;
DROP INDEX events_by_id;
ALTER TABLE events RENAME TO events_1;

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
    metadata TEXT,                 -- JSON
    tags TEXT,                     -- JSON: the names in alphabetical order; NULL for none
    remaining INTEGER NOT NULL,    -- how many events of the same append lie behind it
    hash BLOB NOT NULL             -- SHA-256 over the event and the hash before it
) STRICT;

CREATE TABLE chain (               -- where the chain ends, noted by each commit
    one INTEGER PRIMARY KEY CHECK (one = 1),
    position INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE TABLE tags (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE event_tags (          -- an index of events.tags
    tag INTEGER NOT NULL,          -- tags.id
    position INTEGER NOT NULL,     -- events.position
    PRIMARY KEY (tag, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE links (               -- events that are in another stream too
    stream INTEGER NOT NULL,       -- streams.id
    version INTEGER NOT NULL,      -- in that stream, in one row with the versions of its own events
    position INTEGER NOT NULL,     -- events.position
    head INTEGER NOT NULL,         -- the log's highest position when it was linked
    PRIMARY KEY (stream, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE marks (               -- what may be read of a stream, when it isn't all
    stream INTEGER PRIMARY KEY,    -- streams.id
    first INTEGER NOT NULL,        -- the lowest version that can be read
    tombstoned INTEGER NOT NULL    -- 1: closed for ever
) STRICT;

CREATE TABLE snapshots (
    stream TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (stream, key)
) STRICT;
"""

_COPY: Final = """
INSERT INTO events
SELECT events_1.position, events_1.stream, events_1.version, events_1.type, events_1.id, events_1.recorded_at,
       events_1.causation, events_1.correlation, events_1.data, events_1.metadata, NULL, 0,
       next_hash(events_1.position, streams.name, events_1.version, types.name, types.schema, events_1.id,
                 events_1.recorded_at, events_1.causation, events_1.correlation, events_1.data, events_1.metadata,
                 NULL, 0)
FROM events_1 CROSS JOIN streams ON streams.id = events_1.stream CROSS JOIN types ON types.id = events_1.type
ORDER BY events_1.position
"""

_REST: Final = """
DROP TABLE events_1;

CREATE UNIQUE INDEX events_by_stream ON events (stream, version);
CREATE UNIQUE INDEX events_by_id ON events (id);
CREATE INDEX events_by_type ON events (type);
CREATE UNIQUE INDEX links_by_position ON links (stream, position);

CREATE TRIGGER events_are_never_updated BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are immutable: they cannot be updated');
END;

CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are immutable: they cannot be deleted');
END;

CREATE TRIGGER links_are_never_updated BEFORE UPDATE ON links
BEGIN
    SELECT RAISE(ABORT, 'links are immutable: they cannot be updated');
END;

CREATE TRIGGER links_are_never_deleted BEFORE DELETE ON links
BEGIN
    SELECT RAISE(ABORT, 'links are immutable: they cannot be deleted');
END;
"""


def migrate(connection: apsw.Connection) -> None:
    """Bring a file of version 1 to version 2, inside the transaction that the caller has begun.

    Takes time and room in proportion to the log: some seconds for a million events.

    Raises:
        apsw.Error: SQLite refused.
    """
    position, previous = 0, GENESIS

    def hash_next(*fields: apsw.SQLiteValue) -> bytes:
        nonlocal position, previous
        position, previous = position + 1, next_hash(previous, fields)  # type: ignore[arg-type]  # as in the table
        return previous

    connection.execute(_TABLES)
    connection.create_scalar_function("next_hash", hash_next)
    try:
        connection.execute(_COPY)
    finally:
        connection.create_scalar_function("next_hash", None)
    connection.execute("INSERT INTO chain VALUES (1, ?, ?)", (position, previous))
    connection.execute(_REST)
    connection.execute(subscription_tables.TABLES)
    connection.execute(key_tables.TABLES)
