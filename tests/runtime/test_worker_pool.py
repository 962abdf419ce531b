"""Pools of workers as processes under a supervisor."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from headwater import Child, Pid, ProcessWorkers, Supervisor, System, Tasks, TaskSupervisor, ThreadWorkers, WorkerPool
from headwater.errors import ProcessDown, ProcessError, StartFailed, WorkerDied
from headwater.runtime.offload import Workers

from .driving import run, settle


class Shop(Supervisor):
    def children(self, kind: type[ThreadWorkers] | type[ProcessWorkers]) -> Iterable[Child]:
        yield Child(WorkerPool, kind, 2, name="workers", shutdown=1.0)
        yield Child(TaskSupervisor, name="tasks")


async def workers(system: System) -> Workers:
    return await system.named(WorkerPool, "workers").call(WorkerPool.workers)


def pool(system: System) -> Pid[WorkerPool]:
    return system.named(WorkerPool, "workers")


def tasks(system: System) -> Tasks:
    return Tasks(system.named(TaskSupervisor, "tasks"))


def double(number: int) -> int:
    return 2 * number


def tell_and_hang(path: Path) -> None:
    """In another process: tell its number through a pipe, which is open as long as it lives, and compute for ever."""
    with path.open("w") as pipe:
        pipe.write(f"{os.getpid()}\n")
        pipe.flush()
        while True:
            time.sleep(60)


class Hanging:
    """The other end of the pipe."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "pipe"
        os.mkfifo(self.path)

    async def begun(self) -> int:
        """Wait until the function runs. Returns the number of its process."""
        self._pipe = await asyncio.to_thread(self.path.open)
        return int(await asyncio.to_thread(self._pipe.readline))

    async def gone(self) -> None:
        """Wait until its process is no more."""
        assert await asyncio.to_thread(self._pipe.read) == ""
        self._pipe.close()


def test_threads_are_children_and_end_with_the_tree() -> None:
    async def scenario(system: System) -> None:
        shop = await system.start(Shop, ThreadWorkers)
        offloaded = (await workers(system)).wrap(double)
        assert await (await tasks(system).run(offloaded, 21)).result() == 42
        await shop.stop()
        with pytest.raises(ProcessError, match="closed"):
            await offloaded(1)

    run(scenario)


def test_a_worker_process_that_dies_ends_its_task_and_the_pool_goes_on(tmp_path: Path) -> None:
    async def scenario(system: System) -> None:
        await system.start(Shop, ProcessWorkers)
        before = pool(system)
        at_work = await workers(system)
        hanging = Hanging(tmp_path)
        task = await tasks(system).run_nolink(at_work.wrap(tell_and_hang), hanging.path)
        os.kill(await hanging.begun(), signal.SIGKILL)
        await hanging.gone()
        with pytest.raises(ProcessDown) as died:
            await task.result(30)
        assert isinstance(died.value.reason, WorkerDied)
        assert pool(system) == before
        assert before.alive
        assert await (await tasks(system).run(at_work.wrap(double), 4)).result(30) == 8

    logging.disable()
    run(scenario)
    logging.disable(logging.NOTSET)


def test_a_pool_that_is_killed_takes_its_workers_along_and_comes_back_with_new_ones(tmp_path: Path) -> None:
    async def scenario(system: System) -> None:
        await system.start(Shop, ProcessWorkers)
        before, at_work = pool(system), await workers(system)
        hanging = Hanging(tmp_path)
        task = await tasks(system).run_nolink(at_work.wrap(tell_and_hang), hanging.path)
        await hanging.begun()
        before.kill()
        with pytest.raises(ProcessDown):
            await task.result(30)
        await hanging.gone()
        assert pool(system) != before
        with pytest.raises(ProcessError, match="closed"):
            await at_work.wrap(double)(1)
        assert await (await workers(system)).wrap(double)(4) == 8

    logging.disable()
    run(scenario)
    logging.disable(logging.NOTSET)


def test_a_supervisor_that_ends_ends_the_workers(tmp_path: Path) -> None:
    async def scenario(system: System) -> None:
        await system.start(Supervisor, [Child(WorkerPool, ProcessWorkers, 1, name="workers")], name="shop")
        hanging = Hanging(tmp_path)
        busy = asyncio.ensure_future((await workers(system)).wrap(tell_and_hang)(hanging.path))
        await hanging.begun()
        await system.named(Supervisor, "shop").stop()
        await hanging.gone()
        with pytest.raises(WorkerDied):
            await busy

    run(scenario)


def test_a_thread_that_does_not_end_in_time_holds_up_nobody_for_longer() -> None:
    released = threading.Event()

    async def scenario(system: System) -> None:
        await system.start(
            Supervisor, [Child(WorkerPool, ThreadWorkers, 1, name="workers", shutdown=0.01)], name="shop"
        )
        busy = asyncio.ensure_future((await workers(system)).wrap(released.wait)())
        await settle()
        await system.named(Supervisor, "shop").stop()
        assert not busy.done()
        released.set()
        assert await busy is True

    run(scenario)


def test_workers_that_make_no_sense_do_not_start() -> None:
    async def scenario(system: System) -> None:
        with pytest.raises(StartFailed, match="at least 1 worker"):
            await system.start(WorkerPool, ThreadWorkers, 0)

    run(scenario)
