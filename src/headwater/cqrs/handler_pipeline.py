"""The pipeline of one event handler: gives it events, and does what becomes of those that it raised for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Sequence
from types import CoroutineType
from typing import Final

from headwater.cqrs.dead_letter import parked
from headwater.cqrs.dead_letter_box import DeadLetterBox
from headwater.cqrs.event_handler import EventHandler
from headwater.cqrs.handler_error import HandlerFailure, Park, RetryAfter, Skip, Stop
from headwater.errors import DeadLettersFull, DefinitionError
from headwater.pipeline.batch import BatchInfo
from headwater.pipeline.dead_letters import DeadLetter
from headwater.pipeline.message import Message
from headwater.pipeline.options import Batcher, Processors
from headwater.pipeline.pipeline import Pipeline
from headwater.pipeline.source import Source
from headwater.store.model import Recorded, Undecoded
from headwater.telemetry import SpanName, Telemetry

HANDLE: Final = SpanName("headwater", "cqrs", "handle")
"""One event is handled. Metadata: handler, event, stream, position, attempt. An `exception` if the handler raised."""

HANDLE_BATCH: Final = SpanName("headwater", "cqrs", "handle_batch")
"""A batch is handled. Metadata: handler, count, attempt. An `exception` if the handler raised."""

_log: Final = logging.getLogger("headwater.cqrs")

Events = list[Message[Recorded]]


class HandlerCounts:
    """What a handler has done since its process began.

    Attributes:
        handled: events that its methods returned from.
        retried: how often an event was tried again, or is going to be.
        skipped: events that `on_error` has let it skip.
        parked: events that became dead letters.
        under_way: events that its methods have now.
        contexts: of the events that wait to be tried again, by position, what `on_error` remembers of them.
    """

    __slots__ = ("contexts", "handled", "parked", "retried", "skipped", "under_way")

    def __init__(self) -> None:
        self.handled = 0
        self.retried = 0
        self.skipped = 0
        self.parked = 0
        self.under_way = 0
        self.contexts: dict[int, dict[str, object]] = {}


class HandlerPipeline(Pipeline[Recorded]):
    """Runs one handler, as long as nothing goes wrong with more than its events.

    Args:
        handler: the handler.
        source: its subscription.
        box: where its dead letters are parked.
        counts: what it has done.
        telemetry: who wants to know.
        halt: told once when the handler is to stop, and why. What asked for it waits until it is killed.
    """

    def __init__(
        self,
        handler: EventHandler,
        source: Source[Recorded],
        box: DeadLetterBox,
        counts: HandlerCounts,
        telemetry: Telemetry,
        halt: Callable[[Exception], None],
    ) -> None:
        self._handler = handler
        self._counts = counts
        self._telemetry = telemetry
        self._halt = halt
        self._finishing = False
        self.retry = handler.retry
        self.rate_limit = handler.rate_limit
        self.max_unacknowledged = handler.max_unacknowledged
        self.shutdown = handler.shutdown
        if handler.by_batch:
            self.processors = Processors(1, max_demand=min(handler.batch_size, handler.max_unacknowledged))
            self.batchers = {"batch": Batcher(handler.batch_size, handler.batch_timeout, handler.concurrency)}
        else:
            # With more than one, none may have an event in hand that another could handle meanwhile: they ask for each
            # by itself. Where none ever waits, that would only cost time.
            several = Processors(handler.concurrency, max_demand=1)
            self.processors = (
                several if several.concurrency > 1 and handler.may_wait() else Processors(1, max_demand=100)
            )
        super().__init__(source, name=f"{handler.subscription()} pipeline", dead_letters=_Parking(self, box))

    # --- the pipeline ----------------------------------------------------------------------------------------

    def partition_by(self, data: Recorded) -> Hashable:
        """The handler's key."""
        return self._handler.partition_by(data)

    def handle_message(self, message: Message[Recorded]) -> object:
        """Give one event to the handler, if it isn't one of batches."""
        if self._handler.by_batch or not self._handler.wants(message.data):
            return None
        if isinstance(message.data.event, Undecoded):
            return self._judge([message], message.data.event.error)
        if self._finishing:
            return _until_killed()
        self._counts.under_way += 1
        try:
            outcome = self._call(message)
        except Exception as error:  # noqa: BLE001 - whatever the application raised
            self._ended(1)
            return self._judge([message], error)
        if type(outcome) is CoroutineType:
            return self._await(message, outcome)
        self._ended(1)
        self._handled([message])
        return None

    async def handle_batch(self, messages: Events, batch: BatchInfo) -> None:
        """Give a batch to the handler."""
        wanted = [message for message in messages if self._handler.wants(message.data)]
        broken = [message for message in wanted if isinstance(message.data.event, Undecoded)]
        for message in broken:
            await self._judge([message], message.data.event.error)  # type: ignore[attr-defined]  # it is Undecoded
        wanted = [message for message in wanted if message not in broken] if broken else wanted
        if wanted:
            await self._handle_together(wanted)

    async def handle_failed(self, messages: Events) -> None:
        """They are about to be parked."""
        for message in messages:
            self._counts.contexts.pop(message.data.position, None)

    # --- one event -------------------------------------------------------------------------------------------

    def _call(self, message: Message[Recorded]) -> object:
        if not self._telemetry.listening:
            return self._handler.handle_one(message.data)
        return self._call_observed(message)

    async def _call_observed(self, message: Message[Recorded]) -> None:
        recorded = message.data
        said = {"stream": recorded.stream, "position": int(recorded.position), "attempt": message.attempt}
        with self._telemetry.span(HANDLE, handler=self._handler.handler, event=recorded.type, **said):
            outcome = self._handler.handle_one(recorded)
            if type(outcome) is CoroutineType:
                await outcome

    async def _await(self, message: Message[Recorded], work: CoroutineType[object, object, object]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - likewise
            self._ended(1)
            await self._judge([message], error)
        except BaseException:
            self._ended(1)  # it is killed
            raise
        else:
            self._ended(1)
            self._handled([message])

    def _handled(self, messages: Events) -> None:
        self._counts.handled += len(messages)
        if self._counts.contexts:
            for message in messages:
                self._counts.contexts.pop(message.data.position, None)

    # --- batches ---------------------------------------------------------------------------------------------

    async def _handle_together(self, messages: Events) -> None:
        error = await self._try(messages)
        if error is None:
            self._handled(messages)
        elif len(messages) > 1 and any(message.attempt >= self.retry.attempts for message in messages):
            await self._handle_apart(messages)
        else:
            await self._judge(messages, error)

    async def _handle_apart(self, messages: Events) -> None:
        """One by one, in order: those that can be handled alone are, and the others are judged alone."""
        waiting: set[Hashable] = set()
        for message in messages:
            if message.key in waiting:
                message.attempt -= 1  # it wasn't its turn: that doesn't count
                message.fail("waits for an event of its key", after=0.0)
                continue
            error = await self._try([message])
            if error is None:
                self._handled([message])
                continue
            await self._judge([message], error)
            if message.failure is not None and self._may_retry(message):
                waiting.add(message.key)

    async def _try(self, messages: Events) -> Exception | None:
        """Give events to the handler together. Returns what it raised."""
        if self._finishing:
            await _until_killed()
        attempt = max(message.attempt for message in messages)
        self._counts.under_way += len(messages)
        try:
            with self._telemetry.span(
                HANDLE_BATCH, handler=self._handler.handler, count=len(messages), attempt=attempt
            ):
                outcome = self._handler.handle_batch([message.data for message in messages])
                if type(outcome) is CoroutineType:
                    await outcome
        except Exception as error:  # noqa: BLE001 - whatever the application raised
            return error
        else:
            return None
        finally:
            self._ended(len(messages))

    # --- errors ----------------------------------------------------------------------------------------------

    async def _judge(self, messages: Events, error: Exception) -> None:
        """The handler raised: do what `on_error` says."""
        match await self._verdict(messages, error):
            case Skip() | Park() if len(messages) > 1:
                await self._handle_apart(messages)
            case Skip():
                self._counts.skipped += 1
                self._counts.contexts.pop(messages[0].data.position, None)
            case Park():
                messages[0].fail(error, retry=False)
            case Stop():
                await self.halt(error)
            case RetryAfter(seconds):
                self._fail(messages, error, seconds)
            case _:
                self._fail(messages, error, None)

    async def _verdict(self, messages: Events, error: Exception) -> object:
        first = messages[0]
        context = self._counts.contexts.setdefault(first.data.position, {})
        failure = HandlerFailure(error, tuple(message.data for message in messages), first.attempt, context)
        try:
            verdict = self._handler.on_error(failure)
            if type(verdict) is CoroutineType:
                verdict = await verdict
            if verdict is not None and not isinstance(verdict, RetryAfter | Skip | Park | Stop):
                raise DefinitionError(f"on_error returns a verdict or None, not {verdict!r}")
        except Exception:  # noqa: BLE001 - whatever the application raised: the event goes the usual way
            _log.exception("on_error of handler %r raised; the event is retried or parked", self._handler.handler)
            verdict = None
        if verdict is None and isinstance(first.data.event, Undecoded):
            return Park()  # it won't be readable by waiting
        return verdict

    def _fail(self, messages: Events, error: Exception, after: float | None) -> None:
        for message in messages:
            message.fail(error, after=after)
            self._counts.retried += self._may_retry(message)

    def _may_retry(self, message: Message[Recorded]) -> bool:
        failure = message.failure
        return failure is not None and failure.retry and (failure.after is not None or self._attempts_left(message))

    def _attempts_left(self, message: Message[Recorded]) -> bool:
        return message.attempt < self.retry.attempts

    async def halt(self, error: Exception) -> None:
        """The handler stops: wait for the kill, so that what has raised is neither handled nor parked."""
        self._halt(error)
        await _until_killed()

    def finish(self) -> None:
        """Begin with no further event. When nothing is under way, what else was read is abandoned: it comes again."""
        self._finishing = True
        self._ended(0)

    def _ended(self, number: int) -> None:
        """So many events are under way no more."""
        self._counts.under_way -= number
        if self._finishing and not self._counts.under_way:
            self.abandon()

    @property
    def handler_name(self) -> str:
        """What the handler is called."""
        return self._handler.handler

    def count_parked(self, number: int) -> None:
        """So many events became dead letters."""
        self._counts.parked += number


async def _until_killed() -> None:
    await asyncio.get_running_loop().create_future()


class _Parking:
    """Parks what the pipeline gives up in the handler's box."""

    def __init__(self, pipeline: HandlerPipeline, box: DeadLetterBox) -> None:
        self._pipeline = pipeline
        self._box = box

    async def park(self, letters: Sequence[DeadLetter]) -> None:
        name = self._pipeline.handler_name
        try:
            await self._box.park(
                [
                    parked(name, letter.item, letter.reason, letter.attempts)
                    for letter in letters
                    if isinstance(letter.item, Recorded)
                ]
            )
        except DeadLettersFull as error:
            await self._pipeline.halt(error)
        self._pipeline.count_parked(len(letters))
