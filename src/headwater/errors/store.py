"""The event store."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from headwater.errors.base import HeadwaterError


class StoreError(HeadwaterError):
    """Base of what goes wrong in the event store. Nothing is ever half appended."""


class WrongExpectedVersion(StoreError):
    """The stream is not at the version that the append was made for. Nothing was appended.

    Args:
        stream: the stream's name.
        expected: what the append asked for.
        actual: the stream's version at that moment; 0 when it doesn't exist.
    """

    def __init__(self, stream: str, expected: str, actual: int) -> None:
        super().__init__(f"stream {stream!r} is at version {actual}, but the append expected {expected}")
        self.stream = stream
        self.expected = expected
        self.actual = actual


class ConditionFailed(StoreError):
    """An event that the append's condition excludes is in the log. Nothing was appended.

    Args:
        position: where the first such event lies.
        after: the position that the condition was read up to.
    """

    def __init__(self, position: int, after: int) -> None:
        super().__init__(
            f"the event at position {position} matches the append's condition, which allows none after {after}; "
            "read again and decide again"
        )
        self.position = position
        self.after = after


class PipelineBroken(StoreError):
    """An earlier append, which this one was decided upon, failed. Nothing was appended."""


class DuplicateEvent(StoreError):
    """The log has an event with this id already, and not by this very append. Nothing was appended.

    Also raised when an event would be linked a second time into the same stream.

    Args:
        message: which event.
        id: its identifier; None if the storage didn't tell.
    """

    def __init__(self, message: str, /, *, id: UUID | None = None) -> None:  # noqa: A002 - the field's term
        super().__init__(message)
        self.id = id


class InvalidStreamName(StoreError):
    """A stream's name is empty, too long, reserved, or holds control characters."""


class InvalidTag(StoreError):
    """A tag is empty, too long, or holds control characters; or an event has too many."""


class StreamNotFound(StoreError):
    """There is no such stream, or none of its events can be read."""


class StreamDeleted(StoreError):
    """The stream was closed for ever: nothing can be appended to it or linked into it. Nothing was."""


class EventNotFound(StoreError):
    """No event lies at this position. Nothing was linked."""


class StoreClosed(StoreError):
    """The store is closed, or was closed before the append was taken up."""


class StoreReadOnly(StoreError):
    """The store was opened for reading only. Nothing was appended."""


class StoreOverloaded(StoreError):
    """More appends wait than the store may queue. This one was not queued."""


class StoreLocked(StoreError):
    """Another process writes to this store. The message names it."""


class NotAStore(StoreError):
    """The file or URL is no Headwater event store. It was not touched."""


class NewerSchema(StoreError):
    """The store was written by a newer Headwater than this one. It was not touched."""


class OutcomeUnknown(StoreError):
    """The connection was lost while the append was under way: it may be in the log, or not.

    Append again with the same ids: if it is in the log already, that gives the first result.

    Args:
        message: what was lost.
        ids: the identifiers of the append's events.
    """

    def __init__(self, message: str, /, *, ids: Sequence[UUID]) -> None:
        super().__init__(message)
        self.ids = tuple(ids)


class BackupFailed(StoreError):
    """The copy could not be made, or is not what was copied. Nothing was left at its path."""


class BackupUnsupported(StoreError):
    """This backend makes no copies of itself. The message tells what to use instead."""


class FileTaken(StoreError):
    """There is a file already where one shall be made. It was not touched."""


class BrokenExport(StoreError):
    """A line of an export can't be what was written. What stood before it has been imported.

    Args:
        line: the line's number, from 1.
        reason: what is wrong with it.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class ForeignLog(StoreError):
    """The store's events are not the first ones of what is being imported. Nothing of it was imported."""


class NotExportable(StoreError):
    """The log holds something that an export can't carry. The message names it."""


class StorageFailed(StoreError):
    """The disk or the database refused. The whole group of appends was rolled back."""


class StorageFull(StorageFailed):
    """The disk is full, or the file has reached its largest size. The group of appends was rolled back."""
