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
from typing import Final, Protocol, TypeAlias, cast

from headwater.clock import Timer
from headwater.errors import DeadlineExceeded, MailboxFull, ProcessDown, Rejected, StartFailed, StartIgnored
from headwater.runtime.crash import report_crash
from headwater.runtime.exits import Exit, Reason, describe, is_abnormal
from headwater.runtime.handlers import Handler, HandlerTable
from headwater.runtime.life import begin_life, end_life
from headwater.runtime.mailbox import Mailbox
from headwater.runtime.message import NOTHING, Message
from headwater.runtime.node import INLINE_TURNS, TURN_MESSAGES, Node
from headwater.runtime.reply import Deferred
from headwater.runtime.ties import Ties

_log: Final = logging.getLogger("headwater.runtime")

current: contextvars.ContextVar[Process | None] = contextvars.ContextVar("headwater.process", default=None)
"""The process whose async handler is running, if any."""

Observer: TypeAlias = Callable[[str, object], None]
"""Told of what a process does: the kind of event, and what it is about. See `introspect`."""

# States. Plain numbers: they are compared with each message.
IDLE: Final = 0
WATCHFUL: Final = 1
QUEUED: Final = 2
RUNNING: Final = 3
AWAITING: Final = 4
ENDED: Final = 5
STATES: Final = ("idle", "idle", "queued", "running", "awaiting", "ended")


class Server(Protocol):
    """The user's side of a process, as the machinery sees it."""

    trap_exit: bool

    def handle_info(self, message: object) -> object:
        """Handle a plain message."""

    def exit_message(self, sender: Ties | None, reason: Reason) -> object:
        """What an exit signal is as a message."""

    def terminate(self, reason: Reason) -> object:
        """Clean up before the end."""

    def format_crash(self, report: Mapping[str, object]) -> Mapping[str, object]:
        """Take out of a crash report what must not be logged."""


