"""One step of a process manager's instance, as it lies in the log. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from uuid import UUID

import msgspec

from headwater.clock import microseconds
from headwater.cqrs.command_codec import CommandCodec
from headwater.cqrs.command_ids import derived_id
from headwater.cqrs.due import microseconds_of
from headwater.cqrs.outgoing import Outgoing
from headwater.cqrs.process_manager import ProcessManager
from headwater.cqrs.reaction import Reaction, TimerSet
from headwater.cqrs.timer_events import TimerCancelled, TimerScheduled, timer_stream
from headwater.errors import DefinitionError
from headwater.sourcing.messages import Event
from headwater.store.appending import StreamAppend
from headwater.store.model import Recorded

MAX_PENDING: Final = 10_000
"""How many commands of one instance may wait to be dispatched."""


class Settled(msgspec.Struct, frozen=True):
    """A command that needs to be dispatched no more.

    Attributes:
        id: the command's identifier.
        error: why it had no effect; None if it had.
    """

    id: UUID
    error: str | None = None


class RunningTimer(msgspec.Struct, frozen=True):
    """A timer of an instance.

    Attributes:
        name: what the instance calls it.
        id: which timer it is.
    """

    name: str
    id: UUID


class StepTaken(Event, name="headwater.step"):
    """An instance of a process manager has taken a step. The last one of a stream tells all that there is to know.

    Attributes:
        manager: the process manager's name.
        instance: which instance.
        kind: what the step was taken upon: `new`, `event`, `timer`, `accepted`, `rejected`, `settled`, `skipped`,
            `stopped` after a failure, or `resumed`.
        source: the position of the last event that it has handled. All events up to there are done.
        running: whether the instance has started and not stopped.
        state: its attributes.
        pending: the commands that are to be dispatched, in this order.
        timers: its timers that run.
        settled: the commands that are dispatched since the last step.
        failure: what has stopped it; None unless it waits to be resumed.
        part: which of the events that upcasters make of the one at `source` is the last that it has handled.
    """

    manager: str
    instance: str
    kind: str
    source: int
    running: bool
    state: msgspec.Raw
    pending: tuple[Outgoing, ...] = ()
    timers: tuple[RunningTimer, ...] = ()
    settled: tuple[Settled, ...] = ()
    failure: str | None = None
    part: int = 0

    def has_handled(self, recorded: Recorded) -> bool:
        """Whether an event lies before the last one that was handled, or is that one."""
        return (recorded.position, recorded.index) <= (self.source, self.part)


class Trigger(msgspec.Struct, frozen=True):
    """What a step is taken upon.

    Attributes:
        id: the identifier of the event, or of the command.
        because: the event; for a command, the one that led to it.
        correlation: shared by everything that one outside cause led to.
        part: which of the events that upcasters have made of one; they have the same identifier.
    """

    id: UUID
    because: UUID
    correlation: UUID
    part: int = 0

    @classmethod
    def event(cls, recorded: Recorded) -> Trigger:
        """A step upon an event."""
        return cls(recorded.id, recorded.id, recorded.correlation or recorded.id, recorded.index)

    @classmethod
    def command(cls, outgoing: Outgoing) -> Trigger:
        """A step upon how a command ended."""
        return cls(outgoing.id, outgoing.because, outgoing.correlation)


class Draft(msgspec.Struct, frozen=True):
    """A step that is to be stored, and what is stored with it.

    Attributes:
        step: the step.
        trigger: what it is taken upon; None if somebody has asked for it.
        timers: what to append to the streams of timers.
    """

    step: StepTaken
    trigger: Trigger | None
    timers: tuple[StreamAppend, ...] = ()


def first_step(manager: ProcessManager) -> StepTaken:
    """What is known of an instance that has taken no step yet."""
    return StepTaken(manager.category, manager.id, "new", 0, False, msgspec.Raw(b"{}"))


def restored(kind: type[ProcessManager], id: str, step: StepTaken) -> ProcessManager:  # noqa: A002 - the field's term
    """The instance as a step has left it.

    Raises:
        msgspec.DecodeError: its state doesn't fit the class any more.
    """
    manager = kind(id)
    if step.kind != "new":
        manager.load_state(memoryview(step.state))
    manager.running = step.running
    return manager


class StepBuilder:
    """Makes the next step out of the last one.

    Args:
        last: the last step.
        commands: encodes commands.
        now: the time, in microseconds since 1970-01-01 UTC.
    """

    def __init__(self, last: StepTaken, commands: CommandCodec, now: int) -> None:
        self._last: Final = last
        self._commands: Final = commands
        self._now: Final = now

    def reacted(
        self,
        manager: ProcessManager,
        reaction: Reaction,
        trigger: Trigger,
        kind: str,
        *,
        source: Recorded | None = None,
        pending: Sequence[Outgoing] = (),
        settled: Iterable[Settled] = (),
    ) -> Draft:
        """The step in which an instance has reacted to something.

        Args:
            manager: the instance as the reaction has left it.
            reaction: what it wants to happen.
            trigger: what it reacts to.
            kind: see `StepTaken`.
            source: the event that is handled with this; the last one stays what it was if not given.
            pending: the commands of earlier steps that aren't dispatched yet.
            settled: those that are.

        Raises:
            UnknownCommand, CodecError: a command can't be stored.
            DefinitionError: the state can't be stored, or too many commands wait.
        """
        kept = () if reaction.discarded else tuple(pending)
        outgoing = (*kept, *self._outgoing(reaction, trigger))
        if len(outgoing) > MAX_PENDING:
            raise DefinitionError(f"{len(outgoing):,} commands of {self._stream!r} wait; {MAX_PENDING:,} may")
        set_now = {timer.name: timer for timer in reaction.timers}
        ended = self._ended(reaction, set_now)
        timers = tuple(timer for timer in self._last.timers if timer not in ended)
        started = tuple(RunningTimer(name, self._timer_id(trigger, name)) for name in set_now)
        step = StepTaken(
            manager=self._last.manager,
            instance=self._last.instance,
            kind=kind,
            source=self._last.source if source is None else int(source.position),
            part=self._last.part if source is None else source.index,
            running=manager.running,
            state=msgspec.Raw(manager.dump_state()),
            pending=outgoing,
            timers=(*timers, *started),
            settled=tuple(settled),
        )
        return Draft(step, trigger, (*self._cancellations(ended), *self._schedules(started, set_now)))

    def changed(
        self,
        trigger: Trigger | None,
        kind: str,
        *,
        source: Recorded | None = None,
        pending: Sequence[Outgoing] = (),
        settled: Iterable[Settled] = (),
        failure: str | None = None,
    ) -> Draft:
        """A step in which the instance itself stays as it is. The parameters are those of `reacted`.

        Args:
            trigger: what it is taken upon; None if somebody has asked for it.
            kind: see `StepTaken`.
            source: see `reacted`.
            pending: see `reacted`.
            settled: see `reacted`.
            failure: what stops the instance.
        """
        step = msgspec.structs.replace(
            self._last,
            kind=kind,
            source=self._last.source if source is None else int(source.position),
            part=self._last.part if source is None else source.index,
            pending=tuple(pending),
            settled=tuple(settled),
            failure=failure,
        )
        return Draft(step, trigger)

    def expired(self, timer: RunningTimer) -> StepBuilder:
        """The same, after one of the timers has run out."""
        left = tuple(one for one in self._last.timers if one != timer)
        return StepBuilder(msgspec.structs.replace(self._last, timers=left), self._commands, self._now)

    @property
    def _stream(self) -> str:
        return f"{self._last.manager}-{self._last.instance}"

    def _outgoing(self, reaction: Reaction, trigger: Trigger) -> Iterator[Outgoing]:
        for index, command in enumerate(reaction.commands):
            identifier = derived_id(trigger.id, self._stream, _numbered(trigger, index))
            yield Outgoing(identifier, self._commands.encode(command), trigger.because, trigger.correlation)

    def _timer_id(self, trigger: Trigger, name: str) -> UUID:
        return derived_id(trigger.id, f"{self._stream} timer {name}", _numbered(trigger, 0))

    def _ended(self, reaction: Reaction, set_now: dict[str, TimerSet]) -> list[RunningTimer]:
        names = {*reaction.cancelled, *set_now}
        return [timer for timer in self._last.timers if reaction.stopped or timer.name in names]

    def _cancellations(self, ended: Iterable[RunningTimer]) -> Iterator[StreamAppend]:
        for timer in ended:
            yield StreamAppend(timer_stream(timer.id), [TimerCancelled(timer.id)])

    def _schedules(self, started: Iterable[RunningTimer], set_now: dict[str, TimerSet]) -> Iterator[StreamAppend]:
        for timer in started:
            at = self._due(set_now[timer.name])
            event = TimerScheduled(timer.id, at, None, self._last.manager, self._last.instance, timer.name)
            yield StreamAppend(timer_stream(timer.id), [event], expected=0)

    def _due(self, timer: TimerSet) -> int:
        if timer.at is not None:
            return microseconds(timer.at)
        return self._now + microseconds_of(timer.after or 0.0, f"timer {timer.name!r} ends")


def _numbered(trigger: Trigger, index: int) -> int:
    """Number what follows from a trigger, so that parts of one event get different numbers."""
    return trigger.part << 32 | index
