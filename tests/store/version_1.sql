-- A store of schema version 1, as the first Headwater made it, with six events in three streams.
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

INSERT INTO streams VALUES (1, 'a'), (2, 'ü'), (3, 'c');
INSERT INTO types VALUES (1, 'Deposited', 1), (2, 'Withdrawn', 2);
INSERT INTO events VALUES
    (1, 1, 1, 1, x'01890a5d000070008000000000000001', 1000000, NULL, NULL, '{"amount":1,"note":""}', NULL),
    (2, 1, 2, 1, x'01890a5d000070008000000000000002', 1000000, NULL, NULL, '{"amount":2,"note":"é\n"}', NULL),
    (3, 2, 1, 2, x'01890a5d000070008000000000000003', 2000000, x'01890a5d0000700080000000000000ff', NULL, '{"amount":3}', NULL),
    (4, 1, 3, 2, x'01890a5d000070008000000000000004', 2000000, NULL, x'01890a5d0000700080000000000000ff', '{"amount":4}', '{"user":"u"}'),
    (5, 3, 1, 1, x'01890a5d000070008000000000000005', 3000000, NULL, NULL, '{"amount":5,"note":""}', '{}'),
    (6, 2, 2, 1, x'01890a5d000070008000000000000006', 3000000, NULL, NULL, '{"amount":6,"note":""}', NULL);
PRAGMA application_id = 0x48445752;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
