"""TaskSupervisor: the process that many tasks stand under."""

from __future__ import annotations

import asyncio

from headwater.errors import DeadlineExceeded, DefinitionError, Rejected
from headwater.runtime.down import Exited
from headwater.runtime.exits import Exit, Reason
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process
from headwater.runtime.supervising import Supervising, log_stray
from headwater.runtime.task import Task
from headwater.runtime.task_process import CLEANUP_TIME, Job, TaskProcess, start_job


class TaskSupervisor(Supervising, adds_methods=True):
    """A process under which tasks are started, and which ends them when it ends. It doesn't bring them back.

        class Shop(Supervisor):
            def tasks(self) -> Iterable[Child]:
                yield Child(TaskSupervisor, name="tasks")

        tasks = Tasks(system.named(TaskSupervisor, "tasks"))
        await tasks.start_child(send_mail, order)

    It is used through `Tasks`. When it ends, it asks all its tasks to end at the same time, and waits for the last.
    """

    def init(self, max_children: int | None = None, shutdown: float = CLEANUP_TIME) -> None:
        """Begin without tasks.

        Args:
            max_children: how many tasks may run at the same time; None for any number.
            shutdown: seconds that they may take to end when this ends; then they are killed.

        Raises:
            DefinitionError: a bound below 1, or a time that isn't positive.
        """
        if (max_children is not None and max_children < 1) or not shutdown > 0:
            raise DefinitionError(
                f"max_children is at least 1 and shutdown positive, not {max_children} and {shutdown}"
            )
        self._max_children = max_children
        self._grace = shutdown
        self._running: dict[Process, None] = {}

    def launch(self, job: Job, task: Task[object] | None) -> Pid[TaskProcess] | None:
        """Start a task. None if as many as allowed run already. Used by `Tasks`.

        Args:
            job: what it does.
            task: its owner's side, if it has an owner.

        Raises:
            Rejected: it is no job. Tasks are started through `Tasks`.
        """
        given: object = job
        if not isinstance(given, Job):
            raise Rejected(f"a task is started through Tasks, not with {given!r}", reason="no_job")
        if self._max_children is not None and len(self._running) >= self._max_children:
            return None
        cell = self._cell
        process = start_job(cell.node, job, None, cell) if task is None else task.begin(cell.node, job, cell)
        self._running[process] = None
        return Pid(process)

    def tasks(self) -> list[Pid[TaskProcess]]:
        """The tasks that run now, oldest first."""
        return [Pid(process) for process in self._running if process.alive]

    def handle_info(self, message: object) -> None:
        """Note that a task has ended."""
        match message:
            case Exited(pid=Pid(process=process)):
                self._running.pop(process, None)
            case _:
                log_stray(self._cell, message)

    async def terminate(self, reason: Reason) -> None:
        """End the tasks, all at once."""
        tasks = self.tasks()
        for pid in tasks:
            self.exit(pid, Exit.SHUTDOWN)
        await asyncio.gather(*(self._see_off(pid) for pid in tasks if pid.alive))

    async def _see_off(self, pid: Pid[TaskProcess]) -> None:
        try:
            await pid.wait(self._grace)
        except DeadlineExceeded:
            pid.kill()
