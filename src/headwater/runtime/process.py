"""The machinery of one process: a mailbox, a server, and one turn at a time.

A process is *idle*, *queued* (it waits for its turn), *running* (its turn), *awaiting* (an async handler is
suspended; only then a task exists) or *ended*. Messages are handled in the order in which they came, whichever
way they came: a call to an idle process may run at once in the caller's turn, because then nothing is ahead of it.
"""

from __future__ import annotations

import asyncio
import contextvars
import enum
import logging
from collections.abc import Callable, Coroutine, Mapping
from types import CoroutineType
from typing import Final, Protocol

from headwater.errors import MailboxFull, ProcessDown, Rejected, StartFailed
from headwater.runtime.exits import Exit, Reason, describe
from headwater.runtime.handlers import Handler, HandlerTable
from headwater.runtime.mailbox import Mailbox
from headwater.runtime.messages import Info, Invocation, Message, Stop
from headwater.runtime.node import Node
from headwater.runtime.reply import Deferred

_log: Final = logging.getLogger("headwater.runtime")

current: contextvars.ContextVar[Process | None] = contextvars.ContextVar("headwater.process", default=None)
"""The process whose async handler is running, if any."""


class Server(Protocol):
    """The user's side of a process, as the machinery sees it."""

    def handle_info(self, message: object) -> object:
        """Handle a plain message."""

    def terminate(self, reason: Reason) -> object:
        """Clean up before the end."""


class State(enum.Enum):
    """Where a process stands."""

    IDLE = enum.auto()
    QUEUED = enum.auto()
    RUNNING = enum.auto()
    AWAITING = enum.auto()
    ENDED = enum.auto()


