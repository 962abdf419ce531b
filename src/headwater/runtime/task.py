"""Task: one function that runs beside its owner, and whose result the owner awaits."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Generic, ParamSpec, TypeVar, cast, overload

import msgspec

from headwater.errors import DeadlineExceeded, InternalError, NotOwner, ProcessDown, ProcessError
from headwater.runtime.child import Child
from headwater.runtime.down import Down
from headwater.runtime.exits import Exit, Reason
from headwater.runtime.node import Node
from headwater.runtime.pid import CALL_TIMEOUT, Pid
from headwater.runtime.process import Process, current
from headwater.runtime.restart import Restart
from headwater.runtime.system import System
from headwater.runtime.task_outcome import Ended, Outcome, Returned
from headwater.runtime.task_process import CLEANUP_TIME, Job, TaskProcess, label, make_job, start_job, tie
from headwater.runtime.task_wait import wait_for_some

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


class Task(Generic[Result_co]):
    """A function that runs in a process of its own. Whoever started it owns it, and nobody else may await it.

        task = await Task.run(fetch, url)       # in an async method of a process
        price = await task.result()             # within 5 s

    The owner is a process, or the code that is no process (see `start_task`). Task and owner are linked, unless the
    task was started with `Tasks.run_nolink`: if the function raises, the owner gets an exit signal with that error;
    if the owner ends, for whatever reason, the task ends too. Code that is no process can't be ended: it gets
    `ProcessDown` when it awaits. A result may be asked for again; it stays the same.

    Args:
        owner: the process that owns it, or None for code that is no process.
        linked: whether they share their fate.
    """

    __slots__ = ("_callbacks", "_ignored", "_linked", "_monitor", "_outcome", "_owner", "_process", "_untie")

    def __init__(self, owner: Process | None, *, linked: bool) -> None:
        self._owner = owner
        self._linked = linked
        self._ignored = False
        self._process: Process | None = None
        self._outcome: Outcome[Result_co] | None = None
        self._callbacks: list[Callable[[], None]] = []
        self._untie: Callable[[], None] | None = None
        self._monitor = 0

    # --- start -----------------------------------------------------------------------------------------------

    @overload
    @staticmethod
    async def run(
        function: Callable[Arguments, Coroutine[object, object, Result]],
        *arguments: Arguments.args,
        **keywords: Arguments.kwargs,
    ) -> Task[Result]: ...

    @overload
    @staticmethod
    async def run(
        function: Callable[Arguments, Result], *arguments: Arguments.args, **keywords: Arguments.kwargs
    ) -> Task[Result]: ...

    @staticmethod
    async def run(function: Callable[..., object], *arguments: object, **keywords: object) -> Task[object]:
        """Start a task that is linked to the process whose async method this is called in.

        Args:
            function: what it runs, sync or async. It sees the caller's context variables.
            arguments: its positional arguments.
            keywords: its keyword arguments.

        Raises:
            ProcessError: the caller is no process; it uses `start_task`.
        """
        owner = current.get()
        if owner is None:
            raise ProcessError("Task.run is called in a process; other code uses start_task")
        return _begin(owner.node, make_job(function, arguments, keywords), owner)

    @staticmethod
    def completed(value: Result) -> Task[Result]:
        """A task that has its result already, and never had a process."""
        task: Task[Result] = Task(current.get(), linked=False)
        task.settle(Returned(value))
        return task

    @staticmethod
    def child(
        function: Callable[[], object],
        *,
        id: str | None = None,  # noqa: A002 - the field's term
        restart: Restart = "temporary",
        shutdown: float | None = CLEANUP_TIME,
    ) -> Child[TaskProcess]:
        """A task as a supervisor's child, that nobody owns.

        Args:
            function: what it runs each time it starts; `functools.partial` gives it arguments.
            id: what the supervisor knows it by; the function's name, if not given.
            restart: whether it comes back.
            shutdown: seconds that it may take to end when asked; then it is killed. None waits for ever.
        """
        job = Job(function)
        return Child(TaskProcess, job, id=id or label(function), restart=restart, shutdown=shutdown)

    # --- the result ------------------------------------------------------------------------------------------

    async def result(self, timeout: float | None = CALL_TIMEOUT) -> Result_co:
        """Wait for what the function returns.

        Args:
            timeout: seconds to wait; None waits for ever. When they are over, a linked task is ended, without ending
                its owner; one that isn't linked goes on.

        Raises:
            ProcessDown: the task ended without a result; its `reason` says why. An owner that is linked and doesn't
                trap exits has been ended then.
            DeadlineExceeded: no result in time.
            NotOwner: somebody else owns the task.
        """
        match await self.yield_(timeout):
            case Returned(value):
                return value
            case Ended():
                raise self.down()
            case None:
                raise self.give_up(timeout)

    async def yield_(self, timeout: float | None = CALL_TIMEOUT) -> Returned[Result_co] | Ended | None:
        """Look how the task went, waiting some time for it. It goes on if it takes longer.

        Args:
            timeout: seconds to wait; 0 doesn't wait, None waits for ever.

        Returns:
            `Returned(value)`, `Ended(reason)`, or None if it runs still.

        Raises:
            NotOwner: somebody else owns the task.
        """
        self.check_owner()
        await wait_for_some([self], 1, timeout)
        return self.take()

    async def shutdown(self, timeout: float | None = CLEANUP_TIME) -> Returned[Result_co] | Ended | None:
        """End the task. Its owner is unlinked first and gets no exit signal.

        Args:
            timeout: seconds that it may take if its function traps exits; then it is killed. 0 kills it at once, None
                waits for ever.

        Returns:
            `Returned(value)` if there was a result already or there came one meanwhile, `Ended(reason)` if it ended
            for a reason of its own, None if it ended because of this.

        Raises:
            NotOwner: somebody else owns the task.
        """
        self.check_owner()
        asked = not self.settled
        if asked:
            self._end(Exit.KILL if timeout == 0 else Exit.SHUTDOWN)
            await wait_for_some([self], 1, timeout)
        if not self.settled:
            self._end(Exit.KILL)
        match self.take():
            case Ended(Exit.SHUTDOWN | Exit.KILLED) if asked:
                return None
            case outcome:
                return outcome

    def ignore(self) -> Returned[Result_co] | Ended | None:
        """Have no more to do with the task. It goes on, unlinked; nobody hears of its end, nobody may await it.

        Returns:
            How it went, if that is known already.

        Raises:
            NotOwner: somebody else owns the task, or it was ignored before.
        """
        self.check_owner()
        self._ignored = True
        self._let_go()
        return self.take()

    @property
    def pid(self) -> Pid[TaskProcess] | None:
        """The address of its process; None for a completed task, which has none."""
        return None if self._process is None else Pid(self._process)

    def __repr__(self) -> str:
        process = "completed" if self._process is None else self._process.label
        return f"<Task {process}>"

    # --- for the runtime's own modules -----------------------------------------------------------------------

    @property
    def settled(self) -> bool:
        """Whether it has ended."""
        return self._outcome is not None

    @property
    def failed(self) -> bool:
        """Whether it has ended without a result."""
        return isinstance(self._outcome, Ended)

    @property
    def node(self) -> Node | None:
        """The surroundings of its process, if it has one."""
        return None if self._process is None else self._process.node

    @property
    def owner(self) -> Process | None:
        """The process that owns it; None for code that is no process."""
        return self._owner

    def begin(self, node: Node, job: Job, parent: Process | None) -> Process:
        """Start its process. Used once, by the runtime."""
        process = self._process = start_job(node, job, self.settle, parent)
        if self._owner is not None and self._linked:
            self._untie = tie(process, self._owner)
        elif self._owner is not None:
            self._monitor = process.watch(self._tell)
        return process

    def expire(self, error: DeadlineExceeded) -> None:
        """End it at once because its time is over, without ending its owner."""
        self._let_go()
        self._cell.end(error)

    def check_owner(self) -> None:
        """See that its owner is the one who asks.

        Raises:
            NotOwner: it isn't.
        """
        if self._ignored or current.get() is not self._owner:
            owner = "nobody" if self._ignored else "code outside" if self._owner is None else self._owner.label
            raise NotOwner(f"{self!r} belongs to {owner}, and only its owner awaits it")

    def settle(self, outcome: Outcome[object]) -> None:
        """Note how it went, and tell those who wait. Used once."""
        self._outcome = cast("Outcome[Result_co]", outcome)
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def take(self) -> Returned[Result_co] | Ended | None:
        """The outcome, if it is there. Then its message to the owner, if there is one, is not handled any more."""
        if self._outcome is not None and self._owner is not None and not self._linked:
            self._owner.forget(self._is_about_this)
        return self._outcome

    def down(self) -> ProcessDown:
        """The error for its owner, when it has failed."""
        return self._cell.down()

    def give_up(self, timeout: float | None) -> DeadlineExceeded:
        """End it if it is linked. Returns the error for the owner, who has waited for so many seconds."""
        if self._linked:
            self._end(Exit.SHUTDOWN)
        return DeadlineExceeded(f"{self._cell.label} did not return within {timeout} s")

    def discard(self) -> None:
        """Kill it, if it was started at all, without ending its owner. Nobody hears of it."""
        self._ignored = True
        if self._process is not None:
            self._end(Exit.KILL)

    def add_callback(self, callback: Callable[[], None]) -> None:
        """Call `callback` when it settles."""
        self._callbacks.append(callback)

    def remove_callback(self, callback: Callable[[], None]) -> None:
        """Don't."""
        if callback in self._callbacks:
            self._callbacks.remove(callback)

    # --- within ----------------------------------------------------------------------------------------------

    @property
    def _cell(self) -> Process:
        if self._process is None:
            raise InternalError("a completed task has no process")
        return self._process

    def _tell(self, reason: Reason) -> None:
        if self._owner is None or self._ignored:
            return
        match self._outcome:
            case Returned(value):
                self._owner.inform(TaskResult(self, value))
            case _:
                self._owner.inform(Down(self._monitor, Pid(self._cell), reason, self))

    def _is_about_this(self, message: object) -> bool:
        match message:
            case TaskResult(task=task) | Down(tag=task):
                return task is self
            case _:
                return False

    def _end(self, reason: Reason) -> None:
        self._let_go()
        self._cell.receive_exit(self._owner, reason)

    def _let_go(self) -> None:
        if self._untie is not None:
            self._untie()


