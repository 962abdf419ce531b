"""ThreadWorkers: functions that block, in threads."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, ParamSpec, TypeVar

from headwater.runtime.offload import WAITING, WorkerSlots

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_log: Final = logging.getLogger("headwater.runtime")


class ThreadWorkers:
    """A bounded number of threads for functions that block.

    A thread can't be interrupted. When the task ends before the function returns (an exit signal, a kill, a deadline,
    a cancellation), the task ends at once and all who wait for it hear of that; the function goes on to its end in its
    thread, its result is dropped, an error that it raises is logged, and its worker is busy until then. A function
    that still waits for a worker is never run. Python itself doesn't exit before such a function has returned: give
    it a timeout of its own.

    The function sees the context variables of the task, and must not touch processes: call and cast belong to the
    event loop.

    Args:
        count: how many threads.
        waiting: how many calls may wait for one; more raise `TooManyTasks`.

    Raises:
        DefinitionError: fewer than one thread, or a negative number of calls.
    """

    def __init__(self, count: int, *, waiting: int = WAITING) -> None:
        self._slots = WorkerSlots(count, waiting)
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="headwater")
        self._running: set[asyncio.Future[Any]] = set()

    def wrap(self, function: Callable[Arguments, Result]) -> Callable[Arguments, Coroutine[object, object, Result]]:
        """An async function that lets a thread run `function`, and returns or raises what that does."""

        @functools.wraps(function)
        async def offloaded(*arguments: Arguments.args, **keywords: Arguments.kwargs) -> Result:
            await self._slots.take()
            return await self._start(functools.partial(function, *arguments, **keywords))

        return offloaded

    async def close(self) -> None:
        """Take no more work, refuse what waits, and wait until the functions that run have returned."""
        self._slots.close()
        if self._running:
            await asyncio.wait(self._running)
        self._executor.shutdown(wait=False)

    def _start(self, work: Callable[[], Result]) -> asyncio.Future[Result]:
        context = contextvars.copy_context()
        running = asyncio.get_running_loop().run_in_executor(self._executor, context.run, work)
        self._running.add(running)
        awaited = asyncio.shield(running)  # so that a cancellation ends the wait, and not the note of its end
        running.add_done_callback(functools.partial(self._returned, awaited))
        return awaited

    def _returned(self, awaited: asyncio.Future[Result], running: asyncio.Future[Result]) -> None:
        self._running.discard(running)
        self._slots.give_back()
        if awaited.cancelled() and (error := running.exception()) is not None:
            _log.error("a function in a thread raised, after its task had ended", exc_info=error)
