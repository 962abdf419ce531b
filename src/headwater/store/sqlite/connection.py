"""How a connection to the file is set up."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import apsw

from headwater.store.url import Durability

_BUSY_MILLISECONDS: Final = 5_000
_PAGE_BYTES: Final = 2_048
_CHECKPOINT_BYTES: Final = 32 * 1024 * 1024
_WRITER_CACHE_KIBIBYTES: Final = 64 * 1024
_READER_CACHE_KIBIBYTES: Final = 16 * 1024


def open_writer(path: Path, *, durability: Durability = "full", max_pages: int | None = None) -> apsw.Connection:
    """The connection that writes. It alone moves the write-ahead log into the file, every 32 MB.

    Args:
        path: the file.
        durability: whether each commit waits for the disk.
        max_pages: how many pages the file may have; as many as SQLite can by default.

    Raises:
        apsw.Error: SQLite refused.
    """
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(str(path), flags=flags)
    connection.set_busy_timeout(_BUSY_MILLISECONDS)
    for name, value in (
        ("page_size", _PAGE_BYTES),  # of a new file; one that is there keeps its own
        ("synchronous", "FULL" if durability == "full" else "NORMAL"),
        ("cache_size", -_WRITER_CACHE_KIBIBYTES),
        ("temp_store", "MEMORY"),
        ("mmap_size", 0),
        ("foreign_keys", 0),  # the ids are assigned in the same transaction: a check of each row finds nothing
    ):
        connection.pragma(name, value)
    connection.wal_autocheckpoint(_CHECKPOINT_BYTES // int(connection.pragma("page_size")))
    if max_pages is not None:
        connection.pragma("max_page_count", max_pages)
    return connection


def open_reader(path: Path) -> apsw.Connection:
    """A connection that can only read.

    Raises:
        apsw.Error: SQLite refused.
    """
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(_BUSY_MILLISECONDS)
    for name, value in (
        ("query_only", 1),
        ("cache_size", -_READER_CACHE_KIBIBYTES),
        ("temp_store", "MEMORY"),
        ("mmap_size", 0),
    ):
        connection.pragma(name, value)
    connection.wal_autocheckpoint(0)
    return connection
