"""The stream of one instance of a process manager: its last step, and the next one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final
from uuid import UUID

import msgspec

from headwater.cqrs.command_ids import derived_id
from headwater.cqrs.manager_step import Draft, StepBuilder, StepTaken, first_step, restored
from headwater.cqrs.process_manager import ProcessManager
from headwater.cqrs.surroundings import Surroundings
from headwater.sourcing.event_ids import event_id
from headwater.store.appending import StreamAppend
from headwater.store.store import EventStore


async def last_step(store: EventStore, stream: str) -> tuple[StepTaken | None, int]:
    """The last step of an instance, and its version; None and 0 if it has taken none.

    Raises:
        StoreError, CodecError: it can't be read.
    """
    async with store.read_stream(stream, limit=1, backwards=True) as found:
        async for recorded in found:
            if isinstance(recorded.event, StepTaken):
                return recorded.event, recorded.version
    return None, 0


class InstanceLog:
    """What is stored of one instance.

    Args:
        kind: the class of the process manager.
        id: which instance.
        surroundings: where the store is.

    Attributes:
        last: the last step.
        manager: the instance as that has left it, or as a method is just changing it.
    """

    def __init__(self, kind: type[ProcessManager], id: str, surroundings: Surroundings) -> None:  # noqa: A002 - the field's term
        self._kind: Final = kind
        self._id: Final = id
        self._surroundings: Final = surroundings
        self._stream: Final = kind.stream_of(id)
        self._version = 0
        self.manager = kind(id)
        self.last = first_step(self.manager)

    async def load(self) -> None:
        """Read the last step.

        Raises:
            StoreError, CodecError: it can't be read.
            msgspec.DecodeError: its state doesn't fit the class any more.
        """
        step, self._version = await last_step(self._surroundings.store, self._stream)
        self.last = step or first_step(self._kind(self._id))
        self.roll_back()

    def roll_back(self) -> None:
        """Make the instance as the last step has left it."""
        self.manager = restored(self._kind, self._id, self.last)

    async def has_answered(self, command: UUID) -> bool:
        """Whether the instance has taken a step upon how one of its commands ended, after that was given up.

        Raises:
            StoreError, CodecError: it can't be read.
        """
        async with self._surroundings.store.read_stream(self._stream, backwards=True) as found:
            async for recorded in found:
                step = recorded.event
                if isinstance(step, StepTaken) and any(settled.id == command for settled in step.settled):
                    return step.kind in ("accepted", "rejected")
        return False

    def next(self) -> StepBuilder:
        """Makes the next step."""
        return StepBuilder(self.last, self._surroundings.commands, self._surroundings.now())

    async def append(self, draft: Draft, void: UUID | None = None) -> None:
        """Store a step with its timers, all or nothing.

        Args:
            draft: the step.
            void: a command that had no effect, as the step says. It never has one from then on, whoever dispatches it,
                such as a node that doesn't know yet that another one goes on in its place: the step gets the identifier
                that the command's first event would have.

        Raises:
            WrongExpectedVersion: somebody else has stored one, which this one doesn't know of.
            DuplicateEvent: the command had an effect after all, or somebody else has stored that it had none.
            StoreError: it can't be stored.
        """
        step = StreamAppend(self._stream, [draft.step], expected=self._version)
        parts = [*draft.timers, step]
        if void is not None:
            parts = [*_identified(draft.timers, void), _standing_for(step, void)]
        await self._surroundings.store.append_streams(
            parts,
            causation=None if draft.trigger is None else draft.trigger.id,
            correlation=None if draft.trigger is None else draft.trigger.correlation,
        )
        self._version += 1
        self.last = draft.step
        if draft.timers:
            self._surroundings.wake_timers()


def _standing_for(step: StreamAppend, command: UUID) -> StreamAppend:
    return msgspec.structs.replace(step, ids=[event_id(command.bytes, 0)])


def _identified(parts: Iterable[StreamAppend], command: UUID) -> Iterator[StreamAppend]:
    """All parts of an append have identifiers, or none has."""
    for part in parts:
        yield msgspec.structs.replace(part, ids=[derived_id(command, part.stream, n) for n in range(len(part.events))])
