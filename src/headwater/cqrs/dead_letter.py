"""Dead letters: events that a handler could not handle, as their own stream in the log tells it. Pure."""

from __future__ import annotations

import traceback
from datetime import datetime
from typing import Final

import msgspec

from headwater.sourcing.messages import Event
from headwater.store.model import Recorded

LONGEST_ERROR: Final = 1_000
"""How many characters of an error's message are kept."""

LONGEST_TRACE: Final = 4_000
"""How many characters of a traceback are kept, the last ones."""


class LetterParked(Event, name="headwater.letter_parked"):
    """A handler has given up an event. The event itself lies where it always lay.

    Attributes:
        handler: the handler's name.
        position: where the event lies.
        event_id: its identifier.
        event_type: its type name.
        stream: its stream …
        version: … and its version in it.
        error: what the handler raised the last time.
        trace: where.
        attempts: how often it was tried.
    """

    handler: str
    position: int
    event_id: str
    event_type: str
    stream: str
    version: int
    error: str
    trace: str
    attempts: int


class LetterFailed(Event, name="headwater.letter_failed"):
    """It was replayed, and its handler raised again."""

    position: int
    error: str
    trace: str


class LetterDone(Event, name="headwater.letter_done"):
    """It was replayed, and its handler returned."""

    position: int


class LetterDropped(Event, name="headwater.letter_dropped"):
    """Somebody has decided that it won't be handled."""

    position: int
    reason: str


LetterEvent = LetterParked | LetterFailed | LetterDone | LetterDropped

LETTER_EVENTS: Final[tuple[type[Event], ...]] = (LetterParked, LetterFailed, LetterDone, LetterDropped)


class Letter(msgspec.Struct, frozen=True):
    """An event that a handler could not handle.

    Attributes:
        handler: the handler's name.
        position: where the event lies; what the letter is known by.
        event_id: its identifier.
        event_type: its type name.
        stream: its stream …
        version: … and its version in it.
        error: what the handler raised the last time.
        trace: where.
        attempts: how often it was tried, replays included.
        parked_at: when it was given up.
        failed_at: when it has failed the last time.
    """

    handler: str
    position: int
    event_id: str
    event_type: str
    stream: str
    version: int
    error: str
    trace: str
    attempts: int
    parked_at: datetime
    failed_at: datetime


def parked(handler: str, recorded: Recorded, error: object, attempts: int) -> LetterParked:
    """What is written of an event that is given up."""
    stored = recorded.stored
    return LetterParked(
        handler,
        stored.position,
        str(stored.id),
        stored.type,
        stored.stream,
        stored.version,
        described(error),
        traced(error),
        attempts,
    )


def described(error: object) -> str:
    """An error in a line."""
    text = f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else str(error)
    return text[:LONGEST_ERROR]


def traced(error: object) -> str:
    """Where it was raised."""
    if not isinstance(error, BaseException):
        return ""
    return "".join(traceback.format_exception(error))[-LONGEST_TRACE:]


class OpenLetters:
    """The letters of one handler that are neither done nor dropped, as its stream tells it.

    Attributes:
        letters: by the positions of their events, in the order in which they were parked. Not to be changed.
        version: the version of the stream up to which it was followed.
    """

    def __init__(self) -> None:
        self.letters: dict[int, Letter] = {}
        self.version = 0

    def follow(self, recorded: Recorded) -> None:
        """Follow one event of the stream."""
        self.version = int(recorded.version)
        match recorded.event:
            case LetterParked() as event:
                at = recorded.recorded_at
                fields = {name: getattr(event, name) for name in LetterParked.__struct_fields__}
                self.letters[event.position] = Letter(**fields, parked_at=at, failed_at=at)
            case LetterFailed(position=position) as event if position in self.letters:
                letter = self.letters[position]
                self.letters[position] = msgspec.structs.replace(
                    letter,
                    error=event.error,
                    trace=event.trace,
                    attempts=letter.attempts + 1,
                    failed_at=recorded.recorded_at,
                )
            case LetterDone(position=position) | LetterDropped(position=position):
                self.letters.pop(position, None)
            case _:
                pass
