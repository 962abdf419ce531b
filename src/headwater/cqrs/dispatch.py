"""Brings commands to their aggregates' processes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Final
from uuid import UUID

import msgspec

from headwater.cqrs.aggregate_process import AggregateProcess
from headwater.cqrs.committed import Committed
from headwater.cqrs.decision import DEFAULT, Options
from headwater.cqrs.live_aggregates import LiveAggregates
from headwater.cqrs.router import CommandRouter
from headwater.errors import HeadwaterError
from headwater.runtime.pid import Pid
from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.messages import Command
from headwater.store.model import Context
from headwater.telemetry import SpanName, Telemetry
from headwater.types import IdSource

DISPATCH: Final = SpanName("headwater", "cqrs", "dispatch")

_IDENTIFIED: Final = Options(identified=True)
_ENCODER: Final = msgspec.json.Encoder()


class Envelope(msgspec.Struct, frozen=True):
    """A command, and what is known about it.

    Attributes:
        command: the command.
        metadata: stored beside each of its events; must be encodable as JSON.
        id: identifies the command; made up if not given. Its events carry it as their causation. A command may be sent
            again with the same id: see `Application.dispatch`.
        correlation: shared by everything that one outside cause led to; the command's id if not given.
    """

    command: Command
    metadata: Mapping[str, object] | None = None
    id: UUID | None = None
    correlation: UUID | None = None


class Outcome(msgspec.Struct, frozen=True):
    """How a command of `dispatch_all` ended.

    Attributes:
        envelope: the command.
        result: `Committed`, or the error that `dispatch` would have raised.
    """

    envelope: Envelope
    result: Committed | HeadwaterError


class Dispatcher:
    """Hands commands to the processes of their aggregates.

    Args:
        aggregates: the processes.
        router: which aggregate a command is for.
        ids: where command ids come from.
        telemetry: who wants to know.
    """

    def __init__(self, aggregates: LiveAggregates, router: CommandRouter, ids: IdSource, telemetry: Telemetry) -> None:
        self._aggregates = aggregates
        self._router = router
        self._telemetry = telemetry
        self._ids = ids

    @property
    def live(self) -> int:
        """How many aggregates have a process now."""
        return len(self._aggregates)

    async def dispatch(self, envelope: Envelope, timeout: float | None) -> Committed:
        """Have a command decided, and wait until its events are durable. See `Application.dispatch`."""
        command = envelope.command
        context = self._context(envelope)
        with self._telemetry.span(DISPATCH, command=type(command).__qualname__) as span:
            pid = await self._process_of(command)
            committed = await pid.within(timeout).call(AggregateProcess.execute, command, context, _options(envelope))
            span.set(stream=committed.stream, position=committed.position, events=len(committed.events))
            return committed

    async def dispatch_all(self, commands: Iterable[Command | Envelope], in_flight: int) -> AsyncIterator[Outcome]:
        """Have many commands decided, with several under way at a time. See `Application.dispatch_all`."""
        window: deque[tuple[Envelope, asyncio.Future[Committed]]] = deque()
        try:
            for item in commands:
                while window and (len(window) >= in_flight or window[0][1].done()):
                    yield await _outcome(*window.popleft())
                envelope = item if isinstance(item, Envelope) else Envelope(item)
                window.append((envelope, await self._begin(envelope)))
            while window:
                yield await _outcome(*window.popleft())
        finally:
            for _, answer in window:
                answer.cancel()

    async def inspect(self, kind: type[Aggregate], id: str) -> Aggregate | None:  # noqa: A002 - the field's term
        """The aggregate in its process's memory, or None when it has no process."""
        pid = self._aggregates.find((kind, id))
        return None if pid is None else (await pid.call(AggregateProcess.inspect))[0]

    async def _begin(self, envelope: Envelope) -> asyncio.Future[Committed]:
        try:
            pid = await self._process_of(envelope.command)
            return pid.begin(AggregateProcess.execute, envelope.command, self._context(envelope), _options(envelope))
        except HeadwaterError as error:
            failed: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
            failed.set_exception(error)
            return failed

    async def _process_of(self, command: Command) -> Pid[AggregateProcess]:
        key = self._router.route(command)
        return self._aggregates.find(key) or await self._aggregates.start(key)

    def _context(self, envelope: Envelope) -> Context:
        causation = (envelope.id.int if envelope.id else self._ids.next_int()).to_bytes(16)
        correlation = envelope.correlation.bytes if envelope.correlation else causation
        metadata = _ENCODER.encode(envelope.metadata) if envelope.metadata else None
        return Context(causation, correlation, metadata)


def _options(envelope: Envelope) -> Options:
    return DEFAULT if envelope.id is None else _IDENTIFIED


async def _outcome(envelope: Envelope, answer: asyncio.Future[Committed]) -> Outcome:
    if not answer.done():
        await asyncio.wait([answer])
    error = answer.exception()  # not raised: a traceback would refer back to the answer, for the collector to find
    if error is None:
        return Outcome(envelope, answer.result())
    if isinstance(error, HeadwaterError):
        return Outcome(envelope, error)
    raise error
