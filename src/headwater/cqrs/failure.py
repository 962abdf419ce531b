"""What went wrong in a process manager, and what is done about it."""

from __future__ import annotations

import enum
import logging
from typing import Final, Protocol

import msgspec

from headwater.cqrs.outgoing import Outgoing
from headwater.errors import (
    CodecError,
    CommandIdTaken,
    DefinitionError,
    InstanceAlreadyStarted,
    InstanceNotStarted,
    InvalidCommand,
    UnknownCommand,
)
from headwater.sourcing.messages import Command
from headwater.store.model import Recorded

HOPELESS: Final = (
    CodecError,
    CommandIdTaken,
    DefinitionError,
    InstanceAlreadyStarted,
    InstanceNotStarted,
    InvalidCommand,
    UnknownCommand,
)
"""Errors that another try can't mend."""

_log: Final = logging.getLogger("headwater.cqrs")


class RetryIn(msgspec.Struct, frozen=True):
    """Try again.

    Attributes:
        seconds: when.
    """

    seconds: float


class Resolution(enum.Enum):
    """What else can be done about a failure."""

    SKIP = "skip it"
    """Go on without this event, or this command."""
    SKIP_ALL = "skip it and the commands behind it"
    """Go on without this event, or this command, and without the commands that wait to be dispatched."""
    PARK = "park it"
    """Put it where somebody looks at it, and go on without it; stop the instance if there is no such place."""
    STOP = "stop the instance"
    """Handle nothing more of this instance until it is resumed. Nothing is lost: see `Application.resume`."""


class Failure(msgspec.Struct, frozen=True):
    """What went wrong.

    Attributes:
        manager: the name of the process manager.
        instance: which of its instances; None if it could not even be told for which one an event is.
        event: the event that could not be handled; None if it was a command.
        command: the command that could not be dispatched; None if it was an event.
        error: why.
        attempts: how often it was tried.
        delay: the back-off's seconds until another try.
        outgoing: the command as it lies in the log, with its identifier; None if it was an event.
    """

    manager: str
    instance: str | None
    event: Recorded | None
    command: Command | None
    error: Exception
    attempts: int
    delay: float
    outgoing: Outgoing | None = None

    @property
    def hopeless(self) -> bool:
        """Whether another try would end in the same way."""
        return isinstance(self.error, HOPELESS)

    def __str__(self) -> str:
        subject = f"event {self.event.position}" if self.event is not None else type(self.command).__qualname__
        whose = "process manager" if self.instance is None else f"instance {self.instance!r} of process manager"
        return f"{whose} {self.manager!r}: {subject}: {type(self.error).__name__}: {self.error}"


class Parking(Protocol):
    """Where a process manager leaves what it can't handle."""

    async def park(self, failure: Failure) -> bool:
        """Keep a failure for somebody to look at, durably. May be asked twice for the same one, after a crash.

        Returns:
            Whether it is kept, so that the instance can go on without it. If not, the instance is stopped.
        """


class NoParking:
    """Failures are logged, and each stops its instance. The default is to keep them as dead letters."""

    async def park(self, failure: Failure) -> bool:
        """Log it."""
        _log.error("stopped after %d attempts: %s", failure.attempts, failure, exc_info=failure.error)
        return False
