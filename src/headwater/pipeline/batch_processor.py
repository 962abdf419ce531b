"""BatchProcessor: the process that handles batches."""

from __future__ import annotations

from collections.abc import Coroutine
from itertools import groupby
from types import CoroutineType
from typing import Generic, TypeVar

from headwater.pipeline.batch import Batch, BatchInfo
from headwater.pipeline.deployment import Deployment
from headwater.pipeline.message import Message
from headwater.pipeline.settling import RetryDue, Settling, fail
from headwater.pipeline.spans import BATCH_PROCESSOR
from headwater.stages.consumer import Consumer
from headwater.stages.messages import StageSubscription

Data = TypeVar("Data")


class BatchProcessor(Consumer[Batch[Data]], Generic[Data]):
    """Gives batches to `handle_batch`, one at a time, and acknowledges their messages."""

    def init(self, deployment: Deployment[Data], name: str, index: int) -> None:
        """Subscribe to the batcher of this name, which started before."""
        handlers = deployment.handlers
        self._name = name
        self._pipeline = handlers
        self._options = handlers.batchers[name]
        self._settling = Settling(deployment, self._cell, name)
        several = deployment.keyed and self._options.concurrency > 1
        self.subscribe_to(
            deployment.batchers[name],
            max_demand=1,
            min_demand=0,
            partition=index if several else None,
            cancel="temporary",
        )

    def handle_events(self, events: list[Batch[Data]], source: StageSubscription) -> object:
        """Handle a batch."""
        [batch] = events
        for message in batch.messages:
            message.attempt = 1
        return self._run(batch.messages, batch.info)

    async def handle_info(self, message: object) -> None:
        """The end of a back-off."""
        if isinstance(message, RetryDue):
            await self._retry(message)
        else:
            super().handle_info(message)

    async def _retry(self, due: RetryDue) -> None:
        size = self._options.size
        for key, group in groupby(self._settling.release(due), key=lambda message: message.batch_key):
            messages = list(group)
            for start in range(0, len(messages), size):
                outcome = self._run(messages[start : start + size], BatchInfo(self._name, key, "retry"))
                if outcome is not None:
                    await outcome

    def _run(self, messages: list[Message[Data]], info: BatchInfo) -> Coroutine[object, object, None] | None:
        """Handle messages, without those that wait for others, and those whose source stage has ended."""
        held, keys = self._settling.held, self._settling.held.keys
        messages = [message for message in messages if message.origin.live and not (keys and held.follow(message))]
        if not messages:
            return None
        if self._cell.node.telemetry.listening:
            return self._run_observed(messages, info)
        try:
            outcome = self._pipeline.handle_batch(list(messages), info)
        except Exception as error:  # noqa: BLE001 - they have failed, whatever the application raised
            fail(messages, error)
        else:
            if type(outcome) is CoroutineType:
                return self._await(messages, outcome)
        return self._conclude(messages)

    async def _await(self, messages: list[Message[Data]], work: Coroutine[object, object, object]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - likewise
            fail(messages, error)
        rest = self._conclude(messages)
        if rest is not None:
            await rest

    async def _run_observed(self, messages: list[Message[Data]], info: BatchInfo) -> None:
        said = {"process": self._cell.label, "batcher": info.batcher, "count": len(messages), "trigger": info.trigger}
        telemetry = self._cell.node.telemetry
        with telemetry.span(BATCH_PROCESSOR, pipeline=self._pipeline.name, **said) as span:
            await self._await(messages, self._handle(messages, info))
            span.set(failed=sum(message.failure is not None for message in messages))

    async def _handle(self, messages: list[Message[Data]], info: BatchInfo) -> None:
        outcome = self._pipeline.handle_batch(list(messages), info)
        if type(outcome) is CoroutineType:
            await outcome

    def _conclude(self, messages: list[Message[Data]]) -> Coroutine[object, object, None] | None:
        """Acknowledge what was handled, hold what is tried again. Returns what parks the others, if there are any."""
        failed = [message for message in messages if message.failure is not None]
        if not failed:
            self._settling.settle(messages, [])
            return None
        handled = [message for message in messages if message.failure is None]
        if handled:
            self._settling.settle(handled, [])
        again = [message for message in failed if self._settling.may_retry(message)]
        parked = [message for message in failed if not self._settling.may_retry(message)]
        if again:
            after = [None if message.failure is None else message.failure.after for message in again]
            for message in again:
                message.attempt += 1
                message.failure = None
            self._settling.retry_later(again, after)
        return self._settling.park(parked) if parked else None
