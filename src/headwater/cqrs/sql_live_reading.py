"""Live queries to a view in a database: their answers are read there, beside the process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from headwater.cqrs.live_queries import LiveQuery
from headwater.cqrs.query import Query


class LiveReading:
    """Reads the answers of live queries: one at a time for each, and once more if the rows have changed meanwhile.

    Args:
        read: reads the answer to a query as it stands now.
    """

    def __init__(self, read: Callable[[Query[object]], Awaitable[object]]) -> None:
        self._read: Final = read
        self._changed: Final[dict[LiveQuery, bool]] = {}
        self._tasks: Final[set[asyncio.Task[None]]] = set()

    def look(self, live: LiveQuery) -> None:
        """The rows may have changed: give the subscriber its answer, if it is another one."""
        if live in self._changed:
            self._changed[live] = True
            return
        self._changed[live] = True
        task = asyncio.get_running_loop().create_task(self._follow(live))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, live: LiveQuery) -> None:
        try:
            while self._changed[live] and live.awaited:
                self._changed[live] = False
                await self._look(live)
        finally:
            del self._changed[live]

    async def _look(self, live: LiveQuery) -> None:
        try:
            answer = await self._read(live.query)
        except Exception as error:  # noqa: BLE001 - a question never harms the view
            live.fail(error)
        else:
            live.offer(answer)

    def stop(self) -> None:
        """End what is being read."""
        for task in tuple(self._tasks):
            task.cancel()
