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
import inspect
import logging
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from types import CoroutineType
from typing import Final, TypeAlias, cast

from headwater.clock import Timer
from headwater.errors import DeadlineExceeded, ProcessDown, Rejected, StartFailed, StartIgnored
from headwater.runtime.crash import report_crash
from headwater.runtime.exits import Exit, Reason, describe, is_abnormal
from headwater.runtime.handlers import Handler, HandlerTable
from headwater.runtime.inbox import Inbox
from headwater.runtime.life import begin_life, end_life
from headwater.runtime.message import NOTHING, Message, arguments_of
from headwater.runtime.node import INLINE_TURNS, TURN_MESSAGES, Node
from headwater.runtime.reply import Deferred
from headwater.runtime.server import Server
from headwater.runtime.states import AWAITING, ENDED, IDLE, QUEUED, RUNNING, WATCHFUL
from headwater.runtime.ties import Ties

COUNTS: Final = tuple(range(1, count + 1) for count in range(TURN_MESSAGES + 1))
"""For each number of messages, what counts them: made once, for making a range takes as long as handling a message."""

_log: Final = logging.getLogger("headwater.runtime")

current: contextvars.ContextVar[Process | None] = contextvars.ContextVar("headwater.process", default=None)
"""The process whose async handler is running, if any."""

Initialising: TypeAlias = "CoroutineType[object, object, object]"
"""An async `init` that has been called."""

Observer: TypeAlias = Callable[[str, object], None]
"""Told of what a process does: the kind of event, and what it is about. See `introspect`."""


