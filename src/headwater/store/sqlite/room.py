"""Room for the write-ahead log, made before it is needed.

A commit that makes a file longer has the file system note the new length as well, and waits for the disk twice: on ext4
that takes a third more. One that overwrites bytes that are there waits once. SQLite tells the end of its log by
checksums, and not by the file's length: after each checkpoint the file is longer than what is in it anyway.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import apsw

_STEP_BYTES: Final = 1024 * 1024
_ENOUGH_BYTES: Final = 34 * 1024 * 1024  # a little more than there is in a log when it is checkpointed
_SMALL_PAGES: Final = 64  # what writes more is held up little by a second wait, and needs more room than is made
_SYNCHRONOUS_FULL: Final = 2

_ZEROS: Final = bytes(_STEP_BYTES)


class LogRoom:
    """Keeps the file of the log longer than what is in it, by a megabyte at most, while commits are small.

    If the disk has no room, there is none: SQLite will tell when it needs some itself.

    Args:
        path: the store's file.
        connection: the one that writes. Where it doesn't wait for the disk, no room is made.
    """

    __slots__ = ("_connection", "_left", "_log", "_needed", "_step", "_written")

    def __init__(self, path: Path, connection: apsw.Connection) -> None:
        self._log: Final = f"{path}-wal"
        self._connection: Final = connection
        self._needed: Final = int(connection.pragma("synchronous")) == _SYNCHRONOUS_FULL
        self._step: Final = _STEP_BYTES // int(connection.pragma("page_size"))
        self._written = 0
        self._left = 2 * _SMALL_PAGES  # pages: who appends only a few events needs none

    def keep(self) -> None:
        """To be called at the beginning of each transaction that writes: until its end nobody else adds to the log."""
        if not self._needed:
            return
        written = self._connection.status(apsw.SQLITE_DBSTATUS_CACHE_WRITE)[0]
        pages, self._written = written - self._written, written
        if pages > _SMALL_PAGES:
            self._left = 2 * _SMALL_PAGES
            return
        self._left -= pages
        if self._left < _SMALL_PAGES:
            with suppress(OSError):
                self._make()
            self._left = self._step

    def _make(self) -> None:
        log = os.open(self._log, os.O_WRONLY)
        try:
            size = os.fstat(log).st_size
            if size < _ENOUGH_BYTES:
                os.pwrite(log, _ZEROS, size)
        finally:
            os.close(log)
