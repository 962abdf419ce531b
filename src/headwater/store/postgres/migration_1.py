"""Schema version 1: everything that there is. `{s}` stands for the schema's quoted name."""

from __future__ import annotations

from typing import Final

SQL: Final = """
CREATE TABLE {s}.head (                -- one row, locked by whoever writes until the end of its transaction
    one integer PRIMARY KEY CHECK (one = 1),
    revision bigint NOT NULL,          -- rises by 1 with everything that is written
    position bigint NOT NULL,          -- of the last event
    hash bytea NOT NULL,               -- of the last event
    recorded_at bigint NOT NULL,       -- of the last event
    streams bigint NOT NULL,           -- the highest streams.id
    types integer NOT NULL             -- the highest types.id
) WITH (fillfactor = 10);

INSERT INTO {s}.head VALUES (1, 0, 0, '\\x0000000000000000000000000000000000000000000000000000000000000000', 0, 0, 0);

CREATE TABLE {s}.streams (
    id bigint PRIMARY KEY,
    name text COLLATE "C" NOT NULL
);

CREATE TABLE {s}.types (
    id integer PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    schema bigint NOT NULL,
    UNIQUE (name, schema)
);

CREATE TABLE {s}.events (
    position bigint PRIMARY KEY,       -- 1, 2, 3 ... in commit order
    stream bigint NOT NULL,            -- streams.id
    version bigint NOT NULL,           -- 1, 2, 3 ... in the stream
    type integer NOT NULL,             -- types.id
    id uuid NOT NULL,
    recorded_at bigint NOT NULL,       -- microseconds since 1970-01-01 UTC
    causation uuid,
    correlation uuid,
    data text NOT NULL,                -- JSON, to the letter as it was appended
    metadata text,                     -- JSON
    tags text,                         -- JSON: the names in alphabetical order; NULL for none
    remaining bigint NOT NULL,         -- how many events of the same append lie behind it
    hash bytea NOT NULL                -- SHA-256 over the event and the hash before it
);

CREATE TABLE {s}.event_tags (          -- an index of events.tags
    tag text COLLATE "C" NOT NULL,
    position bigint NOT NULL,          -- events.position
    PRIMARY KEY (tag, position)
);

CREATE TABLE {s}.links (               -- events that are in another stream too
    stream bigint NOT NULL,            -- streams.id
    version bigint NOT NULL,           -- in that stream, in one row with the versions of its own events
    position bigint NOT NULL,          -- events.position
    head bigint NOT NULL,              -- the log's highest position when it was linked
    PRIMARY KEY (stream, version)
);

CREATE TABLE {s}.marks (               -- what may be read of a stream, when it isn't all
    stream bigint PRIMARY KEY,         -- streams.id
    first bigint NOT NULL,             -- the lowest version that can be read
    tombstoned boolean NOT NULL        -- closed for ever
);

CREATE TABLE {s}.snapshots (
    stream text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (stream, key)
);

CREATE TABLE {s}.subscriptions (
    name text COLLATE "C" PRIMARY KEY,
    stream text COLLATE "C",           -- streams.name, which need not exist; NULL for the whole log
    place bigint NOT NULL,             -- everything up to this position, or version of the stream, is done
    token bigint NOT NULL,             -- of whoever may write
    owner text NOT NULL,               -- '' for nobody
    expires_at bigint NOT NULL         -- microseconds since 1970-01-01 UTC
) WITH (fillfactor = 50);

CREATE SEQUENCE {s}.subscription_tokens; -- outlives the subscriptions: no token is handed out twice

CREATE TABLE {s}.subjects (
    subject text COLLATE "C" PRIMARY KEY,
    wrapped bytea,                     -- the key, encrypted with a master key; NULL once the subject was forgotten
    master text NOT NULL               -- the fingerprint of that master key; '' once the subject was forgotten
) WITH (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0); -- each key that was destroyed counts

CREATE UNIQUE INDEX streams_by_name ON {s}.streams (name);
CREATE UNIQUE INDEX events_by_stream ON {s}.events (stream, version);
CREATE UNIQUE INDEX events_by_id ON {s}.events (id);
CREATE INDEX events_by_type ON {s}.events (type, position);
CREATE UNIQUE INDEX links_by_position ON {s}.links (stream, position);

CREATE FUNCTION {s}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% are immutable: % is refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER events_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {s}.events
FOR EACH STATEMENT EXECUTE FUNCTION {s}.refuse_change();

CREATE TRIGGER links_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {s}.links
FOR EACH STATEMENT EXECUTE FUNCTION {s}.refuse_change();
"""
