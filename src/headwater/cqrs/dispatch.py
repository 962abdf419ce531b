"""Brings commands to whoever decides them, and back the answer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from headwater.clock import Clock
from headwater.cqrs.aggregate_process import AggregateProcess
from headwater.cqrs.committed import Committed
from headwater.cqrs.deadline import Deadline
from headwater.cqrs.decision import DEFAULT, MAX_ATTEMPTS, Options
from headwater.cqrs.envelope import BECAUSE, Envelope, Outcome
from headwater.cqrs.follower import Follower, FollowerProcess
from headwater.cqrs.live_aggregates import LiveAggregates
from headwater.cqrs.middleware import Middleware, Passage
from headwater.cqrs.model_decisions import ModelDecisions
from headwater.cqrs.patience import Impatience, Patience
from headwater.cqrs.router import CommandRouter
from headwater.errors import CodecError, ConsistencyTimeout, DeadlineExceeded, HeadwaterError
from headwater.runtime.pid import Pid
from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.messages import Command
from headwater.store.model import Context
from headwater.telemetry import SpanName, Telemetry
from headwater.types import IdSource

DISPATCH: Final = SpanName("headwater", "cqrs", "dispatch")

_IDENTIFIED: Final = Options(identified=True)
_ENCODER: Final = msgspec.json.Encoder()


class Terms(msgspec.Struct, frozen=True, gc=False):
    """What the caller of `dispatch` wants besides.

    Attributes:
        timeout: seconds for all of it; None for ever.
        attempts: how often the command is decided before its conflicts are reported.
        wait_for: the views and handlers that shall have followed the command's events.
        keep_state: the answer is `CommittedState`.
    """

    timeout: float | None
    attempts: int = MAX_ATTEMPTS
    wait_for: tuple[type[Follower], ...] = ()
    keep_state: bool = False


class _UnderWay(msgspec.Struct, frozen=True, gc=False):
    """A command of `dispatch_all`."""

    envelope: Envelope
    answer: asyncio.Future[Committed]
    passage: Passage | None


class Dispatcher:
    """Hands commands to the processes of their aggregates.

    Args:
        aggregates: the processes.
        models: decides what decision models decide.
        router: which aggregate a command is for.
        ids: where command ids come from.
        clock: for deadlines.
        telemetry: who wants to know.
        middleware: what every command passes through.
        view: finds the process of a view or handler; raises `UnknownView`, `UnknownHandler`, `CallingSelf`.
    """

    def __init__(
        self,
        aggregates: LiveAggregates,
        models: ModelDecisions,
        router: CommandRouter,
        ids: IdSource,
        clock: Clock,
        telemetry: Telemetry,
        middleware: Sequence[Middleware],
        view: Callable[[type[Follower]], Pid[FollowerProcess]],
    ) -> None:
        self._aggregates = aggregates
        self._models = models
        self._router = router
        self._ids = ids
        self._clock = clock
        self._telemetry = telemetry
        self._middleware = middleware
        self._view = view
        self._patience = Patience(clock)

    @property
    def live(self) -> int:
        """How many aggregates have a process now."""
        return len(self._aggregates)

    def dispatch(self, envelope: Envelope, terms: Terms) -> Coroutine[object, object, Committed]:
        """Have a command decided, and wait until its events are durable. See `Application.dispatch`."""
        if self._telemetry.listening:
            return self._dispatch_observed(envelope, terms)
        return self._dispatch(envelope, terms)

    async def dispatch_all(self, commands: Iterable[Command | Envelope], in_flight: int) -> AsyncIterator[Outcome]:
        """Have many commands decided, with several under way at a time. See `Application.dispatch_all`."""
        window: deque[_UnderWay] = deque()
        try:
            for item in commands:
                while window and (len(window) >= in_flight or window[0].answer.done()):
                    yield await _outcome(window.popleft())
                window.append(await self._begin(item if isinstance(item, Envelope) else Envelope(item)))
            while window:
                yield await _outcome(window.popleft())
        finally:
            for under_way in window:
                under_way.answer.cancel()

    async def inspect(self, kind: type[Aggregate], id: str) -> Aggregate | None:  # noqa: A002 - the field's term
        """The aggregate in its process's memory, or None when it has no process."""
        pid = self._aggregates.find((kind, id))
        return None if pid is None else (await pid.call(AggregateProcess.inspect))[0]

    # --- one command ---------------------------------------------------------------------------------------------

    async def _dispatch_observed(self, envelope: Envelope, terms: Terms) -> Committed:
        with self._telemetry.span(DISPATCH, command=type(envelope.command).__qualname__) as span:
            committed = await self._dispatch(envelope, terms)
            span.set(stream=committed.stream, position=committed.position, events=len(committed.events))
            return committed

    async def _dispatch(self, envelope: Envelope, terms: Terms) -> Committed:
        command = envelope.command
        if self._middleware or terms.wait_for or self._router.model(command):
            return await self._dispatch_in_steps(envelope, terms)
        self._patience.check(terms.timeout)
        pid = self._aggregates.find(self._router.route(command))
        if pid is None:
            return await self._dispatch_in_steps(envelope, terms)
        # What most commands need, without the steps that they don't.
        answer = pid.begin(AggregateProcess.execute, command, self._context(envelope), _options(envelope, terms))
        try:
            if terms.timeout is not None and not answer.done():
                self._patience.begin(answer, terms.timeout)
            return await answer
        except Impatience:
            raise DeadlineExceeded(f"{pid.label} did not answer within {terms.timeout} s") from None
        finally:
            self._patience.end(answer, terms.timeout)
            del answer  # an error's traceback refers to this frame, and the future to the error: no cycle, please

    async def _dispatch_in_steps(self, envelope: Envelope, terms: Terms) -> Committed:
        views = [self._view(view) for view in terms.wait_for]
        deadline = Deadline(self._clock, terms.timeout, type(envelope.command).__qualname__)
        passage = Passage(self._middleware, envelope)
        try:
            async with deadline:
                committed = await self._execute(await passage.enter(), terms)
        except HeadwaterError as error:
            await passage.leave(error)
            raise
        await passage.leave(committed)
        for view in views:
            await _reached(view, committed, deadline)
        return committed

    async def _execute(self, envelope: Envelope, terms: Terms) -> Committed:
        command, context, options = envelope.command, self._context(envelope), _options(envelope, terms)
        model = self._router.model(command)
        if model is not None:
            return await self._models.execute(model, command, context, options)
        pid = await self._process_of(command)
        return await pid.within(None).call(AggregateProcess.execute, command, context, options)

    # --- many commands -------------------------------------------------------------------------------------------

    async def _begin(self, envelope: Envelope) -> _UnderWay:
        passage = Passage(self._middleware, envelope) if self._middleware else None
        try:
            passed = envelope if passage is None else await passage.enter()
            answer = await self._begin_decision(passed)
        except HeadwaterError as error:
            answer = asyncio.get_running_loop().create_future()
            answer.set_exception(error)
        return _UnderWay(envelope, answer, passage)

    async def _begin_decision(self, envelope: Envelope) -> asyncio.Future[Committed]:
        command, context = envelope.command, self._context(envelope)
        options = DEFAULT if envelope.id is None else _IDENTIFIED
        model = self._router.model(command)
        if model is not None:
            return asyncio.ensure_future(self._models.execute(model, command, context, options))
        pid = await self._process_of(command)
        return pid.begin(AggregateProcess.execute, command, context, options)

    async def _process_of(self, command: Command) -> Pid[AggregateProcess]:
        key = self._router.route(command)
        return self._aggregates.find(key) or await self._aggregates.start(key)

    def _context(self, envelope: Envelope) -> Context:
        causation = envelope.id.bytes if envelope.id else self._ids.next_bytes()
        correlation, metadata = envelope.correlation, envelope.metadata
        if envelope.because is not None:
            correlation = correlation or envelope.because.correlation
            metadata = {**(metadata or {}), BECAUSE: str(envelope.because.id)}
        return Context(
            causation, correlation.bytes if correlation else causation, _encoded(metadata) if metadata else None
        )


