"""Reading an async iterator ahead, so that whoever wants items gets all that are ready at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

PREFETCH: Final = 1_000
"""How many items are read ahead at most, unless told otherwise."""


class Prefetch(Generic[Item]):
    """A task that reads an iterator, and the items that it has read. To be made in a running event loop.

    The reading goes on whoever gives up waiting, so that no item is lost and the iterator is never cancelled by that.

    Args:
        items: what to read.
        limit: how many items may wait.
    """

    __slots__ = ("_changed", "_items", "_limit", "_reader", "_waiting")

    def __init__(self, items: AsyncIterator[Item], limit: int = PREFETCH) -> None:
        self._items = items
        self._limit = limit
        self._waiting: deque[Item] = deque()
        self._changed = asyncio.Event()  # something was read, or taken
        self._reader = asyncio.get_running_loop().create_task(self._read())

    async def take(self, demand: int) -> list[Item]:
        """Wait until there are items, and take them, at most `demand`. None are left when the result is empty.

        Raises:
            Exception: what the iterator raised, when all items before that are taken.
        """
        waiting = self._waiting
        while not waiting:
            if self._reader.done():
                self._reader.result()
                return []
            await self._wait()
        taken = [waiting.popleft() for _ in range(min(demand, len(waiting)))]
        self._changed.set()
        return taken

    def cancel(self) -> None:
        """Stop reading. Cancels the iterator if it is waiting for something."""
        self._reader.cancel()

    async def ended(self) -> None:
        """Wait until the reading has ended, however it did."""
        await asyncio.wait([self._reader])

    async def _read(self) -> None:
        try:
            async for item in self._items:
                self._waiting.append(item)
                self._changed.set()
                while len(self._waiting) >= self._limit:
                    await self._wait()
        finally:
            self._changed.set()

    async def _wait(self) -> None:
        """Until something was read, or taken, since."""
        self._changed.clear()
        await self._changed.wait()
