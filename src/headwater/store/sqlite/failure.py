"""What SQLite's errors mean to a user of the event store."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import apsw

from headwater.errors import DuplicateEvent, InternalError, StorageFailed, StorageFull, StoreError

STORAGE: Final = (
    apsw.FullError,
    apsw.IOError,
    apsw.CantOpenError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.ReadOnlyError,
    apsw.PermissionsError,
    apsw.ProtocolError,
    apsw.NoLFSError,
    apsw.NoMemError,
    apsw.InterruptError,
)
"""The errors that say something about the disk or the file, and nothing about the append at hand."""


def storage_failure(path: Path, error: apsw.Error) -> StorageFailed:
    """What to raise when the disk or the file refused."""
    if isinstance(error, apsw.FullError):
        return StorageFull(f"{path}: the disk is full, or the file has reached its largest size ({error})")
    if getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_WRITE:
        return StorageFailed(f"{path}: a write failed; the disk, a quota or a limit on a file's size may be exhausted")
    return StorageFailed(f"{path}: the storage failed: {type(error).__name__}: {error}")


def append_failure(stream: str, error: Exception) -> StoreError | InternalError:
    """What a single append is answered when its own rows were refused."""
    failure: StoreError | InternalError
    if isinstance(error, apsw.ConstraintError) and "events.id" in str(error):
        failure = DuplicateEvent(f"an event of the append to {stream!r} has an identifier that the log holds already")
    elif isinstance(error, apsw.TooBigError):
        failure = StorageFailed(f"an event of the append to {stream!r} is larger than SQLite can hold")
    else:
        failure = InternalError(f"the append to {stream!r} was refused: {type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure
