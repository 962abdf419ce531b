"""The process of one event handler: runs its pipeline, and knows how far it has come."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Final, Literal

import msgspec

from headwater.cqrs.dead_letter import described
from headwater.cqrs.dead_letter_box import DeadLetterBox
from headwater.cqrs.event_handler import Dispatching, EventHandler
from headwater.cqrs.follower import FollowerProcess
from headwater.cqrs.handler_instance import HandlerDefinition, finish, made, run_hook
from headwater.cqrs.handler_pipeline import HandlerCounts, HandlerPipeline
from headwater.cqrs.waiting import Waiting
from headwater.errors import HandlerStopped, PipelineDown, ProcessError, StageError, StoreError, SubscriptionError
from headwater.pipeline.supervision import PipelineSupervisor
from headwater.runtime.backoff import Backoff
from headwater.runtime.down import Exited
from headwater.runtime.exits import Reason, describe
from headwater.runtime.pid import Pid
from headwater.runtime.reply import Deferred
from headwater.store.model import Recorded
from headwater.store.page import Selection
from headwater.store.store import EventStore
from headwater.store.subscription import EventSubscription
from headwater.store.subscription_source import SubscriptionSource
from headwater.types import Position

HandlerState = Literal["starting", "standing by", "running", "backing off", "stopped", "paused"]
"""`starting`: its `init` is under way. `standing by`: another process has it, or it is being taken over. `running`: it
handles events. `backing off`: it could not start, or its pipeline has ended; it is started again later. `stopped`: it
asked for that, and waits to be resumed. `paused`: the application doesn't run it."""

BACKOFF: Final = Backoff(0.5, 60.0)
"""How long a handler waits that could not start, or whose pipeline has ended."""

POLL: Final = 0.25
"""Seconds between two looks at the checkpoint of a handler that another process has, while somebody waits for it."""

Opening = asyncio.Task[None] | None
"""Which opening of the handler it was, of those that were begun."""

_BEGIN: Final = "begin"
_POLL: Final = "poll"
_log: Final = logging.getLogger("headwater.cqrs")


class HandlerStatus(msgspec.Struct, frozen=True):
    """How a handler is doing, as its process here knows it.

    Attributes:
        handler: its name.
        state: what it is doing.
        position: everything up to there is handled, skipped or parked; for a handler of one stream, a version of it.
        lag: how many places of the log, or of the stream, lie behind it; also those of events that it isn't for.
        under_way: how many events its methods have now.
        waiting: how many events wait to be tried again.
        handled: how many events its methods have returned from since the application was entered …
        retried: … how often one was tried again …
        skipped: … how many were skipped …
        parked: … and how many became dead letters.
        failure: why it has stopped, or backs off; None otherwise.
    """

    handler: str
    state: HandlerState
    position: int
    lag: int
    under_way: int
    waiting: int
    handled: int
    retried: int
    skipped: int
    parked: int
    failure: str | None


