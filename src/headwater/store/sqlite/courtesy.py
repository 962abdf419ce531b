"""A busy event loop gives way to the store's threads.

A thread that wants Python's global lock asks for it after five milliseconds of waiting, and starts to wait anew
whenever the lock was let go and taken again in between. An event loop lets go of it in each of its turns, for a few
microseconds: too short for the other thread to wake up. So, while the loop has turns of less than five milliseconds
without end, the other thread may wait for hundreds of milliseconds each time it wants to go on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

_EVERY_SECONDS: Final = 0.001
_PAUSE_SECONDS: Final = 0.000_05


class Courtesy:
    """While there is work in the threads that doesn't get on, pauses the event loop for an instant each millisecond.

    An idle loop isn't slowed down, for a pause delays nothing; a busy one gives up some 10 % of its time until the
    work is done.

    Args:
        loop: the event loop.
        progress: a number that changes whenever a thread has got on; None when there is no work.
    """

    __slots__ = ("_loop", "_progress", "_seen", "active")

    def __init__(self, loop: asyncio.AbstractEventLoop, progress: Callable[[], int | None]) -> None:
        self._loop = loop
        self._progress = progress
        self._seen: int | None = None
        self.active = False

    def begin(self) -> None:
        """There is work now. Call it only when not `active`."""
        self.active = True
        self._seen = None
        self._loop.call_later(_EVERY_SECONDS, self._look)

    def _look(self) -> None:
        progress = self._progress()
        if progress is None:
            self.active = False
            return
        if progress == self._seen:
            time.sleep(_PAUSE_SECONDS)
        self._seen = progress
        self._loop.call_later(_EVERY_SECONDS, self._look)
