"""The machinery of one process: a mailbox, a server, and one turn at a time.

A process is *idle*, *queued* (it waits for its turn), *running* (its turn), *awaiting* (an async handler is
suspended; only then a task exists) or *ended*. Messages are handled in the order in which they came, whichever
way they came: a call to an idle process may run at once in the caller's turn, because then nothing is ahead of it.
A process that is *watchful* is idle too, but something has to be done before the next message (a timer to be
cancelled, a trace to be written, or it is suspended): then every message takes the way through the mailbox.

Links, monitors and exit signals follow OTP: see `receive_exit` and `end`.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Mapping
from types import CoroutineType
from typing import Final, TypeAlias, cast

from headwater.errors import DeadlineExceeded, StartFailed, StartIgnored
from headwater.runtime.exits import Exit, Reason, describe
from headwater.runtime.handlers import HandlerTable
from headwater.runtime.handling import Observer
from headwater.runtime.life import begin_life
from headwater.runtime.message import Message
from headwater.runtime.node import Node
from headwater.runtime.server import Server
from headwater.runtime.states import AWAITING, ENDED, IDLE, RUNNING, WATCHFUL
from headwater.runtime.ties import Ties
from headwater.runtime.turns import Turns

_log: Final = logging.getLogger("headwater.runtime")

current: contextvars.ContextVar[Process | None] = contextvars.ContextVar("headwater.process", default=None)
"""The process whose async handler is running, if any."""

Initialising: TypeAlias = "CoroutineType[object, object, object]"
"""An async `init` that has been called."""


class Process(Turns):
    """One process. Applications hold a `Pid`, never this.

    It stands on `Ties`, `Inbox`, `Lifetime`, `Handling` and `Turns`, each of which knows only those before it.

    Args:
        node: its surroundings.
        server: the user's object.
        handlers: the server's public methods.
        capacity: how many messages may wait.
        name: its name, or None.
        parent: the process that started it and is linked to it, or None.

    Attributes:
        parent: the same.

    Raises:
        NameTaken: a living process has the name.
    """

    __slots__ = ("parent",)

    def __init__(
        self,
        node: Node,
        server: Server,
        handlers: HandlerTable,
        capacity: int,
        *,
        name: str | None,
        parent: Process | None,
    ) -> None:
        Turns.__init__(self, node, server, handlers, capacity, name)
        self.parent = parent
        if parent is not None:
            self.link(parent)
        for option in node.debug:
            option(self)

    def become_current(self) -> None:
        """Make the task that is running known as one of this process."""
        current.set(self)

    # --- start -----------------------------------------------------------------------------------------------

    def start(
        self, init: Callable[..., object], arguments: tuple[object, ...], keywords: Mapping[str, object]
    ) -> Initialising | None:
        """Run `init`. If it is async, returns what `await_init` has to wait for.

        Raises:
            StartFailed: `init` raised, or the process was ended meanwhile. It is gone, its name free.
            StartIgnored: `init` raised it. The process is gone, without having failed.
        """
        if self.node.telemetry.listening:
            begin_life(self.node.telemetry, self.label, type(self.server).__qualname__)
        self.state = RUNNING
        try:
            outcome = init(*arguments, **keywords)
        except BaseException as error:  # noqa: BLE001 - it is raised again, or the cause of what is raised
            raise self._not_started(error)  # noqa: B904 - likewise
        if type(outcome) is CoroutineType:
            return outcome
        if self.asked or self.state == ENDED or self.mailbox:
            self._started()
        else:
            self.state = IDLE
        return None

    async def await_init(self, init: Initialising, timeout: float | None) -> None:
        """Wait for an async `init`; messages that come meanwhile wait for it.

        Raises:
            StartFailed: as `start`, or `init` took too long.
            StartIgnored: as `start`.
        """
        try:
            await self._run_init(init, timeout)
        except BaseException as error:  # noqa: BLE001 - it is raised again, or the cause of what is raised
            raise self._not_started(error)  # noqa: B904 - likewise
        self._started()

    def _started(self) -> None:
        if self.state == ENDED:
            raise self._not_started(self.down())
        self.state = RUNNING
        self._between_messages()
        if self.state == RUNNING:
            self._rest()

    def _not_started(self, error: BaseException) -> BaseException:
        """End because `init` didn't succeed. Returns what the one who starts the process gets to see."""
        if isinstance(error, StartIgnored):
            self.end(Exit.NORMAL)
        elif isinstance(error, Exception):
            self.end(error)
            failed = StartFailed(f"{self.label} could not start: {describe(error)}")
            failed.__cause__ = error
            return failed
        else:
            self.end(Exit.KILLED)
        return error

    async def _run_init(self, init: Initialising, timeout: float | None) -> None:
        self.state = AWAITING
        token = current.set(self)
        task = self._task = cast("asyncio.Task[None]", self.node.loop.create_task(init))
        current.reset(token)  # the task has taken it along
        timer = None
        if timeout is not None:
            expired = DeadlineExceeded(f"{self.label} was not ready within {timeout} s")
            timer = self.node.clock.call_later(timeout, lambda: self.end(expired))
        try:
            await task
        except asyncio.CancelledError:
            if self.state == ENDED:
                raise self.down() from None
            task.cancel()
            raise
        finally:
            self._task = None
            if timer is not None:
                timer.cancel()

    # --- exit signals ----------------------------------------------------------------------------------------

    def receive_exit(self, sender: Ties | None, reason: Reason) -> None:
        """Take an exit signal, as OTP's processes do.

        - `KILL`, sent with `Pid.exit`, ends the process as `KILLED`, whatever it wants. (A link never sends it.)
        - A process that traps exits gets the signal as a message; from its parent it makes it terminate.
        - Otherwise `NORMAL` is ignored, unless the process sent it to itself, and any other reason ends it, without
          `terminate`.
        """
        if self.state == ENDED:
            return
        if reason is Exit.KILL:
            self.end(Exit.KILLED)
        elif self.server.trap_exit:
            self._trap(sender, reason)
        elif reason is not Exit.NORMAL or sender is self:
            self._die(reason)

    def _trap(self, sender: Ties | None, reason: Reason) -> None:
        if sender is not None and sender is self.parent:
            self.ask_to_stop(reason)
        else:
            self.inform(self.server.exit_message(sender, reason))

    def _die(self, reason: Reason) -> None:
        if self.state == RUNNING:
            # A handler is on the stack. It can't be interrupted, so the process ends when it has returned.
            self._doom = reason
            self.asked = True
        else:
            self.end(reason)

    # --- introspection ---------------------------------------------------------------------------------------

    @property
    def running(self) -> Message | None:
        """The message whose handler is suspended in an `await`, or is being ended."""
        return self._running

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The task of the async handler that is suspended."""
        return self._task

    @property
    def observers(self) -> tuple[Observer, ...]:
        """Who is told of what the process does."""
        return tuple(self._observers or ())

    def add_observer(self, observer: Observer) -> None:
        """Tell `observer` of everything that the process does from now on."""
        self._observers = [*(self._observers or ()), observer]
        self.asked = True
        if self.state == IDLE:
            self.state = WATCHFUL

    def remove_observer(self, observer: Observer) -> None:
        """Tell it no more."""
        left = [other for other in self._observers or () if other is not observer]
        self._observers = left or None
        if self.state == WATCHFUL:
            self._rest()

    def observe(self, kind: str, subject: object) -> None:
        """Tell the observers. One that raises is removed and reported."""
        for observer in self._observers or ():
            try:
                observer(kind, subject)
            except Exception:  # noqa: BLE001 - observing never harms
                _log.exception("an observer of %s raised and was removed", self.label)
                self.remove_observer(observer)
