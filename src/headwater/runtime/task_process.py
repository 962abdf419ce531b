"""The process of a task: it runs one function to its end."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import ClassVar, Final, TypeAlias, cast

import msgspec

from headwater.errors import InternalError, ProcessError
from headwater.runtime.down import Exited
from headwater.runtime.exits import Exit, Reason, describe
from headwater.runtime.genserver import GenServer
from headwater.runtime.message import NOTHING
from headwater.runtime.node import Node
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process, current
from headwater.runtime.restart import Restart
from headwater.runtime.spawn import spawn
from headwater.runtime.states import ENDED
from headwater.runtime.task_outcome import Ended, Outcome, Returned

CLEANUP_TIME: Final = 5.0
"""Seconds that a task's function may take to clean up when the task is asked to end; then it is killed."""

_log: Final = logging.getLogger("headwater.runtime")

Report: TypeAlias = "Callable[[Outcome[object]], None]"


class Job(msgspec.Struct, frozen=True):
    """What a task has to do.

    Attributes:
        function: what it runs; sync or async.
        arguments: its positional arguments.
        keywords: its keyword arguments.
        context: the context variables that it sees; None for those of whoever starts the process.
        callers: the processes on whose behalf it runs, the nearest first.
    """

    function: Callable[..., object]
    arguments: tuple[object, ...] = ()
    keywords: Mapping[str, object] = NOTHING
    context: contextvars.Context | None = None
    callers: tuple[Pid[object], ...] = ()


class TaskProcess(GenServer):
    """The process of one task. It ends with `NORMAL` when its function returned, and crashes when that raised.

    An exit signal ends the process at once: its coroutine is cancelled at its present `await`, and what it does in
    `finally` happens after others have heard of the end. A function that needs better calls `trap_exits`: then it is
    cancelled first, has `CLEANUP_TIME` seconds to clean up, and the end is told when it is done. `Pid.stop` and the
    closing of the system wait for the clean-up in any case. A kill never waits.

    Attributes:
        callers: the processes on whose behalf it runs, the nearest first.
    """

    restart: ClassVar[Restart] = "temporary"

    def init(self, job: Job, report: Report | None = None) -> None:
        """Begin to run the function; its first step is taken when the event loop runs next.

        Args:
            job: what to do.
            report: told the outcome once, at the end, before anybody else hears of it.
        """
        cell = self._cell
        self.callers = job.callers
        self.process_label = f"{label(job.function)} #{cell.number}"
        self._job = job
        self._report = report
        self._returned: Returned[object] | None = None
        self._leaving = False
        context = contextvars.copy_context() if job.context is None else job.context.copy()
        context.run(current.set, cell)
        self._work = cell.node.loop.create_task(self._run_job(), context=context)
        self._work.add_done_callback(self._finished)
        add_cleanup(cell, self._settle)

    def handle_info(self, message: object) -> object:
        """Of messages it understands exit signals only, and those only if it traps them."""
        if not isinstance(message, Exited):
            return super().handle_info(message)
        if message.reason is not Exit.NORMAL:
            self.stop(message.reason)
        return None

    def terminate(self, reason: Reason) -> object:
        """Cancel the function if it runs, and wait until it has cleaned up."""
        return None if self._work.done() else self._cancel_job()

    async def _run_job(self) -> object:
        outcome = self._job.function(*self._job.arguments, **self._job.keywords)
        return await outcome if inspect.iscoroutine(outcome) else outcome

    async def _cancel_job(self) -> None:
        self._leaving = True
        timer = self._cell.node.clock.call_later(CLEANUP_TIME, self.pid.kill)
        self._work.cancel()
        try:
            await asyncio.wait([self._work])
        finally:
            timer.cancel()
        if not self._work.cancelled() and (error := self._work.exception()) is not None:
            raise error

    def _finished(self, work: asyncio.Task[object]) -> None:
        error = asyncio.CancelledError() if work.cancelled() else work.exception()
        if error is None:
            self._returned = Returned(work.result())
        cell = self._cell
        if cell.state == ENDED:
            self._note_late(error)
        elif self._leaving:
            return  # `terminate` waits for it
        elif error is None:
            cell.end(Exit.NORMAL)
        else:
            cell.crash(error)

    def _note_late(self, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, asyncio.CancelledError):
            _log.error("%s raised after its end: %s", self._cell.label, describe(error), exc_info=error)

    def _settle(self) -> None:
        cell = self._cell
        if not self._work.done():
            cell.node.detach(cast("asyncio.Task[None]", self._work), cell.label)
        if self._report is not None and cell.reason is not None:
            self._report(self._returned or Ended(cell.reason))


def this_task() -> Pid[TaskProcess]:
    """Called in a task's function: the address of the task's process, to be given to others.

    Raises:
        ProcessError: no task is running here.
    """
    process = current.get()
    if process is None or not isinstance(process.server, TaskProcess):
        raise ProcessError("this belongs in the function of a task")
    return Pid(process)


def trap_exits() -> None:
    """Called in a task's function: let an exit signal cancel the function first, and end the task when it is done.

    Raises:
        ProcessError: no task is running here.
    """
    this_task().process.server.trap_exit = True


def callers() -> tuple[Pid[object], ...]:
    """The processes on whose behalf the present code runs, the nearest first: this one's, if it is a task's.

    A task that was started by process A has the callers (A, and A's callers). Test tools find by it whose data a
    task may see.
    """
    process = current.get()
    return process.server.callers if process is not None and isinstance(process.server, TaskProcess) else ()


def make_job(function: Callable[..., object], arguments: tuple[object, ...], keywords: Mapping[str, object]) -> Job:
    """A job on behalf of the code that calls this: with its context variables and its callers."""
    process = current.get()
    chain = () if process is None else (Pid(process), *callers())
    return Job(function, arguments, keywords, contextvars.copy_context(), chain)


def start_job(node: Node, job: Job, report: Report | None, parent: Process | None) -> Process:
    """Start a task's process in this very turn."""
    starting = spawn(node, TaskProcess, (job, report), NOTHING, parent=parent)
    return _drive(starting)


def tie(task: Process, owner: Process) -> Callable[[], None]:
    """Link a task to its owner. Other than by a mere link, the task also ends when its owner ends normally.

    Returns:
        What unties them.
    """
    task.link(owner)
    number = owner.watch(lambda _: task.receive_exit(owner, Exit.SHUTDOWN))
    add_cleanup(task, partial(owner.unwatch, number))

    def untie() -> None:
        task.unlink(owner)
        owner.unwatch(number)

    return untie


def add_cleanup(process: Process, cleanup: Callable[[], None]) -> None:
    """Run `cleanup` when the process ends, before anybody hears of it; at once if it has ended."""
    if process.state == ENDED:
        cleanup()
    elif process.cleanups is None:
        process.cleanups = [cleanup]
    else:
        process.cleanups.append(cleanup)


def label(function: Callable[..., object]) -> str:
    """What a function is called in messages and logs."""
    if isinstance(function, partial):
        return label(function.func)
    return getattr(function, "__qualname__", repr(function))


def _drive(starting: Coroutine[object, object, Process]) -> Process:
    """The result of a coroutine that doesn't suspend: a task's `init` is sync."""
    try:
        starting.send(None)
    except StopIteration as finished:
        return cast("Process", finished.value)
    starting.close()
    raise InternalError("the start of a task was suspended")
