"""The tables of subscriptions; part of schema version 2."""

from __future__ import annotations

from typing import Final

TABLES: Final = """
CREATE TABLE subscriptions (
    name TEXT PRIMARY KEY,
    stream TEXT,                   -- streams.name, which need not exist; NULL for the whole log
    place INTEGER NOT NULL,        -- everything up to this position, or version of the stream, is done
    token INTEGER NOT NULL,        -- of whoever may write
    owner TEXT NOT NULL,           -- '' for nobody
    expires_at INTEGER NOT NULL    -- microseconds since 1970-01-01 UTC
) STRICT, WITHOUT ROWID;

CREATE TABLE subscription_tokens ( -- outlives the subscriptions: no token is handed out twice
    one INTEGER PRIMARY KEY CHECK (one = 1),
    last INTEGER NOT NULL
) STRICT;

INSERT INTO subscription_tokens VALUES (1, 0);
"""
