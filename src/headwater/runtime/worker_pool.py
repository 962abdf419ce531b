"""WorkerPool: workers for offloaded functions, as a process that a supervisor can have as a child."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from headwater.runtime.exits import Reason
from headwater.runtime.genserver import GenServer
from headwater.runtime.guarded import GuardedHandlers
from headwater.runtime.offload import Workers
from headwater.runtime.task_process import add_cleanup

_log: Final = logging.getLogger("headwater.runtime")


class WorkerPool(GenServer, handlers=GuardedHandlers):
    """A process that owns `ThreadWorkers` or `ProcessWorkers`, so that they start and end with a tree of supervisors.

        class Shop(Supervisor):
            def children(self) -> Iterable[Child]:
                yield Child(WorkerPool, ProcessWorkers, 4, name="cpu")
                yield Child(TaskSupervisor, name="tasks")

        workers = await system.named(WorkerPool, "cpu").call(WorkerPool.workers)
        task = await tasks.run(workers.wrap(render), order)

    A worker that dies, or is killed because its task has ended, is no failure of the pool: that one task ends with
    `WorkerDied`, and a new worker takes its place. When the pool ends, in good order or not, its workers are closed:
    what waits for one is refused with `ProcessError`, processes that are busy are killed, and threads, which can't be,
    are waited for as long as the child's `shutdown` says; then they run on alone to their end. A pool that comes back
    has new workers: ask for them again.
    """

    trap_exit = True

    def init(self, kind: Callable[..., Workers], *arguments: object, **keywords: object) -> None:
        """Make the workers.

        Args:
            kind: `ThreadWorkers` or `ProcessWorkers`, or another class of workers.
            arguments: for it.
            keywords: likewise.
        """
        self._workers = kind(*arguments, **keywords)
        add_cleanup(self._cell, self._abandon)

    def workers(self) -> Workers:
        """The workers, until the pool ends."""
        return self._workers

    async def terminate(self, reason: Reason) -> None:
        """Let the workers go, and wait until they have gone."""
        await self._workers.close()

    def _abandon(self) -> None:
        """Let the workers go when the pool was killed. Harmless when they have gone."""
        self._closing = self._cell.node.loop.create_task(self._workers.close())
        self._closing.add_done_callback(_report)


def _report(closing: asyncio.Task[None]) -> None:
    if not closing.cancelled() and (error := closing.exception()) is not None:
        _log.error("the workers of a pool could not be closed", exc_info=error)
