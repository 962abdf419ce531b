"""Addresses of processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Concatenate, Final, Generic, ParamSpec, TypeVar, cast, overload

from headwater.errors import CallingSelf, DeadlineExceeded, Rejected
from headwater.runtime.exits import Exit, Reason
from headwater.runtime.handlers import Handler
from headwater.runtime.process import Process, current
from headwater.runtime.reply import Deferred
from headwater.runtime.states import IDLE, RUNNING

ServerT_co = TypeVar("ServerT_co", covariant=True)
ServerT = TypeVar("ServerT")
Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

NONE_GIVEN: Final = object()
"""Stands for the first argument where there is none."""

CALL_TIMEOUT: Final = 5.0
"""Seconds that a call waits for its answer, unless `within` says otherwise."""


class Pid(Generic[ServerT_co]):
    """The address of one process. It stays the address of that process also after its end.

    Pids are equal if they are of the same process. Messages from one sender arrive in the order in which they
    were sent, whether by call, cast or send. Code that is no process can use it like any process.
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
        try:
            handler = process.handlers.known[method]
        except KeyError:
            handler = process.handlers.find(method)
        if process.state == IDLE and handler.is_sync and process.node.inline_turns:
            # All that `take_turn` does for a message, for the one case that is worth writing out.
            process.node.inline_turns -= 1
            process.state = RUNNING
            process.handled += 1
            try:
                outcome = handler.function(process.server, *arguments, **keywords)
            except Rejected:
                process.settle()
                raise
            except Exception as error:  # noqa: BLE001 - it ends the process, and the caller gets `ProcessDown`
                failed = process.fail_inline(handler, arguments, keywords, error)
                return await self._within(self._timeout, failed, f"answer {handler.name}")
            if process.asked or process.mailbox:
                process.settle()
            else:
                process.state = IDLE
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
            ProcessDown, UnknownMethod, MailboxFull, CallingSelf: as `call` does; at once, where it is known at once.
        """
        process = self._process
        try:
            handler = process.handlers.known[method]
        except KeyError:
            handler = process.handlers.find(method)
        if process.state != IDLE or not handler.is_sync or not process.node.inline_turns:
            return cast("asyncio.Future[Answer]", self._request(handler, arguments, keywords))
        process.node.inline_turns -= 1
        process.state = RUNNING
        process.handled += 1
        try:
            deferred = handler.function(process.server, *arguments, **keywords)
        except Rejected:
            process.settle()
            raise
        except Exception as error:
            failed = process.fail_inline(handler, arguments, keywords, error)
            if process.alive:  # its `terminate` is async
                return cast("asyncio.Future[Answer]", failed)
            raise failed.exception() or process.down() from error
        if process.asked or process.mailbox:
            process.settle()
        else:
            process.state = IDLE
        future: asyncio.Future[Answer] = process.node.loop.create_future()
        cast("Deferred[Answer]", deferred).attach(future)
        if not future.done():
            process.node.inline_turns += 1  # whoever wants the answer has to let the event loop run
        return future

    @overload
    def cast(
        self: Pid[ServerT],
        method: Callable[Concatenate[ServerT, Arguments], Coroutine[object, object, object]],
        /,
        *arguments: Arguments.args,
        **keywords: Arguments.kwargs,
    ) -> None: ...

    @overload
    def cast(
        self: Pid[ServerT],
        method: Callable[Concatenate[ServerT, Arguments], object],
        /,
        *arguments: Arguments.args,
        **keywords: Arguments.kwargs,
    ) -> None: ...

    def cast(
        self, method: Callable[..., object], argument: object = NONE_GIVEN, /, *more: object, **keywords: object
    ) -> None:
        """Let the process run one of its public methods, without waiting and without an answer.

        Silently dropped if the process is dead or dies first. If its mailbox is full, its policy decides, and the
        loss is counted: see `info`.

        Raises:
            UnknownMethod: the class has no such public method.
        """
        process = self._process
        try:
            handler = process.handlers.known[method]
        except KeyError:
            handler = process.handlers.find(method)
        if more or keywords or argument is NONE_GIVEN:
            process.post((handler, () if argument is NONE_GIVEN else (argument, *more), keywords, None))
        elif (room := process.room) > 0:
            # What `Process.post` does, for the case that is worth writing out.
            process.room = room - 1
            queue = process.queue
            queue((handler, argument, None, None))
        else:
            process.post((handler, argument, None, None))

    def send(self, message: object) -> None:
        """Send a plain message, for the process's `handle_info`. Dropped like a cast."""
        process = self._process
        if (room := process.room) > 0:  # as in `cast`
            process.room = room - 1
            queue = process.queue
            queue((process.handlers.info, message, None, None))
        else:
            process.post((process.handlers.info, message, None, None))

    def exit(self, reason: Reason) -> None:
        """Send the process an exit signal, from outside of any process.

        `Exit.KILL` ends it as `KILLED`, whatever it wants. A process that traps exits gets any other reason as a
        message; otherwise it ends with that reason, without `terminate`, unless the reason is `NORMAL`.
        """
        self._process.receive_exit(None, reason)

    def kill(self) -> None:
        """End the process now, without asking: no `terminate`, reason `KILLED`."""
        self._process.receive_exit(None, Exit.KILL)

    async def stop(self, reason: Reason = Exit.NORMAL, timeout: float | None = CALL_TIMEOUT) -> None:
        """Ask the process to end in good order, and wait until it has.

        What was sent to it before is handled first; then its `terminate` runs.

        Args:
            reason: why.
            timeout: seconds to wait; None waits for ever.

        Raises:
            DeadlineExceeded: it hasn't ended in time. It still will.
            ProcessDown: it ended for another reason meanwhile; its `reason` tells which.
        """
        process = self._process
        if not process.alive:
            raise process.down()
        process.ask_to_stop(reason)
        ended = await self.wait(timeout)
        if ended is not reason:
            raise process.down()

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

    @property
    def label(self) -> str:
        """What the process is called in messages and logs: its class, and its name or number."""
        return self._process.label

    @property
    def process(self) -> Process:
        """The machinery behind the address. For the runtime's own modules; applications have no use for it."""
        return self._process

    def _request(
        self, handler: Handler, arguments: tuple[object, ...], keywords: dict[str, object]
    ) -> asyncio.Future[object]:
        """Queue a call; or, if the process is idle, let it begin: its handler is async then, and waits for its task."""
        process = self._process
        if current.get() is process:
            raise CallingSelf(f"{process.label} called its own {handler.name}; it would wait for itself for ever")
        future: asyncio.Future[object] = process.node.loop.create_future()
        if process.state == IDLE and process.node.inline_turns:
            process.begin_task((handler, arguments, keywords, future))
        else:
            process.request((handler, arguments, keywords, future))
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
        return self._process.number  # and not its address in memory: sets keep their order from run to run

    def __repr__(self) -> str:
        return f"<Pid of {self._process.label}>"


def _resolve(ended: asyncio.Future[object]) -> None:
    if not ended.done():
        ended.set_result(None)
