"""The handling of one message, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from types import CoroutineType
from typing import TypeAlias, cast

from headwater.errors import Rejected
from headwater.runtime.crash import report_crash
from headwater.runtime.exits import Reason, is_abnormal
from headwater.runtime.handlers import HandlerTable
from headwater.runtime.lifetime import Lifetime
from headwater.runtime.message import Message, arguments_of
from headwater.runtime.node import Node
from headwater.runtime.reply import Deferred
from headwater.runtime.server import Server
from headwater.runtime.states import AWAITING, ENDED, RUNNING

Observer: TypeAlias = Callable[[str, object], None]
"""Told of what a process does: the kind of event, and what it is about. See `introspect`."""


class Handling(Lifetime):
    """The base of `Process` that has its server handle a message: at once, in a task, or until it terminates.

    Args:
        node: the process's surroundings.
        server: the user's object.
        handlers: the server's public methods.
        capacity: how many messages may wait.
        name: its name, or None.

    Attributes:
        expired: how many calls were dropped because their callers had given up.
        handled: how many messages were handled.
    """

    __slots__ = ("_doom", "_observers", "_then", "expired", "handled")

    def __init__(self, node: Node, server: Server, handlers: HandlerTable, capacity: int, name: str | None) -> None:
        Lifetime.__init__(self, node, server, handlers, capacity, name)
        self.handled = 0
        self.expired = 0
        self._then: list[Message] | None = None
        self._doom: Reason | None = None
        self._observers: list[Observer] | None = None

    def become_current(self) -> None:
        """Make the task that is running known as one of this process."""
        raise NotImplementedError

    def settle(self) -> None:
        """End a turn: do what was asked for meanwhile, then rest."""
        raise NotImplementedError

    def observe(self, kind: str, subject: object) -> None:
        """Tell the observers."""
        raise NotImplementedError

    def _perform(self, message: Message) -> None:
        self._running = message
        arguments, keywords = arguments_of(message)
        try:
            outcome = message[0].function(self.server, *arguments, **keywords)
        except Exception as error:  # noqa: BLE001 - as in `take_turn`
            self._failed(error)
        else:
            self._returned(outcome)

    def _returned(self, outcome: object) -> None:
        if type(outcome) is CoroutineType:
            self._suspend(self._await_handler(outcome), outcome)
            return
        message, self._running = self._running, None
        reply = None if message is None else message[3]
        if message is None or reply is None or type(outcome) is Deferred:
            if message is not None and self._observers is not None:
                self.observe("noreply", message)
            if reply is not None:
                cast("Deferred[object]", outcome).attach(reply)
            return
        if not reply.done():
            reply.set_result(outcome)
        else:
            return
        if self._observers is not None:
            self.observe("out", outcome)

    def _failed(self, error: Exception) -> None:
        reply = None if self._running is None else self._running[3]
        if isinstance(error, Rejected) and reply is not None:
            self._running = None
            if not reply.done():
                reply.set_exception(error.with_traceback(None))  # its frames refer to the message: no cycle
                if self._observers is not None:
                    self.observe("out", error)
        else:
            self.crash(error)

    def _suspend(self, waiting: Coroutine[object, object, None], work: CoroutineType[object, object, object]) -> None:
        self.state = AWAITING
        self.asked = True  # for the loop of `take_turn` to look at the state
        self._task = self.node.loop.create_task(waiting)
        self._work = work

    async def _await_handler(self, work: Coroutine[object, object, object]) -> None:
        self.become_current()
        try:
            outcome = await work
        except asyncio.CancelledError as error:
            if self.state != AWAITING:
                raise  # the process was ended, and this is how its task hears of it
            self._resume()
            self.crash(error)
        except Exception as error:  # noqa: BLE001 - as in a sync handler
            if self._resume():
                self._failed(error)
        else:
            if self._resume():
                self._returned(outcome)
        self.settle()

    def _resume(self) -> bool:
        """Back from an async handler. False if the process was ended meanwhile."""
        if self.state != AWAITING:
            return False
        self._task = self._work = None
        self.state = RUNNING
        return True

    # --- what handlers ask for -------------------------------------------------------------------------------

    def continue_with(self, message: Message) -> None:
        """Handle `message` when the present handler has returned, before any message that waits."""
        if self._then is None:
            self._then = []
        self._then.append(message)
        self.asked = True

    def stop_after_handler(self, reason: Reason) -> None:
        """End in good order when the handler that is running has returned. The first reason counts."""
        if self._stop_reason is None:
            self._stop_reason = reason
            self.asked = True

    def await_message(self, seconds: float, content: object) -> None:
        """Handle `content` as a plain message if no message comes in this time."""
        self._cancel_idle_timer()
        self._idle_timer = self.node.clock.call_later(seconds, partial(self._idled, content))
        self.asked = True

    def _idled(self, content: object) -> None:
        self._idle_timer = None
        self.inform(content)

    def defer(self) -> Deferred[object]:
        """A promise of an answer that fails with `ProcessDown` if the process ends first."""
        if self._deferred is None:
            self._deferred = {}
        deferred: Deferred[object] = Deferred(self)
        self._deferred[deferred] = None
        return deferred

    def release(self, deferred: Deferred[object], /) -> None:
        """Its answer is known, so that it can't fail any more."""
        if self._deferred is not None:
            del self._deferred[deferred]

    def answered(self, answer: object, /) -> None:
        """A caller has got an answer that was deferred."""
        if self._observers is not None and self.state != ENDED:
            self.observe("out", answer)

    # --- termination -----------------------------------------------------------------------------------------

    def crash(self, error: BaseException) -> None:
        """End because a handler raised: run `terminate`, then `end`."""
        self._stop_reason = error
        self._terminate(error)

    def _terminate(self, reason: Reason) -> None:
        if is_abnormal(reason):
            report_crash(self.label, self.server, reason, self._running)
        if self._observers is not None:
            self.observe("terminate", reason)
        try:
            outcome = self.server.terminate(reason)
        except Exception as error:  # noqa: BLE001 - the process ends all the same
            report_crash(self.label, self.server, error, self._running)
            self.end(error)
            return
        if type(outcome) is CoroutineType:
            self._suspend(self._await_termination(outcome, reason), outcome)
        else:
            self.end(reason)

    async def _await_termination(self, termination: Coroutine[object, object, object], reason: Reason) -> None:
        self.become_current()
        try:
            await termination
        except Exception as error:  # noqa: BLE001 - the process ends all the same
            report_crash(self.label, self.server, error, self._running)
            reason = error
        self._task = self._work = None
        self.end(reason)
