"""GenServer: state that one process owns, and methods that others call, cast, or send messages to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Concatenate, Final, ParamSpec, Self, TypeGuard, TypeVar, cast, overload

from headwater.errors import InternalError
from headwater.runtime.down import Down, Exited
from headwater.runtime.exits import Exit, Reason
from headwater.runtime.handlers import HandlerTable
from headwater.runtime.introspect_monitor import Monitor
from headwater.runtime.mailbox import DEFAULT_CAPACITY, Overflow
from headwater.runtime.pid import CALL_TIMEOUT, Pid
from headwater.runtime.process import Process
from headwater.runtime.receive import Matching, receive
from headwater.runtime.reply import Deferred
from headwater.runtime.restart import Restart
from headwater.runtime.shutdown import ShutdownForm
from headwater.runtime.ties import Ties
from headwater.runtime.timer import MessageTimer

Answer = TypeVar("Answer")
Received = TypeVar("Received")
ServerT = TypeVar("ServerT")
Arguments = ParamSpec("Arguments")

_log: Final = logging.getLogger("headwater.runtime")


class GenServer:
    """A process with state. Subclass it; every public method that you add can be called or cast:

        class Counter(GenServer):
            def init(self, start: int = 0) -> None:
                self.value = start

            def increment(self, by: int = 1) -> int:
                self.value += by
                return self.value

    A method may be sync or async. The process handles one message at a time, in the order of arrival; while an
    async method awaits, the process takes no other. A method that raises ends the process: its caller gets
    `ProcessDown`, its supervisor decides what happens next. The exception is `Rejected`: it goes to the caller
    as an answer, and the process lives on.

    Attributes:
        trap_exit: whether exit signals come as `Exited` messages to `handle_info` instead of ending the process. A
            process that has something to clean up in `terminate` traps exits, or it is not asked.
        process_label: what a process without a name is called in messages and logs, if `init` sets it.
        capacity: how many messages may wait.
        overflow: what happens to those beyond; see `mailbox.Overflow`.
        restart: when a supervisor brings it back, unless its `Child` says otherwise.
        shutdown: how a supervisor ends it, unless its `Child` says otherwise.
        handlers: the class's public methods. Used by the runtime.
    """

    trap_exit: bool = False
    capacity: ClassVar[int] = DEFAULT_CAPACITY
    overflow: ClassVar[Overflow] = "reject"
    restart: ClassVar[Restart] = "permanent"
    shutdown: ClassVar[ShutdownForm] = 5.0
    handlers: ClassVar[HandlerTable]  # set for each subclass
    process_label: str | None = None
    __process: Process | None = None

    def __init_subclass__(cls, *, handlers: type[HandlerTable] = HandlerTable) -> None:
        """Find out what can be called.

        Args:
            handlers: how; see `guarded`.
        """
        super().__init_subclass__()
        cls.handlers = handlers(cls, _RESERVED)

    # --- what a subclass defines -----------------------------------------------------------------------------

    def init(self, *arguments: Any, **keywords: Any) -> object:  # noqa: ANN401 - so that an override may declare its own
        """Set up the state. May be async. Whoever starts the process waits for it; if it raises, nothing started.

        A subclass declares the parameters that it needs. It may raise `StartIgnored` when it isn't needed now.
        """
        return None

    def handle_info(self, message: object) -> object:
        """Handle a message that was sent, such as `Down`. May be async. By default it is logged and dropped."""
        _log.error("%s got a message that it doesn't handle: %r", self._cell.label, message)
        return None

    def terminate(self, reason: Reason) -> object:
        """Clean up before the end. May be async.

        Runs when the process stops, when a method raised, and, if it traps exits, when its supervisor ends it; not
        when it is killed, and not on an exit signal that it doesn't trap. So it is no place for what must happen in
        any case.
        """
        return None

    def format_crash(self, report: Mapping[str, object]) -> Mapping[str, object]:
        """Take out of a crash report, or of `introspect.get_status`, what must not be seen.

        Args:
            report: `process`, `reason`, `message`, `state` (the attributes), and in a crash report `client`, where the
                caller stands. What this returns is logged.
        """
        return report

    def change_code(self, old_version: object) -> None:
        """Bring the state to the form that this class's methods expect. See `introspect.change_code`."""

    # --- what a subclass uses --------------------------------------------------------------------------------

    @property
    def pid(self) -> Pid[Self]:
        """The process's own address, to give to others."""
        return Pid(self._cell)

    def stop(self, reason: Reason = Exit.NORMAL) -> None:
        """End this process when the method that is running has returned. Messages that wait are not handled."""
        self._cell.stop_after_handler(reason)

    def defer(self, answer: type[Answer]) -> Deferred[Answer]:
        """Answer the caller later: return what this returns, and keep it. `answer` is the type of the answer."""
        return cast("Deferred[Answer]", self._cell.defer())

    def then(
        self: ServerT,
        method: Callable[Concatenate[ServerT, Arguments], object],
        /,
        *arguments: Arguments.args,
        **keywords: Arguments.kwargs,
    ) -> None:
        """Run `method` when the one that is running has returned, before any message that waits.

        In `init` it is the way to become ready at once and load the state afterwards. It may be chained.
        """
        process = cast("GenServer", self)._cell  # noqa: SLF001 - it is this object's own
        process.continue_with((process.handlers.find(method), arguments, keywords, None))

    def wait_for_message(self, seconds: float, otherwise: object) -> None:
        """Handle the message `otherwise` if no message comes in so many seconds. Any message ends the wait."""
        self._cell.await_message(seconds, otherwise)

    @overload
    async def receive(self, matching: type[Received], timeout: float | None = ...) -> Received: ...

    @overload
    async def receive(
        self, matching: Callable[[object], TypeGuard[Received]], timeout: float | None = ...
    ) -> Received: ...

    @overload
    async def receive(self, matching: Callable[[object], bool], timeout: float | None = ...) -> object: ...

    async def receive(self, matching: Matching, timeout: float | None = CALL_TIMEOUT) -> object:
        """In an async method: wait for one plain message, out of order, and take it.

            reply = await self.receive(Ready)  # the first `Ready` that waits, or that comes

        It is the first message that matches among those that were sent to this process and that wait, or else the
        first one to come; also a `Down` or `Exited`. All others stay where they are, for `handle_info`, within the
        bound of the mailbox. Calls and casts, requests of `introspect`, and what makes the process stop wait too, as
        they do behind any async method; an exit signal that isn't trapped, and a kill, end the wait with the process.

        Args:
            matching: a class, or a function that is asked about each message once, in the turn of whoever sends it.
            timeout: seconds to wait; None waits for ever.

        Raises:
            DeadlineExceeded: none came in time.
            ProcessError: this isn't code of the process itself, or it waits for another message at the same time.
            DefinitionError: `matching` is neither a class nor a function.
        """
        return await receive(self._cell, matching, timeout)

    def send_after(self, delay: float, message: object, to: Pid[object] | None = None) -> MessageTimer:
        """Send a message in so many seconds, to this process or another. Returns the timer, to be cancelled."""
        process = self._cell if to is None else to.process
        return MessageTimer(self._cell.node.clock, process, delay, message)

    def monitor(self, pid: Pid[object], tag: object = None) -> int:
        """Receive one `Down` in `handle_info` when the process at `pid` has ended. Returns its number.

        Each monitor delivers its own `Down`; that of a process that is dead already comes at once.
        """
        return Monitor(self._cell, pid, tag).begin()

    def demonitor(self, pid: Pid[object], number: int) -> None:
        """End a monitor. No `Down` of it is handled any more, also if it waits in the mailbox already."""
        pid.unwatch(number)
        (self._cell.monitors or {}).pop(number, None)
        self._cell.forget(lambda message: isinstance(message, Down) and message.monitor == number)

    def link(self, pid: Pid[object]) -> None:
        """Share the fate of another process: when one of the two ends, the other gets an exit signal."""
        self._cell.link(pid.process)

    def unlink(self, pid: Pid[object]) -> None:
        """Share its fate no longer. Harmless when there is no link."""
        self._cell.unlink(pid.process)

    def exit(self, pid: Pid[object], reason: Reason) -> None:
        """Send another process an exit signal from this one. See `Pid.exit`."""
        pid.process.receive_exit(self._cell, reason)

    # --- what the runtime uses -------------------------------------------------------------------------------

    def attach(self, process: Process) -> None:
        """Bind the server to its process. Used once, by the runtime."""
        self.__process = process

    def exit_message(self, sender: Ties | None, reason: Reason) -> object:
        """What an exit signal is as a message. Used by the runtime."""
        return Exited(Pid(sender) if isinstance(sender, Process) else None, reason)

    @property
    def _cell(self) -> Process:
        if self.__process is None:
            raise InternalError(f"{type(self).__qualname__} is used outside a process; start it in a System")
        return self.__process


_RESERVED: Final = frozenset(name for name in vars(GenServer) if not name.startswith("_"))


def is_server(candidate: object) -> bool:
    """Whether a process can be started from `candidate`: a class below `GenServer`."""
    return isinstance(candidate, type) and issubclass(candidate, GenServer) and candidate is not GenServer