def _encoded(metadata: Mapping[str, object]) -> bytes:
    try:
        return _ENCODER.encode(metadata)
    except (TypeError, ValueError, OverflowError) as error:
        raise CodecError(f"the command's metadata could not be encoded: {error}") from error


def _options(envelope: Envelope, terms: Terms) -> Options:
    if terms.attempts == MAX_ATTEMPTS and not terms.keep_state:
        return DEFAULT if envelope.id is None else _IDENTIFIED
    return Options(envelope.id is not None, terms.attempts, terms.keep_state)


async def _reached(view: Pid[FollowerProcess], committed: Committed, deadline: Deadline) -> None:
    try:
        await view.within(deadline.left()).call(FollowerProcess.reached, committed.position)
    except DeadlineExceeded as error:
        raise ConsistencyTimeout(
            f"the events are durable up to position {committed.position}, but {view.label} is behind",
            stream=committed.stream,
            version=committed.version,
            position=committed.position,
        ) from error


async def _outcome(under_way: _UnderWay) -> Outcome:
    envelope, answer, passage = under_way.envelope, under_way.answer, under_way.passage
    if not answer.done():
        await asyncio.wait([answer])
    error = answer.exception()  # not raised: a traceback would refer back to the answer, for the collector to find
    if error is not None and not isinstance(error, HeadwaterError):
        raise error
    result = answer.result() if error is None else error
    if passage is not None:
        await passage.leave(result)
    return Outcome(envelope, result)
