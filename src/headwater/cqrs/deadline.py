"""One deadline over several steps."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final

from headwater.clock import Clock, Timer
from headwater.errors import DeadlineExceeded


class Deadline:
    """A moment by which something has to be done. `async with` ends what is under way in it then.

    Args:
        clock: where the time comes from.
        seconds: from now; None for never.
        what: what has to be done, for the message.

    Raises:
        ValueError: the time isn't positive.
    """

    def __init__(self, clock: Clock, seconds: float | None, what: str) -> None:
        if seconds is not None and not seconds > 0:
            raise ValueError(f"a deadline is a positive number of seconds, or None for none, not {seconds}")
        self._clock: Final = clock
        self._seconds: Final = seconds
        self._what: Final = what
        self._end: Final = None if seconds is None else clock.monotonic() + seconds
        self._timer: Timer | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._expired = False

    def left(self) -> float | None:
        """Seconds that are left; None for ever.

        Raises:
            DeadlineExceeded: none are.
        """
        if self._end is None:
            return None
        left = self._end - self._clock.monotonic()
        if left <= 0:
            raise self.exceeded()
        return left

    def exceeded(self) -> DeadlineExceeded:
        """What is raised when the moment has come."""
        return DeadlineExceeded(f"{self._what} did not end within {self._seconds} s")

    async def __aenter__(self) -> Deadline:
        left = self.left()
        if left is not None:
            self._task = asyncio.current_task()
            self._cancelling = self._task.cancelling() if self._task is not None else 0
            self._timer = self._clock.call_later(left, self._expire)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        task, self._task = self._task, None
        if not self._expired or task is None:
            return
        others = task.uncancel() > self._cancelling  # somebody else has cancelled it too: that goes on
        if isinstance(error, asyncio.CancelledError) and not others:
            raise self.exceeded() from error

    def _expire(self) -> None:
        if self._task is not None:
            self._expired = True
            self._task.cancel()
