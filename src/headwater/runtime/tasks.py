"""Tasks: how code starts tasks under a TaskSupervisor."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from typing import ParamSpec, TypeVar, overload

from headwater.errors import TooManyTasks
from headwater.runtime.message import NOTHING
from headwater.runtime.pid import CALL_TIMEOUT, Pid
from headwater.runtime.process import current
from headwater.runtime.task import Task
from headwater.runtime.task_outcome import Ended, Returned
from headwater.runtime.task_process import Job, TaskProcess, make_job
from headwater.runtime.task_stream import StreamTimeout, TaskStream
from headwater.runtime.task_supervisor import TaskSupervisor

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Item = TypeVar("Item")


class Tasks:
    """The tasks under one supervisor, and the way to start more.

        tasks = Tasks(system.named(TaskSupervisor, "tasks"))

    A function may be sync or async; it sees the context variables of the code that starts it, and `callers()` tells it
    on whose behalf it runs. Every method that starts a task raises `TooManyTasks` if as many as allowed run already,
    and `ProcessDown` if the supervisor has ended.

    Args:
        supervisor: its address.
    """

    __slots__ = ("supervisor",)

    def __init__(self, supervisor: Pid[TaskSupervisor]) -> None:
        self.supervisor = supervisor

    async def start_child(
        self, function: Callable[Arguments, object], *arguments: Arguments.args, **keywords: Arguments.kwargs
    ) -> Pid[TaskProcess]:
        """Start a task that nobody owns or waits for. If it fails, that is logged and nothing else happens."""
        return await self._launch(make_job(function, arguments, keywords), None)

    @overload
    async def run(
        self,
        function: Callable[Arguments, Coroutine[object, object, Result]],
        *arguments: Arguments.args,
        **keywords: Arguments.kwargs,
    ) -> Task[Result]: ...

    @overload
    async def run(
        self, function: Callable[Arguments, Result], *arguments: Arguments.args, **keywords: Arguments.kwargs
    ) -> Task[Result]: ...

    async def run(self, function: Callable[..., object], *arguments: object, **keywords: object) -> Task[object]:
        """Start a task that is linked to the caller, which owns it. See `Task`."""
        return await self._run(make_job(function, arguments, keywords), linked=True)

    @overload
    async def run_nolink(
        self,
        function: Callable[Arguments, Coroutine[object, object, Result]],
        *arguments: Arguments.args,
        **keywords: Arguments.kwargs,
    ) -> Task[Result]: ...

    @overload
    async def run_nolink(
        self, function: Callable[Arguments, Result], *arguments: Arguments.args, **keywords: Arguments.kwargs
    ) -> Task[Result]: ...

    async def run_nolink(self, function: Callable[..., object], *arguments: object, **keywords: object) -> Task[object]:
        """Start a task that the caller owns and doesn't share its fate with.

        The caller awaits it; or, if it is a process, it goes on and gets one message: `TaskResult(task, value)`, or
        `Down` with the task as its tag. Awaiting takes the message away.
        """
        return await self._run(make_job(function, arguments, keywords), linked=False)

    @overload
    def stream(
        self,
        items: Iterable[Item],
        function: Callable[[Item], Coroutine[object, object, Result]],
        *,
        max_concurrency: int | None = None,
        ordered: bool = True,
        timeout: float | None = CALL_TIMEOUT,
    ) -> AsyncGenerator[Result, None]: ...

    @overload
    def stream(
        self,
        items: Iterable[Item],
        function: Callable[[Item], Result],
        *,
        max_concurrency: int | None = None,
        ordered: bool = True,
        timeout: float | None = CALL_TIMEOUT,
    ) -> AsyncGenerator[Result, None]: ...

    def stream(
        self,
        items: Iterable[Item],
        function: Callable[[Item], object],
        *,
        max_concurrency: int | None = None,
        ordered: bool = True,
        timeout: float | None = CALL_TIMEOUT,
    ) -> AsyncGenerator[object, None]:
        """Run the function for each item, several at a time, and give the results as they are asked for.

            async for price in tasks.stream(symbols, fetch_price, max_concurrency=10): ...

        Items are taken one by one, each when a task can be started for it. At most `max_concurrency` tasks run or
        have results that wait to be taken: a slow consumer slows them down. The tasks are linked to the caller. If
        the iteration ends early, those that are left are killed: at once if the iterator is closed (see
        `contextlib.aclosing`), else when it is collected.

        Args:
            items: any number of them.
            function: called with each item.
            max_concurrency: how many at a time; as many as the machine has processors, if not given.
            ordered: whether results come in the order of the items, or as they are ready.
            timeout: seconds that each task may run; None for any time.

        Raises:
            DeadlineExceeded: a task took too long. All are ended.
            ProcessDown: a task ended without a result; the others are ended. If the caller is a process, it has got
                an exit signal, too.
            DefinitionError: a concurrency below 1, or a time that isn't positive.
        """
        stream = self._stream(items, function, max_concurrency, ordered, timeout, "exit", linked=True)
        return stream.results()

    @overload
    def stream_nolink(
        self,
        items: Iterable[Item],
        function: Callable[[Item], Coroutine[object, object, Result]],
        *,
        max_concurrency: int | None = None,
        ordered: bool = True,
        timeout: float | None = CALL_TIMEOUT,
        on_timeout: StreamTimeout = "exit",
    ) -> AsyncGenerator[Returned[Result] | Ended, None]: ...

    @overload
    def stream_nolink(
        self,
        items: Iterable[Item],
        function: Callable[[Item], Result],
        *,
        max_concurrency: int | None = None,
        ordered: bool = True,
        timeout: float | None = CALL_TIMEOUT,
        on_timeout: StreamTimeout = "exit",
    ) -> AsyncGenerator[Returned[Result] | Ended, None]: ...

    def stream_nolink(
        self,
        items: Iterable[Item],
        function: Callable[[Item], object],
        *,
        max_concurrency: int | None = None,
        ordered: bool = True,
        timeout: float | None = CALL_TIMEOUT,
        on_timeout: StreamTimeout = "exit",
    ) -> AsyncGenerator[Returned[object] | Ended, None]:
        """As `stream`, but a task that fails harms nobody: it gives an `Ended` that names its item.

        Args:
            items: any number of them.
            function: called with each item.
            max_concurrency: how many at a time; as many as the machine has processors, if not given.
            ordered: whether outcomes come in the order of the items, or as they are ready.
            timeout: seconds that each task may run; None for any time.
            on_timeout: whether a task that takes longer ends the stream, or only itself.

        Raises:
            DeadlineExceeded: a task took too long, and `on_timeout` is `exit`. All are ended.
            DefinitionError: a concurrency below 1, a time that isn't positive, or no such `on_timeout`.
        """
        stream = self._stream(items, function, max_concurrency, ordered, timeout, on_timeout, linked=False)
        return stream.outcomes()

    async def children(self) -> list[Pid[TaskProcess]]:
        """The tasks that run now, oldest first."""
        return await self.supervisor.call(TaskSupervisor.tasks)

    def _stream(
        self,
        items: Iterable[Item],
        function: Callable[[Item], object],
        concurrency: int | None,
        ordered: bool,
        timeout: float | None,
        on_timeout: StreamTimeout,
        *,
        linked: bool,
    ) -> TaskStream[Item, object]:
        async def start(item: Item) -> Task[object]:
            return await self._run(make_job(function, (item,), NOTHING), linked=linked)

        return TaskStream(
            self.supervisor.process.node,
            start,
            items,
            concurrency=(os.cpu_count() or 1) if concurrency is None else concurrency,
            ordered=ordered,
            timeout=timeout,
            on_timeout=on_timeout,
        )

    async def _run(self, job: Job, *, linked: bool) -> Task[object]:
        task: Task[object] = Task(current.get(), linked=linked)
        try:
            await self._launch(job, task)
        except BaseException:
            task.discard()  # if the caller was cancelled, nobody is left who could await it
            raise
        return task

    async def _launch(self, job: Job, task: Task[object] | None) -> Pid[TaskProcess]:
        pid = await self.supervisor.call(TaskSupervisor.launch, job, task)
        if pid is None:
            raise TooManyTasks(f"{self.supervisor.label} runs as many tasks as it may")
        return pid
