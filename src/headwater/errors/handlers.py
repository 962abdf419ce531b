"""Event handlers, and the dead letters of theirs and of process managers."""

from __future__ import annotations

from headwater.errors.application import ApplicationError


class UnknownHandler(ApplicationError):
    """The application has no such event handler."""


class HandlerStopped(ApplicationError):
    """An event handler has stopped, and goes on when it is resumed.

    Args:
        handler: the handler's name.
        cause: why it has stopped, as text.
    """

    def __init__(self, handler: str, cause: str) -> None:
        super().__init__(f"handler {handler!r} has stopped: {cause}")
        self.handler = handler
        self.cause = cause


class DeadLettersFull(ApplicationError):
    """A handler or a process manager has as many open dead letters as it may have."""


class LetterNotFound(ApplicationError):
    """A handler has no open dead letter of this position, or a process manager none of this number."""


class LetterNotReplayable(ApplicationError):
    """A dead letter of an event that a process manager's instance has gone on behind, or of one that has stopped."""