class Process:
    """One process. Applications hold a `Pid`, never this.

    Args:
        node: its surroundings.
        server: the user's object.
        handlers: the server's public methods.
        name: its name, or None.
        capacity: how many messages may wait in its mailbox.
        parent: told of its end, after everything else; a supervisor or the system.
    """

    __slots__ = (
        "_deferred",
        "_handlers",
        "_mailbox",
        "_parent",
        "_running",
        "_stop_reason",
        "_task",
        "_watchers",
        "name",
        "node",
        "number",
        "reason",
        "server",
        "state",
    )

    def __init__(
        self,
        node: Node,
        server: Server,
        handlers: HandlerTable,
        *,
        name: str | None,
        capacity: int,
        parent: Callable[[Process, Reason], None],
    ) -> None:
        self.node = node
        self.server = server
        self.name = name
        self.number = node.next_number()
        self.state = State.AWAITING  # until init has finished, messages wait
        self.reason: Reason | None = None
        self._handlers = handlers
        self._mailbox: Mailbox[Message] = Mailbox(capacity)
        self._parent = parent
        self._task: asyncio.Task[None] | None = None
        self._running: Message | None = None
        self._stop_reason: Reason | None = None
        self._deferred: set[Deferred[object]] = set()
        self._watchers: dict[int, Callable[[Reason], None]] = {}
        if name is not None:
            node.names.claim(name, self)

    @property
    def label(self) -> str:
        """What the process is called in messages and logs."""
        kind = type(self.server).__qualname__
        return f"{kind} {self.name!r}" if self.name is not None else f"{kind} #{self.number}"

    @property
    def waiting(self) -> int:
        """How many messages wait in the mailbox."""
        return len(self._mailbox)

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        return self.state is not State.ENDED

    # --- start -----------------------------------------------------------------------------------------------

    async def start(self, init: Callable[[], object]) -> None:
        """Run `init`; messages that come meanwhile wait for it.

        Raises:
            StartFailed: `init` raised, or the process was ended meanwhile. It is gone, its name free.
        """
        try:
            await self._initialise(init)
        except Exception as error:
            self.end(error)
            raise StartFailed(f"{self.label} could not start: {type(error).__name__}: {error}") from error
        except BaseException:
            self.end(Exit.KILLED)
            raise
        self.state = State.RUNNING
        self._stop_if_asked()
        self._finish_turn()

    async def _initialise(self, init: Callable[[], object]) -> None:
        token = current.set(self)
        try:
            outcome = init()
            if type(outcome) is CoroutineType:
                await outcome
        finally:
            current.reset(token)
        if not self.alive:
            raise ProcessDown(f"{self.label} was ended during its init", reason=self.reason)

    # --- messages in -----------------------------------------------------------------------------------------

    def find(self, method: Callable[..., object]) -> Handler:
        """The server's handler for a method. Raises UnknownMethod."""
        return self._handlers.find(method)

    def deliver(self, message: Invocation | Info) -> bool:
        """Queue a message. False if the process has ended.

        Raises:
            MailboxFull: too many messages wait already.
        """
        if self.state is State.ENDED:
            return False
        if not self._mailbox.offer(message):
            raise MailboxFull(f"the mailbox of {self.label} is full: {self._mailbox.capacity} messages wait")
        self._wake()
        return True

    def signal(self, message: Info | Stop) -> None:
        """Queue a message that must arrive. Dropped if the process has ended."""
        if self.state is not State.ENDED:
            self._mailbox.signal(message)
            self._wake()

    def run_inline(self, handler: Handler, arguments: tuple[object, ...], keywords: Mapping[str, object]) -> object:
        """Run a sync handler now, in the caller's turn. Only for an idle process.

        Raises:
            ProcessDown: the handler raised, and the process has ended with that as its reason.
            Rejected: the handler said no.
        """
        self.state = State.RUNNING
        try:
            return handler.function(self.server, *arguments, **keywords)
        except Rejected:
            raise
        except Exception as error:
            self.crash(error, handler.name)
            raise self.down() from error
        finally:
            if self._stop_reason is not None:
                self._stop_if_asked()
            self._finish_turn()

    # --- turns -----------------------------------------------------------------------------------------------

    def take_turn(self, budget: int) -> None:
        """Handle up to `budget` messages, or until an async handler suspends."""
        if self.state is not State.QUEUED:
            return
        self.state = State.RUNNING
        while budget and len(self._mailbox) and self.state is State.RUNNING:
            budget -= 1
            self._handle(self._mailbox.take())
        self._finish_turn()

    def _wake(self) -> None:
        if self.state is State.IDLE:
            self.state = State.QUEUED
            self.node.run_queue.add(self)

    def _finish_turn(self) -> None:
        if self.state is State.RUNNING:
            self.state = State.IDLE
            if len(self._mailbox):
                self._wake()

    def _handle(self, message: Message) -> None:
        if type(message) is Invocation and message.reply is not None and message.reply.done():
            return  # the caller has given up
        self._running = message
        try:
            outcome = self._perform(message)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises ends its process, nothing else
            self._failed(error)
            return
        if type(outcome) is CoroutineType:
            self._suspend(self._await_handler(outcome))
        else:
            self._succeeded(outcome)

    def _perform(self, message: Message) -> object:
        if type(message) is Invocation:
            return message.handler.function(self.server, *message.arguments, **message.keywords)
        if type(message) is Info:
            return self.server.handle_info(message.message)
        if type(message) is Stop:
            self.stop_after_handler(message.reason)
        return None

    def _suspend(self, work: Coroutine[object, object, None]) -> None:
        self.state = State.AWAITING
        self._task = asyncio.create_task(work, name=self.label)

    async def _await_handler(self, work: Coroutine[object, object, object]) -> None:
        current.set(self)
        try:
            outcome = await work
        except Exception as error:  # noqa: BLE001 - as in a sync handler
            if self._resume():
                self._failed(error)
        else:
            if self._resume():
                self._succeeded(outcome)
        self._finish_turn()

    def _resume(self) -> bool:
        """Back from an async handler. False if the process was ended meanwhile."""
        if self.state is not State.AWAITING:
            return False
        self._task = None
        self.state = State.RUNNING
        return True

    def _succeeded(self, outcome: object) -> None:
        message, self._running = self._running, None
        if type(message) is Invocation and message.reply is not None:
            if type(outcome) is Deferred:
                outcome.attach(message.reply)
            elif not message.reply.done():
                message.reply.set_result(outcome)
        self._stop_if_asked()

    def _failed(self, error: Exception) -> None:
        message = self._running
        if isinstance(error, Rejected) and type(message) is Invocation and message.reply is not None:
            self._running = None
            if not message.reply.done():
                message.reply.set_exception(error.with_traceback(None))  # its frames refer to the message: no cycle
            self._stop_if_asked()
        else:
            self.crash(error, message.handler.name if type(message) is Invocation else "handle_info")

    # --- deferred replies, watchers --------------------------------------------------------------------------

    def defer(self) -> Deferred[object]:
        """A promise of an answer that fails with `ProcessDown` if the process ends first."""
        deferred: Deferred[object] = Deferred(self._deferred.discard)
        self._deferred.add(deferred)
        return deferred

    def watch(self, watcher: Callable[[Reason], None]) -> int:
        """Call `watcher` once, when the process has ended; soon, if it has ended already."""
        number = self.node.next_number()
        if self.state is State.ENDED:
            self.node.loop.call_soon(watcher, Exit.NO_PROCESS)
        else:
            self._watchers[number] = watcher
        return number

    def unwatch(self, number: int) -> None:
        """Forget a watcher."""
        self._watchers.pop(number, None)

    # --- the end ---------------------------------------------------------------------------------------------

    def stop_after_handler(self, reason: Reason) -> None:
        """End in good order when the handler that is running has returned. The first reason counts."""
        if self._stop_reason is None:
            self._stop_reason = reason

    def _stop_if_asked(self) -> None:
        if self._stop_reason is not None and self.state is State.RUNNING:
            self._terminate(self._stop_reason)

    def crash(self, error: Exception, where: str) -> None:
        """End because the handler `where` raised: report it, run `terminate`, then `end`."""
        self._report(error, where)
        self._stop_reason = error
        self._terminate(error)

    def _terminate(self, reason: Reason) -> None:
        try:
            outcome = self.server.terminate(reason)
        except Exception as error:  # noqa: BLE001 - the process ends all the same
            self._report(error, "terminate")
            self.end(error)
            return
        if type(outcome) is CoroutineType:
            self._suspend(self._await_termination(outcome, reason))
        else:
            self.end(reason)

    async def _await_termination(self, termination: Coroutine[object, object, object], reason: Reason) -> None:
        current.set(self)
        try:
            await termination
        except Exception as error:  # noqa: BLE001 - the process ends all the same
            self._report(error, "terminate")
            reason = error
        self._task = None
        self.end(reason)

    def end(self, reason: Reason) -> None:
        """End now. Releases the name, fails all who wait, then tells the watchers, then the parent."""
        if self.state is State.ENDED:
            return
        self.state = State.ENDED
        self.reason = reason
        if self.name is not None:
            self.node.names.release(self.name, self)
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._fail_waiting()
        self._notify(reason)

    def down(self) -> ProcessDown:
        """The error for those who wait for this process, which has ended."""
        reason = self.reason or self._stop_reason or Exit.NO_PROCESS
        error = ProcessDown(f"{self.label} has ended ({describe(reason)})", reason=reason)
        error.__cause__ = reason if isinstance(reason, BaseException) else None
        return error

    def _fail_waiting(self) -> None:
        waiting = self._mailbox.clear()
        if self._running is not None:
            waiting.insert(0, self._running)
            self._running = None
        for message in waiting:
            if type(message) is Invocation and message.reply is not None and not message.reply.done():
                message.reply.set_exception(self.down())
        for deferred in list(self._deferred):
            deferred.fail(self.down())

    def _notify(self, reason: Reason) -> None:
        watchers = list(self._watchers.values())
        self._watchers.clear()
        for watcher in watchers:
            watcher(reason)
        self._parent(self, reason)

    def _report(self, error: Exception, where: str) -> None:
        _log.error("%s crashed in %s: %s", self.label, where, describe(error), exc_info=error)
