"""The process of one instance of a process manager: it takes one step at a time, and dispatches what it yields.

An event is done when its step is stored and the commands of the instance are dispatched and that is stored too. If
the process dies in between, the event comes again. It is recognised by its place in the last step, and what is left
of its commands is dispatched again under the same identifiers, so that each has one effect. That a command had none is
stored in such a way that it never has one afterwards: another node may have dispatched it as well, at the same time.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

import msgspec

from headwater.cqrs.failure import Failure, Resolution, RetryIn
from headwater.cqrs.instance_commands import InstanceCommands, is_void
from headwater.cqrs.manager_log import InstanceLog
from headwater.cqrs.manager_step import Draft, Settled, StepBuilder, Trigger
from headwater.cqrs.outgoing import Outgoing
from headwater.cqrs.process_manager import ProcessManager
from headwater.cqrs.reaction import IGNORED, Reaction
from headwater.cqrs.surroundings import Surroundings
from headwater.cqrs.timer_events import TimerFired
from headwater.errors import DefinitionError, LetterNotReplayable, Rejected, StoreError
from headwater.runtime.exits import Shutdown
from headwater.runtime.genserver import GenServer
from headwater.sourcing.messages import Command, Event
from headwater.store.model import Recorded
from headwater.store.query import EventQuery

PASSIVATED: Final = Shutdown("passivated")
"""Why an idle instance's process ends."""

_REST_OVER: Final = "rest over"
_log: Final = logging.getLogger("headwater.cqrs")


