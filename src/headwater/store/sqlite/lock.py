"""Who may write: one process at a time, and the others can read which one it is."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from headwater.clock import Clock, instant
from headwater.errors import StorageFailed, StoreLocked

_ATTEMPTS: Final = 100
_OWNER_BYTES: Final = 4_096


class Owner(msgspec.Struct, frozen=True):
    """The process that writes, as it describes itself in the lock file.

    Attributes:
        pid: its process id.
        host: the machine that it runs on.
        program: what it runs.
        started: when it opened the store.
    """

    pid: int
    host: str
    program: str
    started: datetime

    def __str__(self) -> str:
        return f"process {self.pid} ({self.program}) on {self.host}, since {self.started.astimezone(UTC):%F %T} UTC"


class WriterLock:
    """The right to write, held from `acquire` to `release`. The operating system takes it from a dead process.

    Args:
        database: the store's file; the lock lies beside it, in `<file>.lock`.
        clock: for the moment from which it is held.
    """

    def __init__(self, database: Path, clock: Clock) -> None:
        self.path: Final = database.with_name(database.name + ".lock")
        self._clock = clock
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, or fail at once.

        Raises:
            StoreLocked: another process, or another store in this process, has it. The message names it.
            StorageFailed: the lock file cannot be written.
        """
        try:
            self._descriptor = self._locked_file()
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, msgspec.json.encode(self._owner()), 0)
        except OSError as error:
            self.release()
            raise StorageFailed(f"{self.path}: cannot be written: {error.strerror}") from error

    def release(self) -> None:
        """Give the lock back and remove its file. Harmless when it isn't held."""
        if self._descriptor is None:
            return
        # Removed while it is still held: whoever opens the path afterwards makes a new file.
        self.path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = None

    def _locked_file(self) -> int:
        for _ in range(_ATTEMPTS):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            if self._lock(descriptor):
                return descriptor
            os.close(descriptor)
        raise StoreLocked(f"{self.path} keeps being replaced by other processes")

    def _lock(self, descriptor: int) -> bool:
        """Lock the open file. False when its owner removed it in between: then it locks nobody out."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, _OWNER_BYTES, 0)
            os.close(descriptor)
            raise StoreLocked(f"{self.path.with_suffix('')}: {_describe(owner)} writes to this store") from None
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        except FileNotFoundError:
            return False

    def _owner(self) -> Owner:
        started = instant(self._clock.wall() // 1_000)
        return Owner(os.getpid(), socket.gethostname(), sys.argv[0] or sys.executable, started)


def _describe(content: bytes) -> str:
    try:
        return str(msgspec.json.decode(content, type=Owner))
    except msgspec.DecodeError:
        return "another process, which is just starting,"
