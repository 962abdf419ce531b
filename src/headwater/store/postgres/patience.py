"""Waiting for a database to come back."""

from __future__ import annotations

import asyncio
from typing import Final

from headwater.clock import Clock

_FIRST: Final = 0.02
_LONGEST: Final = 1.0


class Patience:
    """Waits between attempts, each twice as long as the one before it, until the time is up.

    Args:
        clock: says when.
        seconds: how long to go on, counted from the first failure.
    """

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock: Final = clock
        self._seconds: Final = seconds
        self._until: float | None = None
        self._delay = _FIRST

    async def wait(self) -> bool:
        """Wait for the next attempt. False when there shall be none."""
        now = self._clock.monotonic()
        if self._until is None:
            self._until = now + self._seconds
        if now >= self._until:
            return False
        await pause(self._clock, min(self._delay, self._until - now))
        self._delay = min(_LONGEST, self._delay * 2)
        return True


async def pause(clock: Clock, seconds: float) -> None:
    """Wait, by the clock's time."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end() -> None:
        if not over.done():
            over.set_result(None)

    timer = clock.call_later(seconds, end)
    try:
        await over
    finally:
        timer.cancel()
