"""One aggregate that lives in memory: whether it is busy, and when it has been idle for long enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from headwater.clock import Clock, Timer

_TOLERANCE: Final = 0.001


class Resident:
    """Written by the aggregate's process, read by whoever decides which aggregates stay.

    It has one timer at most, which is set anew only when it has run out: a command costs none.

    Args:
        clock: where the time comes from.
        rested: called whenever the aggregate has become idle.
        leave: called when it has been idle for its lifespan.

    Attributes:
        busy: whether a command waits for its answer.
    """

    __slots__ = ("_clock", "_due", "_leave", "_rested", "_timer", "_until", "busy")

    def __init__(self, clock: Clock, rested: Callable[[], None], leave: Callable[[Resident], None]) -> None:
        self.busy = False
        self._clock = clock
        self._rested = rested
        self._leave = leave
        self._timer: Timer | None = None
        self._due = math.inf
        self._until = math.inf

    def rest(self, seconds: float) -> None:
        """All commands are answered, and the aggregate may stay for so many seconds more."""
        self.busy = False
        if seconds <= 0:
            self._leave(self)
            return
        self.expect(seconds)
        self._rested()

    def expect(self, seconds: float) -> None:
        """It may stay for so many seconds, unless a command comes."""
        self._until = self._clock.monotonic() + seconds
        if self._until < self._due:
            self._arm(seconds)

    def close(self) -> None:
        """The process ends: no timer runs any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._due = None, math.inf

    def _arm(self, seconds: float) -> None:
        self.close()
        self._due = self._clock.monotonic() + seconds
        self._timer = self._clock.call_later(seconds, self._expire)

    def _expire(self) -> None:
        self._timer, self._due = None, math.inf
        left = self._until - self._clock.monotonic()
        if self.busy or left == math.inf:
            return  # when it rests again, that sets the timer
        if left > _TOLERANCE:
            self._arm(left)
        else:
            self._leave(self)