class HandlerProcess(FollowerProcess):
    """Runs one handler. Whatever becomes of the handler, this process lives on and can say so."""

    trap_exit = True  # so that `terminate` drains, and the end of the pipeline is a message

    def init(
        self, store: EventStore, definition: HandlerDefinition, box: DeadLetterBox, application: Dispatching, run: bool
    ) -> None:
        """Begin to run the handler, if it shall run."""
        self._store = store
        self._definition = definition
        self._box = box
        self._application = application
        self._name = definition.handler
        self._stream = definition.stream
        self._source = SubscriptionSource(
            store,
            definition.subscription(),
            stream=definition.stream,
            query=definition.query,
            start_from=definition.start_from,
            max_unacknowledged=definition.max_unacknowledged,
            lease=definition.lease,
            undecodable="keep",
            entered=lambda subscription: self.pid.cast(HandlerProcess.entered, subscription),
        )
        self._counts = HandlerCounts()
        self._state: HandlerState = "paused"
        self._failure: str | None = None
        self._failures = 0
        self._floor = 0
        self._told = False
        self._polling = False
        self._handler: EventHandler | None = None
        self._pipeline: HandlerPipeline | None = None
        self._top: Pid[PipelineSupervisor] | None = None
        self._opening: asyncio.Task[None] | None = None
        self._subscription: EventSubscription[Recorded] | None = None
        self._waiting = Waiting(f"handler {self._name!r}")
        if run:
            self.resume()

    # --- what others call ------------------------------------------------------------------------------------

    def resume(self) -> None:
        """Run the handler, unless it runs."""
        if self._top is None and self._opening is None:
            self._state, self._failure = "starting", None
            self._opening = self._cell.node.loop.create_task(self._open())

    async def pause(self) -> bool:
        """Finish what is under way, within the handler's `shutdown`, and run no longer. Returns whether it ran."""
        ran = self._state != "paused" and self._state != "stopped"
        await self._drain()
        if ran:
            self._state = "paused"
        return ran

    def reached(self, position: int) -> Deferred[Position]:
        """Answered as soon as everything up to `position` is handled, skipped or parked."""
        deferred = self.defer(Position)
        if self._stream is None:
            self._wait(position, Position(position), deferred)
        else:
            self.pid.cast(HandlerProcess.find_place, self._stream, Position(position), deferred)
        return deferred

    async def find_place(self, stream: str, position: Position, deferred: Deferred[Position]) -> None:
        """For a handler of one stream: somebody waits for the last version that the stream has up to a position."""
        try:
            page = await self._store.page(Selection(stream, backwards=True, until=position), 1)
        except StoreError as error:
            deferred.fail(error)
        else:
            self._wait(page.events[0].version if page.events else 0, position, deferred)

    def _wait(self, place: int, position: Position, deferred: Deferred[Position]) -> None:
        if self._floor >= place:
            deferred.reply(position)
        elif self._state == "stopped":
            deferred.fail(HandlerStopped(self._name, self._failure or "it was asked to"))
        else:
            self._waiting.add(place, position, deferred)
            self._poll_later()

    def status(self) -> HandlerStatus:
        """How it is doing. Its lag is left to whoever knows the head of the log."""
        counts = self._counts
        self._look()
        return HandlerStatus(
            self._name,
            self._state,
            self._floor,
            0,
            counts.under_way,
            len(counts.contexts),
            counts.handled,
            counts.retried,
            counts.skipped,
            counts.parked,
            self._failure,
        )

    def instance(self) -> EventHandler | None:
        """The object that handles events now, if there is one."""
        return self._handler

    def moved(self, place: int) -> None:
        """Its subscription was set to another place, forwards or back."""
        self._floor = place
        self._waiting.reached(place)

    # --- what happens to it ----------------------------------------------------------------------------------

    async def opened(self, opening: Opening, handler: EventHandler) -> None:
        """Its `init` has returned: run its pipeline, unless it was paused meanwhile."""
        if opening is not self._opening:
            await finish(handler)
            return
        self._opening = None
        self._handler = handler
        self._state = "standing by"
        telemetry = self._cell.node.telemetry
        try:
            self._pipeline = HandlerPipeline(
                handler, self._source, self._box, self._counts, telemetry, self._ask_to_halt
            )
            self._top = Pid(await self._pipeline.child().spawn(self._cell))
        except (ProcessError, StageError) as error:  # one before it has not ended yet, or its options make no sense
            await self.failed(error)

    async def not_opened(self, opening: Opening, error: Exception) -> None:
        """It can't be made, or its `init` has raised."""
        if opening is self._opening:
            await self.failed(error)

    def entered(self, subscription: EventSubscription[Recorded]) -> None:
        """It has become the one who consumes its subscription."""
        try:
            self._floor = subscription.floor
            subscription.watch_floor(self._risen)
        except SubscriptionError:
            return  # it was lost again at once; the source is opened anew
        self._subscription = subscription
        if self._top is not None:
            self._state, self._failure = "running", None
        self._waiting.reached(self._floor)

    def progressed(self) -> None:
        """More is done."""
        self._told = False
        if self._look():
            self._failures = 0
            self._waiting.reached(self._floor)

    async def failed(self, error: BaseException) -> None:
        """It could not start, or its pipeline has ended: try again later."""
        self._opening = None
        await self._let_go()
        self._state, self._failure = "backing off", described(error)
        delay = BACKOFF.delay(self._failures, self._cell.node.rng.random())
        self._failures += 1
        _log.error("handler %r failed and is started again in %.1f s: %s", self._name, delay, self._failure)
        self.send_after(delay, _BEGIN)

    async def halted(self, error: Exception) -> None:
        """It has asked to stop."""
        if self._state == "stopped":
            return
        _log.error("handler %r has stopped: %s", self._name, described(error))
        self._state, self._failure = "stopped", described(error)
        if self._pipeline is not None:
            self._pipeline.abandon()
        await self._drain()
        self._waiting.fail(HandlerStopped(self._name, self._failure))

    async def handle_info(self, message: object) -> None:
        """The end of its pipeline, of a back-off, or of the wait between two looks at the checkpoint."""
        if isinstance(message, Exited):
            if self._top is not None and message.pid == self._top:
                self._top = None
                await self.failed(_as_error(message.reason))
        elif message is _BEGIN:
            if self._state == "backing off":
                self.resume()
        elif message is _POLL:
            await self._poll()
        else:
            super().handle_info(message)

    async def terminate(self, reason: Reason) -> None:
        """Finish what is under way."""
        await self._drain()
        self._waiting.fail(HandlerStopped(self._name, "the application ends"))

    # --- inside ----------------------------------------------------------------------------------------------

    def _look(self) -> bool:
        """Look how far it has come. False if it has no subscription now, or has lost it."""
        if self._subscription is None:
            return False
        try:
            self._floor = self._subscription.floor
        except SubscriptionError:
            self._subscription = None
            if self._state == "running":
                self._state = "standing by"
            return False
        return True

    async def _open(self) -> None:
        opening = asyncio.current_task()
        try:
            handler = made(self._definition, self._application)
            await run_hook(handler.init)
        except Exception as error:  # noqa: BLE001 - whatever the application raised
            self.pid.cast(HandlerProcess.not_opened, opening, error)
        else:
            self.pid.cast(HandlerProcess.opened, opening, handler)

    async def _drain(self) -> None:
        if self._opening is not None:
            self._cell.node.detach(self._opening, self._cell.label)
            self._opening = None
        top, self._top = self._top, None
        if top is not None and top.alive and self._pipeline is not None:
            self._pipeline.finish()
            with suppress(PipelineDown):
                await self._pipeline.stop()
            self.progressed()  # what was acknowledged while this process waited for it
        await self._let_go()

    async def _let_go(self) -> None:
        """The pipeline has ended."""
        self._pipeline = self._subscription = None
        self._counts.contexts.clear()
        self._counts.under_way = 0
        handler, self._handler = self._handler, None
        if handler is not None:
            await finish(handler)

    def _ask_to_halt(self, error: Exception) -> None:
        self.pid.cast(HandlerProcess.halted, error)

    def _risen(self) -> None:
        if not self._told:
            self._told = True
            self.pid.cast(HandlerProcess.progressed)

    def _poll_later(self) -> None:
        if not self._polling:
            self._polling = True
            self.send_after(POLL, _POLL)

    async def _poll(self) -> None:
        """While another process has the handler, its checkpoint tells how far it has come."""
        self._polling = False
        if not self._waiting:
            return
        if self._subscription is None:
            try:
                info = await self._store.subscription_info(f"handler {self._name}")
            except StoreError:
                info = None
            if info is not None:
                self._floor = info.checkpoint
                self._waiting.reached(self._floor)
        self._poll_later()


def _as_error(reason: Reason) -> BaseException:
    return reason if isinstance(reason, BaseException) else RuntimeError(f"its pipeline has ended: {describe(reason)}")
