"""Processes that own tasks, and functions for tasks."""

import asyncio
from collections.abc import Callable

from headwater import GenServer, Pid, System
from headwater.errors import DeadlineExceeded, ProcessDown
from headwater.runtime.task import Task
from headwater.runtime.task_process import TaskProcess
from headwater.runtime.task_supervisor import TaskSupervisor
from headwater.runtime.tasks import Tasks


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return number * 2


def triple(number: int) -> int:
    return number * 3


async def boom() -> int:
    raise ValueError("boom")


class Gate:
    """A function that tells when it runs, when it was cancelled, and returns when it is let through."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.log: list[str] = []

    async def wait(self) -> str:
        self.log.append("started")
        try:
            await self.event.wait()
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise
        return "through"


class Owner(GenServer):
    """A process that starts tasks in its methods."""

    def init(self, system: System | None = None, tasks: Tasks | None = None, *, trap: bool = False) -> None:
        self.trap_exit = trap
        self.tasks = tasks
        self.seen: list[object] = []
        self.task: Task[object] | None = None

    async def double(self, number: int) -> int:
        return await (await Task.run(double, number)).result()

    async def begin(self, function: Callable[[], object]) -> Task[object]:
        self.task = await Task.run(function)
        return self.task

    async def begin_nolink(self, function: Callable[[], object]) -> Task[object]:
        assert self.tasks is not None
        self.task = await self.tasks.run_nolink(function)
        return self.task

    async def finish(self, timeout: float) -> object:
        assert self.task is not None
        return await self.task.result(timeout)

    async def attempt(self, timeout: float) -> str:
        assert self.task is not None
        try:
            await self.task.result(timeout)
        except (DeadlineExceeded, ProcessDown) as error:
            return type(error).__name__
        return "returned"

    def ping(self) -> str:
        return "pong"

    def leave(self) -> None:
        self.stop()

    def crash(self) -> None:
        raise OSError("owner")

    def history(self) -> list[object]:
        return list(self.seen)

    def handle_info(self, message: object) -> None:
        self.seen.append(message)


def pid_of(task: Task[object]) -> Pid[TaskProcess]:
    assert task.pid is not None
    return task.pid


async def start_tasks(system: System, max_children: int | None = None) -> Tasks:
    return Tasks(await system.start(TaskSupervisor, max_children))