class ManagerInstance(GenServer):
    """Takes the steps of one instance."""

    restart = "temporary"
    shutdown = 10.0
    trap_exit = True  # so that it finishes what it is doing

    def init(
        self,
        kind: type[ProcessManager],
        id: str,  # noqa: A002 - the field's term
        surroundings: Surroundings,
        done: Callable[[str, Recorded], None],
    ) -> None:
        """Wait for events. What is stored is read when the first one comes.

        Args:
            kind: the class of the process manager.
            id: which instance.
            surroundings: what it works with.
            done: called for each event that is done.
        """
        self.process_label = f"{kind.category} {id}"
        self._kind = kind
        self._id = id
        self._surroundings = surroundings
        self._done = done
        self._log = InstanceLog(kind, id, surroundings)
        self._commands = InstanceCommands(kind, id, surroundings, self._log)
        self._queue: deque[Recorded] = deque()
        self._loaded = False
        self._woken = False
        self._resting = False
        self._leaving = False
        self._attempts = 0
        self._outages = 0

    def take(self, recorded: Recorded) -> None:
        """Handle an event, after those before it."""
        self._queue.append(recorded)
        self._go_on()

    async def work(self) -> None:
        """Do the next thing that is to be done."""
        self._woken = False
        try:
            await self._work()
        except (StoreError, msgspec.DecodeError) as error:
            self._rest_after_outage(error)
        else:
            self._outages = 0
        self._go_on()

    async def resume(self, query: EventQuery) -> bool:
        """Handle events again, beginning with the one that has stopped it. False if nothing has.

        Args:
            query: the events of the process manager.
        """
        await self._load()
        if self._log.last.failure is None:
            return False
        missed = await self._missed(query)
        pending = self._log.last.pending
        await self._log.append(self._log.next().changed(None, "resumed", pending=pending))
        self._attempts = 0
        self._queue.extendleft(reversed(missed))
        self._go_on()
        return True

    async def replay(self, outgoing: Outgoing) -> Exception | None:
        """Dispatch a command again that was given up, and take the step upon how it ends, unless it was taken before.

        Returns:
            What has come in between: `LetterNotReplayable` if a failure has stopped the instance; `Rejected` if the
            command was rejected and the instance has no method for that; why it has failed again, or why the step
            could not be taken or stored.
        """
        try:
            await self._replay(outgoing)
        except Exception as error:  # noqa: BLE001 - for the caller; the instance is as it was
            return error
        return None

    def leave(self) -> None:
        """End when there is nothing left to do."""
        self._leaving = True
        self._go_on()

    def handle_info(self, message: object) -> None:
        """Go on after a rest."""
        if message == _REST_OVER:
            self._resting = False
            self._go_on()

    # --- replaying -------------------------------------------------------------------------------------------

    async def _replay(self, outgoing: Outgoing) -> None:
        await self._load()
        if self._log.last.failure is not None:
            raise LetterNotReplayable(f"instance {self._id!r} of {self._kind.category!r} has stopped: resume it first")
        if await self._log.has_answered(outgoing.id):
            return
        command = self._commands.decode(outgoing)
        answer = await self._commands.dispatch(outgoing, command)
        try:
            draft = self._commands.answered(outgoing, command, answer, self._log.last.pending, [])
        except Exception:
            self._log.roll_back()
            raise
        if draft is not None:
            await self._store_replayed(draft, outgoing.id if is_void(answer) else None)
        elif isinstance(answer, Rejected):
            raise answer

    async def _store_replayed(self, draft: Draft, void: UUID | None) -> None:
        try:
            await self._store(draft, void)
        except StoreError as error:
            self._rest_after_outage(error)
            raise
        self._go_on()

    # --- one thing at a time ---------------------------------------------------------------------------------

    def _go_on(self) -> None:
        if self._woken or self._resting:
            return
        if self._queue or self._has_pending or self._outages:
            self._woken = True
            self.pid.cast(ManagerInstance.work)
        elif self._leaving:
            self.stop(PASSIVATED)

    @property
    def _has_pending(self) -> bool:
        return self._loaded and self._log.last.failure is None and bool(self._log.last.pending)

    async def _work(self) -> None:
        await self._load()
        if self._has_pending:
            await self._dispatch_pending()
        elif self._queue:
            recorded = self._queue[0]
            known = self._log.last.failure is not None or self._log.last.has_handled(recorded)
            if known or await self._handle(recorded):
                self._queue.popleft()
                self._done(self._id, recorded)

    async def _load(self) -> None:
        if not self._loaded:
            await self._log.load()
            self._loaded = True

    def _rest(self, seconds: float) -> None:
        self._resting = True
        self.send_after(seconds, _REST_OVER)

    def _rest_after_outage(self, error: Exception) -> None:
        """What is stored can't be read or written, or somebody else has written it: read it again, after a while."""
        self._loaded = False
        delay = self._kind.backoff.delay(self._outages, self._surroundings.rng.random())
        self._outages += 1
        _log.warning("%s goes on in %.1f s: %s", self.pid.label, delay, error)
        self._rest(delay)

    async def _missed(self, query: EventQuery) -> list[Recorded]:
        """The events that came while the instance was stopped, the one that has stopped it first."""
        last = self._log.last
        after = max(0, last.source - 1)  # of the event there, upcasters may have made more than was handled
        async with self._surroundings.store.read_all(after, query=query) as events:
            return [
                recorded
                async for recorded in events
                if not last.has_handled(recorded) and self._id in self._kind.instances(recorded)
            ]

    # --- events ----------------------------------------------------------------------------------------------

    async def _handle(self, recorded: Recorded) -> bool:
        """Take the step that an event asks for. Returns whether the event is done, since nothing came of it."""
        try:
            draft = self._draft(recorded)
        except Exception as error:  # noqa: BLE001 - whatever it is, the policy decides
            self._log.roll_back()
            await self._event_failed(recorded, error)
            return False
        if draft is None:
            return True
        await self._store(draft)
        return False

    def _draft(self, recorded: Recorded) -> Draft | None:
        trigger = Trigger.event(recorded)
        event, builder, kind = recorded.event, self._log.next(), "event"
        if isinstance(event, TimerFired):
            reaction, builder = self._expire(event, builder)
            kind = "timer"
        elif isinstance(event, Event):
            reaction = self._log.manager.react(event, recorded)
        else:
            raise DefinitionError(f"{recorded.type} is no Event")
        if reaction.ignored:
            return None
        return builder.reacted(self._log.manager, reaction, trigger, kind, source=recorded)

    def _expire(self, event: TimerFired, builder: StepBuilder) -> tuple[Reaction, StepBuilder]:
        """A timer has run out; one that was cancelled or replaced at the last moment is ignored."""
        for timer in self._log.last.timers:
            if timer.id == event.id:
                return self._log.manager.react_to_timer(timer.name), builder.expired(timer)
        return IGNORED, builder

    async def _event_failed(self, recorded: Recorded, error: Exception) -> None:
        failure = self._failure(error, recorded, None)
        resolution = await self._resolve(failure)
        builder, trigger = self._log.next(), Trigger.event(recorded)
        if isinstance(resolution, RetryIn):
            self._rest(resolution.seconds)
        elif resolution is Resolution.STOP:
            await self._store(builder.changed(trigger, "stopped", failure=str(failure)))
        else:
            await self._store(builder.changed(trigger, "skipped", source=recorded))

    # --- commands --------------------------------------------------------------------------------------------

    async def _dispatch_pending(self) -> None:
        """Dispatch the commands that wait, up to one whose end asks for another step, or that fails."""
        left, settled = deque(self._log.last.pending), list[Settled]()
        while left:
            outgoing = left[0]
            command: Command | None = None
            try:
                command = self._commands.decode(outgoing)
                answer = await self._commands.dispatch(outgoing, command)
                left.popleft()
                draft = self._commands.answered(outgoing, command, answer, tuple(left), settled)
                if draft is None and is_void(answer):
                    draft = self._settled(outgoing, tuple(left), settled)
            except Exception as error:  # noqa: BLE001 - whatever it is, the policy decides
                await self._command_failed(outgoing, command, error, settled)
                return
            if draft is not None:
                await self._store(draft, outgoing.id if is_void(answer) else None)
                return
        await self._store(self._settled(self._log.last.pending[-1], (), settled))

    def _settled(self, outgoing: Outgoing, left: Sequence[Outgoing], settled: list[Settled]) -> Draft:
        return self._log.next().changed(Trigger.command(outgoing), "settled", pending=left, settled=settled)

    async def _command_failed(
        self, outgoing: Outgoing, command: Command | None, error: Exception, settled: list[Settled]
    ) -> None:
        self._log.roll_back()
        failure = self._failure(error, None, command, outgoing)
        resolution = await self._resolve(failure)
        before = [one for one in settled if one.id != outgoing.id]
        skipped = [*before, Settled(outgoing.id, str(failure))]
        left = self._log.last.pending[len(before) :]
        builder, trigger = self._log.next(), Trigger.command(outgoing)
        if isinstance(resolution, RetryIn):
            if before:
                await self._log.append(builder.changed(trigger, "settled", pending=left, settled=before))
            self._rest(resolution.seconds)
        elif resolution is Resolution.STOP:
            draft = builder.changed(trigger, "stopped", pending=left, settled=before, failure=str(failure))
            await self._store(draft)
        else:
            rest = () if resolution is Resolution.SKIP_ALL else left[1:]
            await self._store(builder.changed(trigger, "skipped", pending=rest, settled=skipped))

    # --- both ------------------------------------------------------------------------------------------------

    async def _store(self, draft: Draft, void: UUID | None = None) -> None:
        await self._log.append(draft, void)
        self._attempts = 0

    def _failure(
        self, error: Exception, recorded: Recorded | None, command: Command | None, outgoing: Outgoing | None = None
    ) -> Failure:
        delay = self._kind.backoff.delay(self._attempts, self._surroundings.rng.random())
        self._attempts += 1
        return Failure(self._kind.category, self._id, recorded, command, error, self._attempts, delay, outgoing)

    async def _resolve(self, failure: Failure) -> Resolution | RetryIn:
        """What is to be done; never PARK."""
        try:
            resolution = self._log.manager.failed(failure)
        except Exception:  # noqa: BLE001 - a bug in the application's code ends nothing
            _log.exception("%s.failed raised; the failure is parked", self._kind.__qualname__)
            resolution = Resolution.PARK
        if resolution is not Resolution.PARK:
            return resolution
        return Resolution.SKIP if await self._surroundings.parking.park(failure) else Resolution.STOP
