"""Locks on a registry's keys."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Generic, TypeVar

from headwater.runtime.process import Process, current
from headwater.runtime.states import ENDED

Key = TypeVar("Key")


class KeyLocks(Generic[Key]):
    """One lock for each key that somebody holds or wants. Whoever came first gets it first."""

    __slots__ = ("_queues",)

    def __init__(self) -> None:
        self._queues: dict[Key, deque[KeyLock[Key]]] = {}

    def __len__(self) -> int:
        return len(self._queues)

    def join(self, key: Key, lock: KeyLock[Key]) -> bool:
        """Stand in line. Whether the lock is there at once."""
        queue = self._queues.setdefault(key, deque())
        queue.append(lock)
        return queue[0] is lock

    def leave(self, key: Key, lock: KeyLock[Key]) -> None:
        """Give the lock back, or wait for it no longer. The next in line gets it. Harmless when done already."""
        queue = self._queues.get(key)
        if queue is None or lock not in queue:
            return
        queue.remove(lock)
        if not queue:
            del self._queues[key]
        else:
            queue[0].grant()


class KeyLock(Generic[Key]):
    """A critical section across processes, for `async with`. Made by `Registry.lock`; good for one use at a time.

    It is given back at the end of the block, and also when the process in whose method the block runs ends: then at
    once, before anybody hears of the end.
    """

    __slots__ = ("_granted", "_key", "_locks", "_process")

    def __init__(self, locks: KeyLocks[Key], key: Key) -> None:
        self._locks = locks
        self._key = key
        self._granted: asyncio.Future[None] | None = None
        self._process: Process | None = None

    def grant(self) -> None:
        """The lock is there. Harmless when it was already."""
        if self._granted is not None and not self._granted.done():
            self._granted.set_result(None)

    async def __aenter__(self) -> None:
        self._process = current.get()
        self._granted = asyncio.get_running_loop().create_future()
        if self._process is not None:
            self._process.cleanups = [*(self._process.cleanups or ()), self._leave]
        if self._locks.join(self._key, self):
            return
        try:
            await self._granted
        except BaseException:
            self._give_back()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()

    def _give_back(self) -> None:
        process = self._process
        if process is not None and process.state != ENDED and process.cleanups is not None:
            process.cleanups.remove(self._leave)
        self._leave()

    def _leave(self) -> None:
        self._locks.leave(self._key, self)
