"""Processors: the processes that handle messages one by one."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Generic, TypeVar

from headwater.pipeline.deployment import Deployment
from headwater.pipeline.message import Message
from headwater.pipeline.message_work import MessageWork
from headwater.pipeline.settling import RetryDue
from headwater.pipeline.source_subscriptions import Resubscribe, SourceSubscriptions
from headwater.runtime.exits import Reason
from headwater.stages.consumer import Consumer
from headwater.stages.dispatchers.demand import DemandDispatcher
from headwater.stages.dispatchers.dispatcher import Dispatcher
from headwater.stages.dispatchers.partition import PartitionDispatcher
from headwater.stages.messages import StageSubscription
from headwater.stages.producer_consumer import ProducerConsumer
from headwater.stages.receiver import Receiver

Data = TypeVar("Data")


class _Processing(Receiver[Message[Data]], Generic[Data]):
    """What both kinds of processors have in common."""

    def init(self, deployment: Deployment[Data], index: int) -> None:
        """Subscribe to the source stages."""
        self._deployment = deployment
        self._work = MessageWork(deployment, self._cell, self._pass_on)
        deployment.processors[index] = self.pid
        self._subscriptions = SourceSubscriptions(self, deployment)
        self._subscriptions.begin()

    def handle_cancel(self, subscription: StageSubscription, reason: Reason) -> object:
        """A source stage has ended: subscribe to its successor. Or a batcher has, and this process will, too."""
        self._subscriptions.ended(subscription)
        return None

    async def handle_info(self, message: object) -> None:
        """The end of a back-off, or of the wait for a source stage."""
        if isinstance(message, RetryDue):
            outcome = self._work.retry(message)
            self._pass_on(await outcome if isinstance(outcome, Coroutine) else outcome)
        elif isinstance(message, Resubscribe):
            self._subscriptions.subscribe(message.source)
        else:
            super().handle_info(message)

    def _pass_on(self, messages: list[Message[Data]]) -> None:
        """These were handled, and go on to batchers."""

    def _handle(
        self, messages: list[Message[Data]], source: StageSubscription
    ) -> list[Message[Data]] | Coroutine[object, object, list[Message[Data]]]:
        """Handle what a source stage gave; not if it has ended, because its successor gives them again."""
        return self._work.run(messages) if source.producer.alive else []


class Processor(_Processing[Data], ProducerConsumer[Message[Data], Message[Data]], Generic[Data]):
    """A processor that passes messages on to batchers."""

    def init(self, deployment: Deployment[Data], index: int) -> None:
        """Subscribe to the source stages. What it emits is bounded by what they keep, so nothing is discarded."""
        self.buffer_size = deployment.capacity
        super().init(deployment, index)

    def dispatcher(self) -> Dispatcher[Message[Data]]:
        """To each batcher what is meant for it."""
        batchers = self._deployment.handlers.batchers
        if len(batchers) == 1:
            return DemandDispatcher()
        return PartitionDispatcher(list(batchers), hash=lambda message: (message, message.batcher))

    def handle_events(
        self, events: list[Message[Data]], source: StageSubscription
    ) -> list[Message[Data]] | Coroutine[object, object, list[Message[Data]]]:
        """Handle messages."""
        return self._handle(events, source)

    def _pass_on(self, messages: list[Message[Data]]) -> None:
        self.emit(messages)


class LastProcessor(_Processing[Data], Consumer[Message[Data]], Generic[Data]):
    """A processor of a pipeline without batchers."""

    def handle_events(self, events: list[Message[Data]], source: StageSubscription) -> object:
        """Handle messages."""
        return self._handle(events, source)
