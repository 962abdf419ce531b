"""Waiting for tasks, within a time of the system's own clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from headwater.runtime.node import Node


class Settling(Protocol):
    """Something that comes to an end once."""

    @property
    def node(self) -> Node | None:
        """Its surroundings; None if it has settled from the beginning."""

    @property
    def settled(self) -> bool:
        """Whether it has."""

    @property
    def failed(self) -> bool:
        """Whether it came to a bad end."""

    def add_callback(self, callback: Callable[[], None]) -> None:
        """Call `callback` when it settles."""

    def remove_callback(self, callback: Callable[[], None]) -> None:
        """Don't."""


async def wait_for_some(tasks: Sequence[Settling], count: int, timeout: float | None, *, hasty: bool = False) -> None:
    """Wait until so many of the tasks have settled, or the time is over.

    Args:
        tasks: each one once.
        count: how many.
        timeout: seconds; 0 doesn't wait, None waits for ever.
        hasty: whether the first that fails ends the wait.
    """
    node = next((task.node for task in tasks if not task.settled), None)
    if node is None or (timeout is not None and timeout <= 0):
        return
    wait = _Wait(node, tasks, count, hasty=hasty)
    timer = None if timeout is None else node.clock.call_later(timeout, wait.finish)
    try:
        await wait.until_over()
    finally:
        if timer is not None:
            timer.cancel()


class _Wait:
    """One wait: it counts, and wakes the one who waits."""

    __slots__ = ("_future", "_hasty", "_missing", "_pending")

    def __init__(self, node: Node, tasks: Sequence[Settling], count: int, *, hasty: bool) -> None:
        self._pending = [task for task in tasks if not task.settled]
        self._missing = min(count, len(tasks)) - (len(tasks) - len(self._pending))
        self._hasty = hasty
        self._future: asyncio.Future[None] = node.loop.create_future()
        if self._missing <= 0 or (hasty and any(task.failed for task in tasks)):
            self.finish()

    def finish(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    async def until_over(self) -> None:
        if self._future.done():
            return
        callbacks = [(task, self._callback(task)) for task in self._pending]
        for task, callback in callbacks:
            task.add_callback(callback)
        try:
            await self._future
        finally:
            for task, callback in callbacks:
                task.remove_callback(callback)

    def _callback(self, task: Settling) -> Callable[[], None]:
        def settled() -> None:
            self._missing -= 1
            if self._missing <= 0 or (self._hasty and task.failed):
                self.finish()

        return settled
