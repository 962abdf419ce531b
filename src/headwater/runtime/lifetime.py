"""What a process holds while it lives, and how it gives all of it back at its end."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from types import CoroutineType

from headwater.clock import Timer
from headwater.errors import ProcessDown
from headwater.runtime.exits import Exit, Reason, describe
from headwater.runtime.handlers import HandlerTable
from headwater.runtime.inbox import Inbox
from headwater.runtime.life import end_life
from headwater.runtime.message import Message
from headwater.runtime.node import Node
from headwater.runtime.reply import Deferred
from headwater.runtime.server import Server
from headwater.runtime.states import ENDED
from headwater.runtime.ties import Ties


class Lifetime(Inbox):
    """The base of `Process` that is born, has things, and ends.

    Args:
        node: the process's surroundings.
        server: the user's object.
        handlers: the server's public methods.
        capacity: how many messages may wait.
        name: its name, or None.

    Attributes:
        number: what tells it from the others of its system.
        started: when it was started, in seconds of the node's monotonic clock.
        reason: how it has ended; None while it lives.
        monitors: the processes whose ends it wants to hear of, by number.
        cleanups: run at its end, before anybody hears of it, with its name released already.

    Raises:
        NameTaken: a living process has the name.
    """

    __slots__ = (
        "_deferred",
        "_idle_timer",
        "_running",
        "_stop_reason",
        "_task",
        "_work",
        "cleanups",
        "monitors",
        "name",
        "number",
        "reason",
        "started",
    )

    def __init__(self, node: Node, server: Server, handlers: HandlerTable, capacity: int, name: str | None) -> None:
        Inbox.__init__(self, node, server, handlers, capacity)  # by its name, as `Ties` there
        self.name = name
        self.number = next(node.numbers)
        self.started = node.clock.monotonic()
        self.reason: Reason | None = None
        self.monitors: dict[int, Ties] | None = None
        self.cleanups: list[Callable[[], None]] | None = None
        self._task: asyncio.Task[None] | None = None
        self._work: CoroutineType[object, object, object] | None = None
        self._running: Message | None = None
        self._deferred: dict[Deferred[object], None] | None = None
        self._idle_timer: Timer | None = None
        self._stop_reason: Reason | None = None
        if name is not None:
            node.names.claim(name, self)
        node.processes[self] = None

    @property
    def label(self) -> str:
        """What the process is called in messages and logs."""
        kind = type(self.server).__qualname__
        known_as: str | None = self.name or getattr(self.server, "process_label", None)
        return f"{kind} #{self.number}" if known_as is None else f"{kind} {known_as!r}"

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        return self.state != ENDED

    def end(self, reason: Reason) -> None:
        """End now. Releases all that it holds, fails all who wait, then sends the signals."""
        if self.state == ENDED:
            return
        self.state = ENDED
        self.asked = True
        self.room = 0  # so that whoever sends finds none, and then finds out why
        self.reason = reason
        self._release()
        if self.mailbox or self._running is not None or self._deferred is not None:
            self._fail_waiting()
        if self.node.telemetry.listening:
            seconds = self.node.clock.monotonic() - self.started
            end_life(self.node.telemetry, self.label, type(self.server).__qualname__, seconds, reason)
        self.send_signals(reason)

    def down(self) -> ProcessDown:
        """The error for those who wait for this process, which has ended."""
        reason = self.reason or self._stop_reason or Exit.NO_PROCESS
        error = ProcessDown(f"{self.label} has ended ({describe(reason)})", reason=reason)
        error.__cause__ = reason if isinstance(reason, BaseException) else None
        return error

    def _release(self) -> None:
        del self.node.processes[self]
        if self.name is not None:
            self.node.names.release(self.name, self)
        if self._idle_timer is not None:
            self._cancel_idle_timer()
        if self._task is not None:
            self._detach()
        if self.monitors is not None:
            monitors, self.monitors = self.monitors, None
            for number, target in monitors.items():
                target.unwatch(number)
        if self.cleanups is not None:
            cleanups, self.cleanups = self.cleanups, None
            for cleanup in cleanups:
                cleanup()

    def _detach(self) -> None:
        task, self._task = self._task, None
        work, self._work = self._work, None
        if task is not None:
            self.node.detach(task, self.label)
        if work is not None:
            _close_unstarted(work)

    def _fail_waiting(self) -> None:
        waiting = list(self.mailbox)
        self.mailbox.clear()
        if self._running is not None:
            waiting.append(self._running)
            self._running = None
        for *_, reply in waiting:
            if reply is not None and not reply.done():
                reply.set_exception(self.down())
        for deferred in list(self._deferred or ()):
            deferred.fail(self.down())

    def _cancel_idle_timer(self) -> None:
        timer, self._idle_timer = self._idle_timer, None
        if timer is not None:
            timer.cancel()


def _close_unstarted(work: CoroutineType[object, object, object]) -> None:
    """Close a coroutine whose task was cancelled before it began, and those that it was given to await."""
    if inspect.getcoroutinestate(work) == inspect.CORO_CREATED and work.cr_frame is not None:
        given = [value for value in work.cr_frame.f_locals.values() if type(value) is CoroutineType]
        work.close()
        for inner in given:
            _close_unstarted(inner)
