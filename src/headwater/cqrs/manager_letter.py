"""Dead letters of process managers: what an instance could not handle, as a stream in the log tells it. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from headwater.cqrs.dead_letter import described, traced
from headwater.cqrs.failure import Failure
from headwater.cqrs.outgoing import Outgoing
from headwater.sourcing.messages import Event
from headwater.store.model import Recorded


class ManagerLetterParked(Event, name="headwater.manager_letter_parked"):
    """A process manager has given up an event, or a command that one of its instances has yielded.

    Attributes:
        manager: the process manager's name.
        instance: which instance; None if it could not be told for which one the event is.
        type: the type name of the event or the command.
        error: what was raised the last time.
        trace: where.
        attempts: how often it was tried.
        position: where the event lies; None if it was a command.
        part: which of the events that upcasters have made of it.
        command: the command; None if it was an event.
    """

    manager: str
    instance: str | None
    type: str
    error: str
    trace: str
    attempts: int
    position: int | None = None
    part: int = 0
    command: Outgoing | None = None

    @property
    def identity(self) -> tuple[object, ...]:
        """What is the same when the same thing is parked again."""
        return self.instance, self.position, self.part, None if self.command is None else self.command.id


class ManagerLetterFailed(Event, name="headwater.manager_letter_failed"):
    """Its command was dispatched again, and has failed again."""

    number: int
    error: str
    trace: str


class ManagerLetterDone(Event, name="headwater.manager_letter_done"):
    """Its command was dispatched again, and has had its effect."""

    number: int


class ManagerLetterDropped(Event, name="headwater.manager_letter_dropped"):
    """Somebody has decided that nothing comes of it."""

    number: int
    reason: str


MANAGER_LETTER_EVENTS: Final[tuple[type[Event], ...]] = (
    ManagerLetterParked,
    ManagerLetterFailed,
    ManagerLetterDone,
    ManagerLetterDropped,
)


class ManagerLetter(msgspec.Struct, frozen=True):
    """Something that a process manager could not handle.

    Attributes:
        manager: the process manager's name.
        number: what the letter is known by: 1 or more, and never used again.
        instance: which instance; None if it could not be told for which one the event is.
        type: the type name of the event or the command.
        position: where the event lies; None if it was a command.
        command: the command's identifier; None if it was an event.
        data: the command's fields; None if it was an event.
        error: what was raised the last time.
        trace: where.
        attempts: how often it was tried, replays included.
        parked_at: when it was given up.
        failed_at: when it has failed the last time.
    """

    manager: str
    number: int
    instance: str | None
    type: str
    position: int | None
    command: UUID | None
    data: object
    error: str
    trace: str
    attempts: int
    parked_at: datetime
    failed_at: datetime


def parked_failure(failure: Failure) -> ManagerLetterParked:
    """What is written of a failure."""
    recorded, outgoing = failure.event, failure.outgoing
    name = recorded.type if recorded is not None else "" if outgoing is None else outgoing.command.type
    return ManagerLetterParked(
        failure.manager,
        failure.instance,
        name,
        described(failure.error),
        traced(failure.error),
        failure.attempts,
        None if recorded is None else int(recorded.position),
        0 if recorded is None else recorded.index,
        outgoing,
    )


class OpenManagerLetters:
    """The letters of one process manager that are neither done nor dropped.

    Attributes:
        letters: by their numbers, in the order in which they were parked. Not to be changed.
        parked: what was written of each.
        version: the version of the stream up to which it was followed.
    """

    def __init__(self) -> None:
        self.letters: dict[int, ManagerLetter] = {}
        self.parked: dict[int, ManagerLetterParked] = {}
        self.version = 0

    def holds(self, parked: ManagerLetterParked) -> bool:
        """Whether there is an open letter of the same event or command."""
        return any(one.identity == parked.identity for one in self.parked.values())

    def follow(self, recorded: Recorded) -> None:
        """Follow one event of the stream."""
        self.version = int(recorded.version)
        match recorded.event:
            case ManagerLetterParked() as event:
                self.parked[self.version] = event
                self.letters[self.version] = _letter(self.version, event, recorded.recorded_at)
            case ManagerLetterFailed(number=number) as event if number in self.letters:
                letter = self.letters[number]
                self.letters[number] = msgspec.structs.replace(
                    letter,
                    error=event.error,
                    trace=event.trace,
                    attempts=letter.attempts + 1,
                    failed_at=recorded.recorded_at,
                )
            case ManagerLetterDone(number=number) | ManagerLetterDropped(number=number):
                self.letters.pop(number, None)
                self.parked.pop(number, None)
            case _:
                pass


def _letter(number: int, event: ManagerLetterParked, at: datetime) -> ManagerLetter:
    outgoing = event.command
    return ManagerLetter(
        event.manager,
        number,
        event.instance,
        event.type,
        event.position,
        None if outgoing is None else outgoing.id,
        None if outgoing is None else msgspec.json.decode(outgoing.command.data),
        event.error,
        event.trace,
        event.attempts,
        at,
        at,
    )
