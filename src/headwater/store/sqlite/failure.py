"""What SQLite's errors mean to a user of the event store."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import apsw

from headwater.errors import DuplicateEvent, InternalError, StorageFailed, StorageFull, StoreError
from headwater.store.adapter import Append
from headwater.store.repetition import duplicate
from headwater.store.sqlite import page

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


def append_failure(append: Append, error: Exception, connection: apsw.Connection) -> StoreError | InternalError:
    """What a single append is answered when its own rows were refused."""
    stream = append.stream
    failure: StoreError | InternalError
    if isinstance(error, apsw.ConstraintError) and "events.id" in str(error):
        failure = _duplicate(append, connection)
    elif isinstance(error, apsw.TooBigError):
        failure = StorageFailed(f"an event of the append to {stream!r} is larger than SQLite can hold")
    else:
        failure = InternalError(f"the append to {stream!r} was refused: {type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure


def _duplicate(append: Append, connection: apsw.Connection) -> DuplicateEvent:
    """SQLite doesn't tell which id it was."""
    ids = [event.id for part in append.parts for event in part.events]
    stored = {event.id_bytes for event in page.events_by_id(connection, ids)}
    seen: set[bytes] = set()
    for event_id in ids:
        if event_id in stored or event_id in seen:
            return duplicate(append, event_id, stored=event_id in stored)
        seen.add(event_id)
    return DuplicateEvent(f"the log holds an event with an identifier of the append to {append.stream!r}")
