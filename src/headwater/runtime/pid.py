"""Addresses of processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Concatenate, Final, Generic, ParamSpec, TypeVar, cast, overload

from headwater.errors import CallingSelf, DeadlineExceeded
from headwater.runtime.exits import Exit, Reason
from headwater.runtime.handlers import Handler
from headwater.runtime.messages import Info, Invocation, Stop
from headwater.runtime.process import Process, State, current
from headwater.runtime.reply import Deferred

ServerT_co = TypeVar("ServerT_co", covariant=True)
ServerT = TypeVar("ServerT")
Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

CALL_TIMEOUT: Final = 5.0
"""Seconds that a call waits for its answer, unless `within` says otherwise."""


class Pid(Generic[ServerT_co]):
    """The address of one process. It stays the address of that process also after its end.

    Pids are equal if they are of the same process. Messages from one sender arrive in the order in which they
    were sent, whether by call, cast or send.
    """

    __slots__ = ("_process", "_timeout")

    def __init__(self, process: Process, timeout: float | None = CALL_TIMEOUT) -> None:
        self._process = process
        self._timeout = timeout

    def within(self, seconds: float | None) -> Pid[ServerT_co]:
        """The same address, whose calls wait so long for an answer; None waits for ever.

        Raises:
            ValueError: the time isn't positive.
        """
        if seconds is not None and not seconds > 0:
            raise ValueError(f"a call waits a positive number of seconds, or None for ever, not {seconds}")
        return Pid(self._process, seconds)

    @overload
    async def call(
        self: Pid[ServerT],
        method: Callable[Concatenate[ServerT, Arguments], Coroutine[object, object, Answer]],
        /,
        *arguments: Arguments.args,
        **keywords: Arguments.kwargs,
    ) -> Answer: ...

    @overload
    async def call(
        self: Pid[ServerT],
        method: Callable[Concatenate[ServerT, Arguments], Deferred[Answer]],
        /,
        *arguments: Arguments.args,
        **keywords: Arguments.kwargs,
    ) -> Answer: ...

    @overload
    async def call(
        self: Pid[ServerT],
        method: Callable[Concatenate[ServerT, Arguments], Answer],
        /,
        *arguments: Arguments.args,
        **keywords: Arguments.kwargs,
    ) -> Answer: ...

    async def call(self, method: Callable[..., object], /, *arguments: object, **keywords: object) -> object:
        """Let the process run one of its public methods, and wait for what it returns.

        A sync method of an idle process runs at once, in the caller's turn; otherwise the call waits in the
        mailbox. If the caller is cancelled or gives up before the process gets to it, it is never run.

        Args:
            method: the method, taken from the class: `Counter.increment`.
            arguments: its positional arguments.
            keywords: its keyword arguments.

        Raises:
            Rejected: the method said no. The process lives on.
            ProcessDown: the process is dead, or died before it answered; also when the method raised.
            DeadlineExceeded: no answer in time. The method may still run or have run.
            UnknownMethod: the class has no such public method.
            MailboxFull: too many messages wait already; this one was not queued.
            CallingSelf: the process called itself.
        """
        process = self._process
        handler = process.find(method)
        if process.state is State.IDLE and not handler.is_async and process.node.may_run_inline():
            outcome = process.run_inline(handler, arguments, keywords)
            if type(outcome) is not Deferred:
                return outcome
            future: asyncio.Future[object] = process.node.loop.create_future()
            outcome.attach(future)
        else:
            future = self._request(handler, arguments, keywords)
        try:
            return await self._within(self._timeout, future, f"answer {handler.name}")
        finally:
            del future  # an error's traceback refers to this frame, and the future to the error: no cycle, please

    def begin(
        self: Pid[ServerT],
        method: Callable[Concatenate[ServerT, Arguments], Deferred[Answer]],
        /,
        *arguments: Arguments.args,
        **keywords: Arguments.kwargs,
    ) -> asyncio.Future[Answer]:
        """Begin a call whose answer is deferred, and return the future of the answer.

        For callers with many calls under way: it needs no task for each, and sets no deadline. Like `call` it
        may run the method at once. Cancel the future to give up.

        Raises:
            ProcessDown, UnknownMethod, MailboxFull, CallingSelf: as `call` does, at once.
        """
        process = self._process
        handler = process.find(method)
        if process.state is not State.IDLE or handler.is_async or not process.node.may_run_inline():
            return cast("asyncio.Future[Answer]", self._request(handler, arguments, keywords))
        future: asyncio.Future[Answer] = process.node.loop.create_future()
        cast("Deferred[Answer]", process.run_inline(handler, arguments, keywords)).attach(future)
        return future

    def cast(
        self: Pid[ServerT],
        method: Callable[Concatenate[ServerT, Arguments], object],
        /,
        *arguments: Arguments.args,
        **keywords: Arguments.kwargs,
    ) -> None:
        """Let the process run one of its public methods, without waiting and without an answer.

        Silently dropped if the process is dead; if it dies first, the method is not run.

        Raises:
            UnknownMethod: the class has no such public method.
            MailboxFull: too many messages wait already; this one was not queued.
        """
        process = self._process
        process.deliver(Invocation(process.find(method), arguments, keywords, None))

    def send(self, message: object) -> None:
        """Send a plain message, for the process's `handle_info`. Silently dropped if the process is dead.

        Raises:
            MailboxFull: too many messages wait already; this one was not queued.
        """
        self._process.deliver(Info(message))

    async def stop(self, reason: Reason = Exit.NORMAL, timeout: float | None = CALL_TIMEOUT) -> None:
        """Ask the process to end in good order, and wait until it has.

        What was sent to it before is handled first; then its `terminate` runs. If that takes longer than
        `timeout` seconds, it is ended without being asked (reason `killed`).
        """
        self._process.signal(Stop(reason))
        try:
            await self.wait(timeout)
        except DeadlineExceeded:
            self.kill()

    def kill(self) -> None:
        """End the process now, without asking: no `terminate`, reason `killed`."""
        self._process.end(Exit.KILLED)

    async def wait(self, timeout: float | None = None) -> Reason:
        """Wait until the process has ended, and return why.

        Args:
            timeout: seconds; None waits for ever.

        Raises:
            DeadlineExceeded: it still lives.
        """
        process = self._process
        if process.alive:
            ended: asyncio.Future[object] = process.node.loop.create_future()
            number = process.watch(lambda _: _resolve(ended))
            try:
                await self._within(timeout, ended, "end")
            finally:
                process.unwatch(number)
        return Exit.NO_PROCESS if process.reason is None else process.reason

    def watch(self, watcher: Callable[[Reason], None]) -> int:
        """Call `watcher` once when the process has ended; soon, if it has already. Returns the watch's number.

        For code that is no process; a process uses `GenServer.monitor`.
        """
        return self._process.watch(watcher)

    def unwatch(self, number: int) -> None:
        """End a watch. Harmless when it has ended already."""
        self._process.unwatch(number)

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.alive

    @property
    def name(self) -> str | None:
        """The name it was started with."""
        return self._process.name

    def _request(
        self, handler: Handler, arguments: tuple[object, ...], keywords: dict[str, object]
    ) -> asyncio.Future[object]:
        """Queue a call."""
        process = self._process
        if current.get() is process:
            raise CallingSelf(f"{process.label} called its own {handler.name}; it would wait for itself for ever")
        future: asyncio.Future[object] = process.node.loop.create_future()
        if not process.deliver(Invocation(handler, arguments, keywords, future)):
            raise process.down()
        return future

    async def _within(self, timeout: float | None, answer: asyncio.Future[object], what: str) -> object:
        timer = None
        if timeout is not None and not answer.done():
            expire = partial(self._give_up, answer, timeout, what)
            timer = self._process.node.clock.call_later(timeout, expire)
        try:
            return await answer
        finally:
            del answer  # see `call`
            if timer is not None:
                timer.cancel()

    def _give_up(self, answer: asyncio.Future[object], timeout: float, what: str) -> None:
        if not answer.done():
            answer.set_exception(DeadlineExceeded(f"{self._process.label} did not {what} within {timeout} s"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pid) and other._process is self._process

    def __hash__(self) -> int:
        return hash(self._process)

    def __repr__(self) -> str:
        return f"<Pid of {self._process.label}>"


def _resolve(ended: asyncio.Future[object]) -> None:
    if not ended.done():
        ended.set_result(None)
