"""The base of all errors, and those that belong to no part alone."""

from __future__ import annotations

from collections.abc import Callable


class HeadwaterError(Exception):
    """Base of all errors that Headwater raises on purpose.

    It can be pickled, so that it comes out of another process as it was raised there, given that its attributes can be.
    """

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return _restored, (type(self), self.args, vars(self))


def _restored(kind: type[HeadwaterError], args: tuple[object, ...], attributes: dict[str, object]) -> HeadwaterError:
    """An error as it was. Its `__init__` isn't run: it takes other arguments than those that are kept."""
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(attributes)
    return error


class InternalError(HeadwaterError):
    """Headwater broke one of its own promises. Nothing that a caller did can explain it: it is a bug."""


class DefinitionError(HeadwaterError):
    """A class of the application is put together wrongly. Raised at definition or at start, never later."""


class BrokenUpcasters(DefinitionError):
    """Upcasters leave a hole, lead nowhere or round in a circle. Raised before anything is read.

    Args:
        message: what is wrong, and what would be right.
        type: the type name at fault.
        schema: its schema version.
    """

    def __init__(self, message: str, /, *, type: str, schema: int) -> None:  # noqa: A002 - the field's term
        super().__init__(message)
        self.type = type
        self.schema = schema


class InvalidLock(HeadwaterError):
    """A file is no lock of the schemas of events, or can't be written. It was not changed."""


class Rejected(HeadwaterError):
    """An aggregate says no to a command. Nothing has changed, nothing was stored.

    Args:
        message: why, for a person.
        reason: why, for a program: a short stable word, also what rejections are counted by.
        details: the values that led to it.
    """

    def __init__(self, message: str, /, *, reason: str = "rejected", **details: object) -> None:
        super().__init__(message)
        self.reason = reason
        self.details = details


class DeadlineExceeded(HeadwaterError, TimeoutError):
    """No answer came within the caller's deadline. The work may still be done: the outcome is unknown."""


class ConsistencyTimeout(DeadlineExceeded):
    """A command's events are durable, but a view that its caller waits for has not followed them in time.

    Args:
        message: which view.
        stream: the stream that the events are in.
        version: its version after the command.
        position: the position of the last event; wait for it again with `wait_for`.
    """

    def __init__(self, message: str, /, *, stream: str, version: int, position: int) -> None:
        super().__init__(message)
        self.stream = stream
        self.version = version
        self.position = position


class MissingExtra(HeadwaterError, ImportError):
    """A module needs a library that isn't installed. The message names the extra that it comes with."""