class Process(Ties):
    """One process. Applications hold a `Pid`, never this.

    Args:
        node: its surroundings.
        server: the user's object.
        handlers: the server's public methods.
        mailbox: its queue.
        name: its name, or None.
        parent: the process that started it and is linked to it, or None.

    Attributes:
        asked: whether something has to be done when the present handler returns, besides resting.
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
        "_suspended",
        "_task",
        "_then",
        "_work",
        "asked",
        "cleanups",
        "expired",
        "handled",
        "handlers",
        "mailbox",
        "monitors",
        "name",
        "number",
        "parent",
        "reason",
        "server",
        "started",
        "state",
    )

    def __init__(
        self,
        node: Node,
        server: Server,
        handlers: HandlerTable,
        mailbox: Mailbox[Message],
        *,
        name: str | None,
        parent: Process | None,
    ) -> None:
        super().__init__(node)
        self.server = server
        self.handlers = handlers
        self.mailbox = mailbox
        self.name = name
        self.parent = parent
        self.number = node.next_number()
        self.started = node.clock.monotonic()
        self.state: int = AWAITING  # until init has finished, messages wait
        self.reason: Reason | None = None
        self.asked = False
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
        self._suspended = False
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

    async def start(self, init: Callable[[], object], timeout: float | None) -> None:
        """Run `init`; messages that come meanwhile wait for it.

        Raises:
            StartFailed: `init` raised, took too long, or the process was ended meanwhile. It is gone, its name free.
            StartIgnored: `init` raised it. The process is gone, without having failed.
        """
        if self.node.telemetry.listening:
            begin_life(self.node.telemetry, self.label, type(self.server).__qualname__)
        self.state = RUNNING
        try:
            outcome = init()
            if type(outcome) is CoroutineType:
                await self._await_init(outcome, timeout)
            if self.state == ENDED:
                raise self.down()
        except StartIgnored:
            self.end(Exit.NORMAL)
            raise
        except Exception as error:
            self.end(error)
            raise StartFailed(f"{self.label} could not start: {describe(error)}") from error
        except BaseException:
            self.end(Exit.KILLED)
            raise
        self.state = RUNNING
        self._between_messages()
        if self.state == RUNNING:
            self._rest()

    async def _await_init(self, init: Coroutine[object, object, object], timeout: float | None) -> None:
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

    def post(self, message: Message) -> None:
        """Queue a cast or a sent message. Dropped if the process has ended; counted if the mailbox is full."""
        if self.state == ENDED:
            return
        mailbox = self.mailbox
        if len(mailbox) < mailbox.capacity:
            mailbox.append(message)
        else:
            self._overflow(message)
        if self.state <= WATCHFUL:
            self.wake()

    def request(self, message: Message) -> None:
        """Queue a call.

        Raises:
            ProcessDown: the process has ended.
            MailboxFull: too many messages wait already, and the policy is `reject`.
        """
        if self.state == ENDED:
            raise self.down()
        mailbox = self.mailbox
        if len(mailbox) >= mailbox.capacity and mailbox.overflow == "reject":
            mailbox.dropped += 1
            raise self._full()
        self.post(message)

    def signal(self, message: Message) -> None:
        """Queue a message that must arrive. Dropped if the process has ended."""
        if self.state != ENDED:
            self.mailbox.append(message)
            if self.state <= WATCHFUL:
                self.wake()

    def inform(self, content: object) -> None:
        """Queue a plain message that must arrive."""
        self.signal((self.handlers.signal, (content,), NOTHING, None))

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

    def forget(self, unwanted: Callable[[object], bool]) -> None:
        """Take plain messages out of the mailbox unhandled."""
        plain = (self.handlers.info, self.handlers.signal)
        for message in [waiting for waiting in self.mailbox if waiting[0] in plain and unwanted(waiting[1][0])]:
            self.mailbox.remove(message)

    def wake(self) -> None:
        """Get a turn, unless the process is suspended. Only for one that is idle or watchful."""
        if not self._suspended:
            self.state = QUEUED
            self.node.run_queue.add(self)

    def _overflow(self, message: Message) -> None:
        dropped = self.mailbox.offer(message, self._may_drop)
        if dropped is not None and dropped is not message and dropped[3] is not None and not dropped[3].done():
            dropped[3].set_exception(self._full())

    def _may_drop(self, message: Message) -> bool:
        return message[0] not in (STOP, SYSTEM, self.handlers.signal)

    def _full(self) -> MailboxFull:
        return MailboxFull(f"the mailbox of {self.label} is full: {self.mailbox.capacity} messages wait")

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
            self._rest()
        if self._suspended:
            self._obey_waiting()

    def _handle_messages(self) -> None:
        """The loop that every message goes through that isn't handled in its caller's turn."""
        server, take = self.server, self.mailbox.popleft
        waiting = min(len(self.mailbox), TURN_MESSAGES)
        left = waiting
        while left:
            left -= 1
            message = handler, arguments, keywords, reply = take()
            if reply is not None and reply.done():
                self.expired += 1  # the caller has given up
                self.handled -= 1  # it is counted below
                continue
            try:
                if len(arguments) == 1 and not keywords:  # the most frequent case, and twice as fast
                    outcome = handler.function(server, arguments[0])
                else:
                    outcome = handler.function(server, *arguments, **keywords)
            except Exception as error:  # noqa: BLE001 - whatever a handler raises ends its process, nothing else
                self._running = message
                self._failed(error)
            else:
                if reply is not None or not handler.is_sync:
                    self._running = message
                    self._returned(outcome)
            if self.asked:
                self._between_messages()
                if self.state != RUNNING or self.watchful:
                    break
        self.handled += waiting - left

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

    def settle(self) -> None:
        """End a turn that was run in a caller's turn: do what was asked for meanwhile, then rest."""
        if self.state == RUNNING:
            self._between_messages()
            if self.state == RUNNING:
                self._rest()

    def _rest(self) -> None:
        self.asked = False
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
        handler, arguments, keywords, _ = self._running = message
        try:
            outcome = handler.function(self.server, *arguments, **keywords)
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
        if message is None or reply is None:
            if message is not None and self._observers is not None:
                self.observe("noreply", message)
            return
        if type(outcome) is Deferred:
            outcome.attach(reply)
        elif not reply.done():
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
        deferred: Deferred[object] = Deferred(self._deferred.pop)
        self._deferred[deferred] = None
        return deferred

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
        self.mailbox.capacity = 0  # so that whoever sends finds no room, and then finds out why
        self.reason = reason
        self._release()
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
        self._cancel_idle_timer()
        task, self._task = self._task, None
        if task is not None:
            self.node.detach(task, self.label)
        work, self._work = self._work, None
        if work is not None:
            _close_unstarted(work)
        monitors, self.monitors = self.monitors, None
        for number, target in (monitors or {}).items():
            target.unwatch(number)
        cleanups, self.cleanups = self.cleanups, None
        for cleanup in cleanups or ():
            cleanup()

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
