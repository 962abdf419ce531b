"""Time that stands still until a test moves it, and the time of an event loop that has its own."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Final

_SECOND: Final = 1_000_000_000


class _VirtualTimer:
    """A callback that waits for virtual time."""

    __slots__ = ("callback", "cancelled")

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """The callback will not run."""
        self.cancelled = True


class VirtualClock:
    """A `Clock` for tests: `advance` moves it and runs the timers whose time has come, in the order of their times.

        clock = VirtualClock()
        async with System(clock=clock) as system:
            ...
            clock.advance(5.0)

    Args:
        wall: what the wall clock shows at first, in nanoseconds since 1970-01-01 UTC.
    """

    def __init__(self, wall: int = 1_700_000_000 * _SECOND) -> None:
        self._wall = wall
        self._elapsed = 0
        self._order = itertools.count()
        self._timers: list[tuple[int, int, _VirtualTimer]] = []

    def monotonic(self) -> float:
        """Seconds that were advanced so far."""
        return self._elapsed / _SECOND

    def wall(self) -> int:
        """Nanoseconds since 1970-01-01 UTC: what it showed at first, and what was advanced since."""
        return self._wall + self._elapsed

    def call_later(self, delay: float, callback: Callable[[], object]) -> _VirtualTimer:
        """Run `callback` when the clock was advanced by `delay` seconds more."""
        timer = _VirtualTimer(callback)
        heapq.heappush(self._timers, (self._elapsed + round(delay * _SECOND), next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Move the clock, and run the timers whose time comes meanwhile, each at its time.

        Raises:
            ValueError: the time is negative.
        """
        if seconds < 0:
            raise ValueError(f"a clock doesn't go back: {seconds} s")
        end = self._elapsed + round(seconds * _SECOND)
        while self._timers and self._timers[0][0] <= end:
            self._elapsed, _, timer = heapq.heappop(self._timers)
            if not timer.cancelled:
                timer.callback()
        self._elapsed = end

    @property
    def pending(self) -> int:
        """How many timers wait and were not cancelled."""
        return sum(1 for _, _, timer in self._timers if not timer.cancelled)


class LoopClock:
    """A `Clock` that shows the time of an event loop, such as a simulation's.

    Args:
        loop: the event loop.
        wall: what the wall clock shows when the loop's time is 0, in nanoseconds since 1970-01-01 UTC.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, wall: int = 1_700_000_000 * _SECOND) -> None:
        self._loop = loop
        self._wall = wall

    def monotonic(self) -> float:
        """The loop's time, in seconds."""
        return self._loop.time()

    def wall(self) -> int:
        """Nanoseconds since 1970-01-01 UTC."""
        return self._wall + round(self._loop.time() * _SECOND)

    def call_later(self, delay: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """Run `callback` on the loop in `delay` seconds."""
        return self._loop.call_later(delay, callback)
