"""Moments in the past, as a version, a position or an instant."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from headwater.clock import microseconds
from headwater.store.model import StoredEvent
from headwater.types import Position, Version

Moment: TypeAlias = Version | Position | datetime
"""`Version(7)`: after the stream's 7th event. `Position(100)`: after all events up to there in the whole log.
A `datetime` with a time zone: after all events recorded by then.

Recorded times never fall along the log: when the clock is set back, events keep the time of the event before them until
it has caught up. So an instant, like a position, cuts the log in two; events of one microsecond stay together."""


class Horizon:
    """Where the past ends: which events of a log count as having happened.

    Args:
        at: the moment; None for now.

    Raises:
        TypeError: it is a plain number, which could be either a version or a position.
        ValueError: it is negative, or a datetime without a time zone.
    """

    __slots__ = ("_instant", "_position", "_version")

    def __init__(self, at: Moment | None) -> None:
        self._version: int | None = None
        self._position: int | None = None
        self._instant: int | None = None
        match at:
            case None:
                pass
            case Version():
                self._version = _not_negative(at)
            case Position():
                self._position = _not_negative(at)
            case datetime():
                self._instant = microseconds(at)
            case _:
                raise TypeError(f"a moment is a Version(…), a Position(…) or a datetime with a time zone, not {at!r}")

    def includes(self, event: StoredEvent) -> bool:
        """Whether the event has happened by then. Once False, it is False for all later events of a stream."""
        return (
            (self._version is None or event.version <= self._version)
            and (self._position is None or event.position <= self._position)
            and (self._instant is None or event.microseconds <= self._instant)
        )


def _not_negative(number: int) -> int:
    if number < 0:
        raise ValueError(f"a version or a position is 0 or more, not {int(number)}")
    return number
