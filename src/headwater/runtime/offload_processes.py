"""ProcessWorkers: functions that compute, in processes of the operating system."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar, cast

from headwater.runtime.offload import WAITING, WorkerSlots
from headwater.runtime.offload_worker import ProcessWorker

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class ProcessWorkers:
    """A bounded number of the operating system's processes for functions that compute.

    A worker can be killed. When the task ends before the function returns (an exit signal, a kill, a deadline, a
    cancellation), the task ends at once, and the worker that runs the function is killed with it: nothing of the
    function runs on, and no `finally` of it either. Another worker takes its place when it is needed. A function that
    still waits for a worker is never run. If a worker dies by itself, the task ends with `WorkerDied`, and nothing
    else is harmed.

    Function, arguments and result go from one process to the other as pickles: the function is one that a module
    defines. Workers are fresh interpreters, started when they are needed and kept for the next function; what a
    function raises is raised here, with its traceback as a note.

    Args:
        count: how many workers; as many as the machine has processors is the most that helps.
        waiting: how many calls may wait for one; more raise `TooManyTasks`.

    Raises:
        DefinitionError: fewer than one worker, or a negative number of calls.
    """

    def __init__(self, count: int, *, waiting: int = WAITING) -> None:
        self._slots = WorkerSlots(count, waiting)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="headwater-worker")  # each waits for a worker
        self._idle: list[ProcessWorker] = []
        self._busy: dict[asyncio.Future[object], ProcessWorker] = {}

    def wrap(self, function: Callable[Arguments, Result]) -> Callable[Arguments, Coroutine[object, object, Result]]:
        """An async function that lets a worker run `function`, and returns or raises what that does."""

        @functools.wraps(function)
        async def offloaded(*arguments: Arguments.args, **keywords: Arguments.kwargs) -> Result:
            await self._slots.take()
            worker = self._idle.pop() if self._idle else ProcessWorker()
            running = self._start(worker, functools.partial(worker.run, function, arguments, keywords))
            try:
                return cast("Result", await asyncio.shield(running))
            except asyncio.CancelledError:
                worker.kill()
                raise

        return offloaded

    async def close(self) -> None:
        """Take no more work, refuse what waits, kill the workers that are busy and let the others end."""
        self._slots.close()
        for worker in self._busy.values():
            worker.kill()
        if self._busy:
            await asyncio.wait(self._busy)
        idle, self._idle = self._idle, []
        await asyncio.gather(*(asyncio.to_thread(worker.close) for worker in idle))
        self._threads.shutdown(wait=False)

    def _start(self, worker: ProcessWorker, work: Callable[[], object]) -> asyncio.Future[object]:
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        self._busy[running] = worker
        running.add_done_callback(self._returned)
        return running

    def _returned(self, running: asyncio.Future[object]) -> None:
        running.exception()  # told to whoever waits; if the task has ended, nobody does
        worker = self._busy.pop(running)
        if worker.usable:
            self._idle.append(worker)
        self._slots.give_back()