class TaskResult(msgspec.Struct, frozen=True):
    """A task that isn't linked has returned. Delivered once, to the process that owns it.

    If it ends otherwise, its owner gets a `Down` instead, whose `tag` is the task.

    Attributes:
        task: which one.
        value: what it returned.
    """

    task: Task[object]
    value: object


@overload
async def start_task(
    system: System,
    function: Callable[Arguments, Coroutine[object, object, Result]],
    *arguments: Arguments.args,
    **keywords: Arguments.kwargs,
) -> Task[Result]: ...


@overload
async def start_task(
    system: System,
    function: Callable[Arguments, Result],
    *arguments: Arguments.args,
    **keywords: Arguments.kwargs,
) -> Task[Result]: ...


async def start_task(
    system: System, function: Callable[..., object], *arguments: object, **keywords: object
) -> Task[object]:
    """Start a task from code that is no process. In a process it does what `Task.run` does.

    Args:
        system: where it runs. When that closes, the function is cancelled and cleans up.
        function: what it runs, sync or async. It sees the caller's context variables.
        arguments: its positional arguments.
        keywords: its keyword arguments.

    Raises:
        ProcessError: the system is not running.
    """
    return _begin(system.node, make_job(function, arguments, keywords), current.get())


def _begin(node: Node, job: Job, owner: Process | None) -> Task[object]:
    task: Task[object] = Task(owner, linked=True)
    task.begin(node, job, owner)
    return task
