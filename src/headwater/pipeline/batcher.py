"""BatcherStage: the process that puts messages into batches."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

from headwater.pipeline.batch import Batch
from headwater.pipeline.deployment import Deployment
from headwater.pipeline.message import Message
from headwater.pipeline.open_batches import OpenBatches
from headwater.pipeline.spans import BATCHER
from headwater.runtime.timer import MessageTimer
from headwater.stages.dispatchers.demand import DemandDispatcher
from headwater.stages.dispatchers.dispatcher import Dispatcher
from headwater.stages.dispatchers.partition import PartitionDispatcher
from headwater.stages.messages import StageSubscription
from headwater.stages.producer_consumer import ProducerConsumer

Data = TypeVar("Data")

DRAIN_TIMEOUT: Final = 0.05
"""Seconds that a batch waits for more messages while the pipeline drains. Not at once, so that batches stay big."""


class BatcherStage(ProducerConsumer[Message[Data], Batch[Data]], Generic[Data]):
    """Emits batches as they are full, and as their time is over."""

    def init(self, deployment: Deployment[Data], name: str) -> None:
        """Subscribe to the processors, which started before."""
        options = deployment.handlers.batchers[name]
        self.buffer_size = deployment.capacity
        self._deployment = deployment
        self._name = name
        self._partitions = options.concurrency if deployment.keyed else 1
        self._open: OpenBatches[Data] = OpenBatches(name, options, keyed=deployment.keyed)
        self._timer: MessageTimer | None = None
        deployment.batchers[name] = self.pid
        if deployment.draining:
            self.drain()
        partition = name if len(deployment.handlers.batchers) > 1 else None
        for processor in deployment.processors.values():
            demand = options.max_demand or options.size
            self.subscribe_to(processor, max_demand=demand, partition=partition, cancel="temporary")

    def dispatcher(self) -> Dispatcher[Batch[Data]]:
        """To whoever is free; if order per key is kept, to whom the key belongs."""
        if self._partitions == 1:
            return DemandDispatcher()
        return PartitionDispatcher(self._partitions, hash=lambda batch: (batch, batch.partition))

    def drain(self) -> None:
        """The pipeline ends: let no batch wait for long."""
        self._open.drain(DRAIN_TIMEOUT, self._cell.node.clock.monotonic())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._set_timer()

    def handle_events(self, events: list[Message[Data]], source: StageSubscription) -> list[Batch[Data]]:
        """Put messages into batches."""
        telemetry, said = self._cell.node.telemetry, {"batcher": self._name, "count": len(events)}
        with telemetry.span(BATCHER, pipeline=self._deployment.handlers.name, **said) as span:
            full = self._open.add(events, self._cell.node.clock.monotonic())
            span.set(full=len(full))
        self._set_timer()
        return full

    def handle_info(self, message: object) -> None:
        """The time of a batch may be over."""
        if message is not _TIME_OVER:
            super().handle_info(message)
            return
        self._timer = None
        self.emit(self._open.expire(self._cell.node.clock.monotonic()))
        self._set_timer()

    def _set_timer(self) -> None:
        """One timer for all batches: set for the oldest, which may be full before that."""
        due = self._open.due
        if due is not None and self._timer is None:
            wait = due - self._cell.node.clock.monotonic()
            self._timer = self.send_after(max(wait, 0.0), _TIME_OVER)


_TIME_OVER: Final = "time over"
