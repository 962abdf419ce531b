"""Decides the commands of decision models: read, decide, append if nothing has changed, or else again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import cast
from uuid import UUID

from headwater.cqrs.committed import Committed
from headwater.cqrs.decision import Options, command_failed
from headwater.cqrs.foreign_appends import ForeignAppends
from headwater.cqrs.lanes import Lanes
from headwater.cqrs.spans import EXECUTE, POPULATE
from headwater.errors import (
    CommandIdTaken,
    ConditionFailed,
    ConflictNotResolved,
    DuplicateEvent,
    HeadwaterError,
    Rejected,
    one_of,
)
from headwater.sourcing.decision_model import DecisionModel
from headwater.sourcing.event_ids import event_id
from headwater.sourcing.messages import Command, Event
from headwater.store.appending import StreamAppend
from headwater.store.model import Context, StoredEvent
from headwater.store.query import AppendCondition, EventQuery
from headwater.store.store import EventStore
from headwater.types import Position, Version


class ModelDecisions:
    """Decides commands upon the log as it is, without a process.

    Those whose scopes overlap take turns, so that they don't meet conflicts with each other; with other writers of the
    log they may. Correct is it by the condition of the append alone.

    Args:
        store: the log.
        foreign: is told of each append.
    """

    def __init__(self, store: EventStore, foreign: ForeignAppends) -> None:
        self._store = store
        self._foreign = foreign
        self._lanes = Lanes()

    async def execute(
        self, kind: type[DecisionModel[Command]], command: Command, context: Context, options: Options
    ) -> Committed:
        """Decide a command, and wait until its events are durable.

        Raises:
            Rejected: the model said no.
            CommandFailed: it raised something else, or gave no scope.
            ConflictNotResolved: events kept coming under the command.
            CommandIdTaken, StoreError: nothing was stored.
        """
        try:
            query = kind.query(command)
        except HeadwaterError:
            raise
        except Exception as error:
            raise command_failed(command, error) from error
        tags = [tag for item in query.items for tag in item.tags]
        async with self._lanes.hold(tags):
            for _ in range(options.attempts):
                attempt = _Attempt(
                    self._store, self._foreign, kind, command, context, query, identified=options.identified
                )
                with suppress(ConditionFailed, DuplicateEvent):
                    return await attempt.run()
        raise ConflictNotResolved(
            f"{type(command).__qualname__} was decided {options.attempts} times, and each time the events of its scope "
            f"had changed before it could be stored: {one_of(tags)}"
        )


class _Attempt:
    """One decision, upon the log as it is now."""

    def __init__(
        self,
        store: EventStore,
        foreign: ForeignAppends,
        kind: type[DecisionModel[Command]],
        command: Command,
        context: Context,
        query: EventQuery,
        *,
        identified: bool,
    ) -> None:
        self._store = store
        self._foreign = foreign
        self._kind = kind
        self._command = command
        self._context = context
        self._query = query
        self._identified = identified

    async def run(self) -> Committed:
        """Read, decide, append.

        Raises:
            ConditionFailed, DuplicateEvent: something came in between.
        """
        if self._identified and await self._store.holds(self._kind.category, self._event_id(0)):
            return await self._recall()
        span = self._store.telemetry.span
        with span(POPULATE, stream=self._kind.category) as populating:
            model, head = await self._read()
            populating.set(position=head)
        with span(EXECUTE, stream=self._kind.category, command=type(self._command).__qualname__) as executing:
            events = self._decide(model)
            executing.set(events=len(events))
        if not events:
            return Committed(self._kind.category, Version(0), head, ())
        parts = self._parts(model, events)
        condition = AppendCondition(self._query, after=head)
        append = self._store.submit_streams(parts, context=self._context, condition=condition)
        self._foreign.follow(append)
        appended = await asyncio.shield(append.answer)  # it goes on when nobody waits for it any more
        stored = tuple(cast("Event", event) for part in parts for event in part.events)
        return Committed(appended.stream, appended.version, appended.position, stored)

    async def _read(self) -> tuple[DecisionModel[Command], Position]:
        try:
            model = self._kind()
        except Exception as error:
            raise command_failed(self._command, error) from error
        async with self._store.read_all(query=self._query) as events:
            async for recorded in events:
                try:
                    model.apply(recorded.event)
                except Exception as error:
                    raise command_failed(self._command, error) from error
            return model, await events.head()

    def _decide(self, model: DecisionModel[Command]) -> list[Event]:
        events: list[Event] = []
        try:
            model.execute(self._command, events)
        except Rejected as rejection:
            raise rejection.with_traceback(None) from None
        except Exception as error:
            raise command_failed(self._command, error) from error
        return events

    def _parts(self, model: DecisionModel[Command], events: Sequence[Event]) -> list[StreamAppend]:
        """The events stream by stream: so they will lie in the log."""
        by_stream: dict[str, list[tuple[Event, UUID]]] = {}
        for index, event in enumerate(events):
            by_stream.setdefault(model.stream_of(event), []).append((event, self._event_id(index)))
        return [self._part(stream, numbered) for stream, numbered in by_stream.items()]

    def _part(self, stream: str, numbered: Sequence[tuple[Event, UUID]]) -> StreamAppend:
        ids = [identifier for _, identifier in numbered] if self._identified else None
        return StreamAppend(stream, [event for event, _ in numbered], ids=ids)

    def _event_id(self, index: int) -> UUID:
        return event_id(self._context.causation or b"", index)

    async def _recall(self) -> Committed:
        """What the command was answered the first time: looked for in its scope, then in the whole log."""
        for query in (self._store.as_stored(self._query), None):
            async with self._store.raw_all(query=query, backwards=True) as events:
                async for stored in events:
                    if stored.causation_bytes == self._context.causation:
                        return await self._recalled(stored)
        raise CommandIdTaken(f"the command id {UUID(bytes=self._context.causation or bytes(16))} was used otherwise")

    async def _recalled(self, one: StoredEvent) -> Committed:
        """The answer, from one of the command's events: they lie next to each other."""
        last = one.position + one.remaining
        found: list[StoredEvent] = []
        async with self._store.raw_all(before=last + 1, backwards=True) as events:
            async for stored in events:
                if stored.causation_bytes != self._context.causation:
                    break
                found.append(stored)
        decoded = tuple(cast("Event", recorded.event) for recorded in self._store.recorded(reversed(found)))
        return Committed(found[0].stream, Version(found[0].version), Position(found[0].position), decoded)