class Process(Inbox):
    """One process. Applications hold a `Pid`, never this.

    Args:
        node: its surroundings.
        server: the user's object.
        handlers: the server's public methods.
        capacity: how many messages may wait.
        name: its name, or None.
        parent: the process that started it and is linked to it, or None.

    Attributes:
        expired: how many calls were dropped because their callers had given up.
        handled: how many messages were handled.
        started: when it was started, in seconds of the node's monotonic clock.
        links: the processes that it is tied to.
        watchers: who wants to hear of its end, by number.
        monitors: the processes whose ends it wants to hear of, by number.
        cleanups: run at its end, before anybody hears of it, with its name released already.
    """

    __slots__ = (
        "_deferred",
        "_doom",
        "_idle_timer",
        "_observers",
        "_running",
        "_stop_reason",
        "_task",
        "_then",
        "_work",
        "cleanups",
        "expired",
        "handled",
        "monitors",
        "name",
        "number",
        "parent",
        "reason",
        "started",
    )

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
        Inbox.__init__(self, node, server, handlers, capacity)  # by its name, as `Ties` there
        self.name = name
        self.parent = parent
        self.number = next(node.numbers)
        self.started = node.clock.monotonic()
        self.reason: Reason | None = None
        self.handled = 0
        self.expired = 0
        self.monitors: dict[int, Process] | None = None
        self.cleanups: list[Callable[[], None]] | None = None
        self._task: asyncio.Task[None] | None = None
        self._running: Message | None = None
        self._then: list[Message] | None = None
        self._stop_reason: Reason | None = None
        self._doom: Reason | None = None
        self._deferred: dict[Deferred[object], None] | None = None
        self._observers: list[Observer] | None = None
        self._idle_timer: Timer | None = None
        self._work: CoroutineType[object, object, object] | None = None
        if name is not None:
            node.names.claim(name, self)
        node.processes[self] = None
        if parent is not None:
            self.link(parent)
        for option in node.debug:
            option(self)

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

    # --- messages in -----------------------------------------------------------------------------------------

    def administer(self, message: Message) -> None:
        """Handle a request of the runtime's own: at once if the process is suspended or idle, else in its order.

        It ends no wait for a message, and is not counted as one.
        """
        if self.state <= WATCHFUL and (self._suspended or not self.mailbox):
            self._obey(message)
        else:
            self.signal(message)

    def ask_to_stop(self, reason: Reason) -> None:
        """Make the process end in good order after what was sent to it before; at once if it is suspended."""
        message: Message = (STOP, (self, reason), NOTHING, None)
        if self._suspended:
            self.administer(message)
        else:
            self.signal(message)

    def may_drop(self, message: Message) -> bool:
        """Whether a message that waits may make room for another: signals and orders may not."""
        return message[0] not in (STOP, SYSTEM, self.handlers.signal)

    # --- turns -----------------------------------------------------------------------------------------------

    def take_turn(self) -> None:
        """Handle some of the messages that wait, or until an async handler suspends."""
        if self.state != QUEUED:
            return
        self.state = RUNNING
        self.node.inline_turns = INLINE_TURNS
        if self._idle_timer is not None:
            self._cancel_idle_timer()
        if self._observers is None:
            self._handle_messages()
        else:
            self._handle_observed()
        if self.state == RUNNING:
            if self.asked:
                self._rest()
            elif self.mailbox:
                self.wake()
            else:
                self.state = IDLE
                self.room = 0
        if self._suspended:
            self._obey_waiting()

    def _handle_messages(self) -> None:
        """The loop that every message goes through that isn't handled in its caller's turn."""
        server, mailbox, take = self.server, self.mailbox, self.mailbox.popleft
        waiting = len(mailbox)
        if waiting > TURN_MESSAGES:  # `min` would take as long as a message does
            waiting = TURN_MESSAGES
        taken = 0
        for taken in COUNTS[waiting]:
            message = handler, argument, keywords, reply = take()
            if keywords is None and handler.is_sync:  # nobody waits for an answer: most messages
                function = handler.function
                try:
                    function(server, argument)
                except Exception as error:  # noqa: BLE001 - whatever a handler raises ends its process, nothing else
                    self._running = message
                    self._failed(error)
            elif reply is None or not reply.done():
                self._perform(message)
            else:
                self.expired += 1  # the caller has given up
                self.handled -= 1  # it is counted below
            if self.asked:
                self._between_messages()
                if self.state != RUNNING or self.watchful or waiting - taken > len(mailbox):
                    break
        self.handled += taken

    def _handle_observed(self) -> None:
        """The same for a process that somebody looks at: one message a turn, told to the observers."""
        message = self.mailbox.popleft()
        if message[3] is not None and message[3].done():
            self.expired += 1
            return
        self.handled += 1
        if message[0] is not SYSTEM:
            self.observe("in", message)
        self._perform(message)
        self._between_messages()
        self.asked = True  # to be watchful again

    def _obey(self, message: Message) -> None:
        self.state = RUNNING
        self.handled += 1
        self._perform(message)
        self.settle()

    def _obey_waiting(self) -> None:
        """Handle the runtime's own requests that waited when the process was suspended; nothing else."""
        while self._suspended and self.state == WATCHFUL:
            order = next((message for message in self.mailbox if message[0] in (SYSTEM, STOP)), None)
            if order is None:
                return
            self.mailbox.remove(order)
            self._obey(order)

    @property
    def watchful(self) -> bool:
        """Whether something has to be done before the next message, besides handling it."""
        return self._suspended or self._idle_timer is not None or self._observers is not None

    def fail_inline(
        self, handler: Handler, arguments: tuple[object, ...], keywords: Mapping[str, object], error: Exception
    ) -> asyncio.Future[object]:
        """End the process because a handler raised that ran in its caller's turn.

        Returns what the caller has to wait for: it fails when the process has ended, which an async `terminate` delays.
        """
        reply: asyncio.Future[object] = self.node.loop.create_future()
        self._running = (handler, arguments, keywords, None)  # without: the caller is on the stack
        self.crash(error)
        if self.state == ENDED:
            reply.set_exception(self.down())
        else:
            self._running = (handler, arguments, keywords, reply)
        return reply

    def begin_task(self, message: Message) -> None:
        """Make the task of an async handler in its caller's turn, of which it is the next of the event loop's to run.

        Only for a process that is idle, so that nothing is ahead of the message.
        """
        self.node.inline_turns -= 1
        self.state = RUNNING
        self.handled += 1
        self._perform(message)
        self.settle()

    def settle(self) -> None:
        """End a turn that was run in a caller's turn: do what was asked for meanwhile, then rest."""
        if self.state == RUNNING:
            self._between_messages()
            if self.state == RUNNING:
                self._rest()

    def _rest(self) -> None:
        self.asked = False
        self.room = 0
        self.state = WATCHFUL if self.watchful else IDLE
        if self.mailbox:
            self.wake()

    def _between_messages(self) -> None:
        """Do what the last message asked for: stop, or continue before any message that waits."""
        while self.state == RUNNING:
            if self._doom is not None:
                self.end(self._doom)
                return
            if self._stop_reason is not None:
                self._terminate(self._stop_reason)
                return
            if self._then is None:
                return
            message = self._then.pop(0)
            self._then = self._then or None
            if self._observers is not None:
                self.observe("continue", message)
            self._perform(message)

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
        current.set(self)
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

    def _cancel_idle_timer(self) -> None:
        timer, self._idle_timer = self._idle_timer, None
        if timer is not None:
            timer.cancel()

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

    # --- links, monitors, exit signals -----------------------------------------------------------------------

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

    # --- the end ---------------------------------------------------------------------------------------------

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
        current.set(self)
        try:
            await termination
        except Exception as error:  # noqa: BLE001 - the process ends all the same
            report_crash(self.label, self.server, error, self._running)
            reason = error
        self._task = self._work = None
        self.end(reason)

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

    @property
    def suspended(self) -> bool:
        """Whether messages wait until it is resumed."""
        return self._suspended

    def suspend(self) -> None:
        """Handle no more messages after the present one, until `resume`."""
        self._suspended = self.asked = True
        if self.state <= QUEUED:
            self.state = WATCHFUL

    def resume(self) -> None:
        """Handle messages again."""
        self._suspended = False
        if self.state == WATCHFUL:
            self._rest()

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


def _close_unstarted(work: CoroutineType[object, object, object]) -> None:
    """Close a coroutine whose task was cancelled before it began, and those that it was given to await."""
    if inspect.getcoroutinestate(work) == inspect.CORO_CREATED and work.cr_frame is not None:
        given = [value for value in work.cr_frame.f_locals.values() if type(value) is CoroutineType]
        work.close()
        for inner in given:
            _close_unstarted(inner)


def _stop(_: Server, process: Process, reason: Reason) -> None:
    process.stop_after_handler(reason)


STOP: Final = Handler("stop", _stop)
"""The handler of requests to end in good order. Its arguments: the process, and the reason."""


def _administer(
    _: Server, process: Process, action: Callable[[Process], object], answer: asyncio.Future[object]
) -> None:
    process.handled -= 1
    try:
        outcome = action(process)
        if not answer.done():
            answer.set_result(outcome)
    except Exception as error:  # noqa: BLE001 - it is the asker's
        if not answer.done():
            answer.set_exception(error)
    finally:
        del answer  # the error's traceback refers to this frame


SYSTEM: Final = Handler("system", _administer)
"""The handler of requests by `introspect`. Its arguments: the process, what to do with it, and the answer."""
