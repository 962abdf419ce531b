"""Commands for later: scheduled, cancelled, listed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from headwater.clock import instant, microseconds
from headwater.cqrs.due import microseconds_of
from headwater.cqrs.envelope import BECAUSE
from headwater.cqrs.surroundings import Surroundings
from headwater.cqrs.timer_events import TimerCancelled, TimerScheduled, timer_stream
from headwater.cqrs.timer_shot import scheduled_in
from headwater.cqrs.timers import Timers
from headwater.errors import TimerIdTaken, UnknownTimer, WrongExpectedVersion
from headwater.runtime.pid import Pid
from headwater.sourcing.messages import Command
from headwater.store.model import Recorded
from headwater.types import IdSource


class Scheduled(msgspec.Struct, frozen=True):
    """A timer that is pending.

    Attributes:
        id: which one; of a command, the identifier that it will have.
        at: when it is due.
        command: what will be dispatched; None for a process manager's timer.
        manager: the process manager whose timer it is; None for a command's.
        instance: of which instance.
        timer: what the instance calls it.
    """

    id: UUID
    at: datetime
    command: Command | None
    manager: str | None = None
    instance: str | None = None
    timer: str | None = None


class Scheduling:
    """Puts commands for later into the log.

    Args:
        surroundings: what it works with.
        ids: where identifiers come from.
        timers: the process that fires them.
    """

    def __init__(self, surroundings: Surroundings, ids: IdSource, timers: Pid[Timers]) -> None:
        self._surroundings: Final = surroundings
        self._ids: Final = ids
        self._timers: Final = timers

    async def schedule(
        self,
        command: Command,
        *,
        at: datetime | None,
        after: float | None,
        id: UUID | None,  # noqa: A002 - the field's term
        metadata: Mapping[str, object] | None,
        correlation: UUID | None,
        because: Recorded | None,
    ) -> UUID:
        """Have a command dispatched later. See `Application.schedule`."""
        due = self._due(at, after)
        identifier = id or self._ids.next()
        stored = self._surroundings.commands.encode(command)
        if because is not None:
            correlation = correlation or because.correlation
            metadata = {**(metadata or {}), BECAUSE: str(because.id)}
        try:
            await self._surroundings.store.append(
                timer_stream(identifier),
                [TimerScheduled(identifier, due, stored)],
                expected=0,
                causation=None if because is None else because.id,
                correlation=correlation or identifier,
                metadata=metadata,
            )
        except WrongExpectedVersion:
            known = await scheduled_in(self._surroundings, identifier)
            if known is None or not isinstance(known.event, TimerScheduled) or not stored.same(known.event.command):
                raise TimerIdTaken(f"a timer {identifier} was scheduled for something else: use another id") from None
        self._surroundings.wake_timers()
        return identifier

    async def cancel(self, id: UUID) -> bool:  # noqa: A002 - the field's term
        """Cancel a timer. See `Application.cancel`."""
        stream = timer_stream(id)
        try:
            await self._surroundings.store.append(stream, [TimerCancelled(id)], expected=1)
        except WrongExpectedVersion as error:
            if error.actual == 0:
                raise UnknownTimer(f"no timer {id} was ever scheduled") from None
            async with self._surroundings.store.read_stream(stream, after=1, limit=1) as found:
                async for recorded in found:
                    return isinstance(recorded.event, TimerCancelled)
        self._surroundings.wake_timers()
        return True

    async def pending(self, limit: int) -> list[Scheduled]:
        """The timers that are pending, the next one first. See `Application.scheduled`."""
        if limit < 0:
            raise ValueError(f"a number of timers is 0 or more, not {limit}")
        found: list[Scheduled] = []
        for id_ in await self._timers.within(None).call(Timers.pending, limit):
            recorded = await scheduled_in(self._surroundings, id_)
            if recorded is not None and isinstance(recorded.event, TimerScheduled):
                found.append(self._seen(recorded.event))
        return found

    def _seen(self, event: TimerScheduled) -> Scheduled:
        command = None if event.command is None else self._surroundings.commands.decode(event.command)
        return Scheduled(event.id, instant(event.at), command, event.manager, event.instance, event.timer)

    def _due(self, at: datetime | None, after: float | None) -> int:
        if at is not None and after is None:
            return microseconds(at)
        if at is not None or after is None:
            raise ValueError("a command is scheduled either `at` a moment or `after` a number of seconds")
        return self._surroundings.now() + microseconds_of(after, "a command is scheduled")
