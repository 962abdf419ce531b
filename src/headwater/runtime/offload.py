"""Offloading: a function that would keep the event loop, made one that doesn't.

    threads = ThreadWorkers(4)
    report = await tasks.run(threads.wrap(render), order)      # a Task of what `render` returns

`ThreadWorkers` is for functions that block (files, sockets, libraries that release Python's lock), `ProcessWorkers` for
those that compute. What either makes is an async function with the same parameters, for a task, a stream of tasks, or
a plain `await`. What exit signals, deadlines and cancellation do to the work is told by each.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Final, ParamSpec, Protocol, TypeVar

from headwater.errors import DefinitionError, ProcessError, TooManyTasks

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

WAITING: Final = 10_000
"""How many pieces of work may wait for a worker."""


class Workers(Protocol):
    """A bounded number of workers outside of the event loop."""

    def wrap(self, function: Callable[Arguments, Result]) -> Callable[Arguments, Coroutine[object, object, Result]]:
        """An async function that lets a worker run `function`."""

    async def close(self) -> None:
        """Take no more work, and let the workers go."""


class WorkerSlots:
    """Who may use a worker: so many at a time, the others in line, first come, first served.

    Args:
        count: how many workers there are.
        waiting: how many may stand in line.

    Raises:
        DefinitionError: fewer than one worker, or a negative line.
    """

    __slots__ = ("_closed", "_free", "_line", "_waiting")

    def __init__(self, count: int, waiting: int) -> None:
        if count < 1 or waiting < 0:
            raise DefinitionError(f"there is at least 1 worker and a line of 0 or more, not {count} and {waiting}")
        self._free = count
        self._waiting = waiting
        self._line: deque[asyncio.Future[None]] = deque()
        self._closed = False

    async def take(self) -> None:
        """Wait for a worker.

        Raises:
            TooManyTasks: the line is full.
            ProcessError: the workers are closed.
        """
        if self._closed:
            raise ProcessError("the workers are closed")
        if self._free > 0:
            self._free -= 1
            return
        if len(self._line) >= self._waiting:
            raise TooManyTasks(f"all workers are busy, and {self._waiting} wait already")
        await self._stand_in_line()

    def give_back(self) -> None:
        """A worker is free again."""
        while self._line:
            first = self._line.popleft()
            if not first.done():
                first.set_result(None)
                return
        self._free += 1

    def close(self) -> None:
        """Refuse whoever comes, and those in line."""
        self._closed = True
        while self._line:
            waiting = self._line.popleft()
            if not waiting.done():
                waiting.set_exception(ProcessError("the workers were closed"))

    async def _stand_in_line(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give_back()  # it was this one's turn just now
            elif turn in self._line:
                self._line.remove(turn)
            raise
