"""The tables of subjects and their keys; part of schema version 2.

SQLite moves rows from page to page as a table grows or shrinks in its middle, and leaves what they held in the old
place. So the keys lie in a table that only grows at its end, and are overwritten by as many zeros: a row never moves.
"""

from __future__ import annotations

from typing import Final

TABLES: Final = """
CREATE TABLE subjects (
    subject TEXT PRIMARY KEY,
    key INTEGER,                   -- subject_keys.id; NULL once the subject was forgotten
    master TEXT NOT NULL           -- the fingerprint of the key's master key; '' once the subject was forgotten
) STRICT, WITHOUT ROWID;

CREATE TABLE subject_keys (
    id INTEGER PRIMARY KEY,        -- rises; no row is ever deleted
    wrapped BLOB NOT NULL          -- the key, encrypted with a master key; zeros once the subject was forgotten
) STRICT;
"""
