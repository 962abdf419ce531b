"""How long callers wait for the answers to their commands."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from headwater.clock import Clock

Waiting = asyncio.Future[Any]


class Impatience(Exception):
    """How an answer fails that doesn't come in time; whoever waits for it says so in words of his own."""


class _Lane:
    """All who wait equally long: who comes first has to be told first, so that one timer is enough."""

    __slots__ = ("armed", "ends")

    def __init__(self) -> None:
        self.ends: dict[Waiting, float] = {}
        self.armed = False


class Patience:
    """Makes answers fail that don't come in time, without a timer for each.

    A timer costs more than all the rest of waiting, and nearly none is ever needed. So there is one for all who wait
    equally long, set for the first of them.

    Args:
        clock: where the time comes from.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock: Final = clock
        self._lanes: Final[dict[float, _Lane]] = {}

    def check(self, seconds: float | None) -> None:
        """Make sure that one can wait so long.

        Raises:
            ValueError: the time isn't positive.
        """
        if seconds is not None and not seconds > 0:
            raise ValueError(f"a command waits a positive number of seconds, or None for ever, not {seconds}")

    def begin(self, answer: Waiting, seconds: float) -> None:
        """Let an answer fail with `Impatience` in so many seconds, unless `end` comes first."""
        lane = self._lanes.get(seconds)
        if lane is None:
            lane = self._lanes[seconds] = _Lane()
        lane.ends[answer] = self._clock.monotonic() + seconds
        if not lane.armed:
            self._arm(lane, seconds, seconds)

    def end(self, answer: Waiting, seconds: float | None) -> None:
        """Nobody waits for it any more. Harmless if nobody has."""
        lane = None if seconds is None else self._lanes.get(seconds)
        if lane is not None:
            lane.ends.pop(answer, None)

    def _arm(self, lane: _Lane, seconds: float, delay: float) -> None:
        lane.armed = True
        self._clock.call_later(delay, lambda: self._expire(lane, seconds))

    def _expire(self, lane: _Lane, seconds: float) -> None:
        now = self._clock.monotonic()
        while lane.ends:
            answer, end = next(iter(lane.ends.items()))
            if end > now:
                self._arm(lane, seconds, end - now)
                return
            del lane.ends[answer]
            if not answer.done():
                answer.set_exception(Impatience())
        del self._lanes[seconds]
