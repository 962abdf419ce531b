"""SourceStage: the process that reads a source, and keeps what is not acknowledged."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from headwater.pipeline.deployment import Deployment
from headwater.pipeline.fair_dispatcher import FairDispatcher
from headwater.pipeline.fair_queue import FairQueue, FifoQueue
from headwater.pipeline.message import Failure, Message
from headwater.pipeline.origin import Early, LiveOrigin, Settled
from headwater.pipeline.reader import Acknowledged, Fetched, Reader
from headwater.pipeline.source import Delivery
from headwater.runtime.exits import Reason, is_abnormal
from headwater.runtime.reply import Deferred
from headwater.stages.dispatchers.dispatcher import Dispatcher
from headwater.stages.messages import StageSubscription
from headwater.stages.producer import Producer

Data = TypeVar("Data")

_NEXT_INTERVAL: Final = "next interval"


class SourceStage(Producer[Message[Data]], Generic[Data]):
    """Emits the messages of one source as processors ask for them, and keeps each until it is acknowledged.

    It emits only while all processors of the pipeline are subscribed. When one of them leaves, they are all started
    anew; then it emits again, in order, what it keeps.
    """

    trap_exit = True

    def init(self, deployment: Deployment[Data], index: int) -> None:
        """Wait for the processors; then open the source of this number."""
        handlers = deployment.handlers
        self._deployment = deployment
        self._index = index
        self._pipeline = handlers
        self.buffer_size = handlers.max_unacknowledged
        self._dispatcher: FairDispatcher[Message[Data]] = FairDispatcher(
            FairQueue() if deployment.keyed else FifoQueue(), handlers.max_unacknowledged
        )
        self._kept: dict[int, Delivery[Data] | None] = {}  # None for what was acknowledged early
        self._unsent: deque[int] = deque()
        self._next = 0
        self._owed = 0
        self._ready = False
        self._over = False
        self._limited = False
        self._reader: Reader[Data] = Reader(handlers.sources[index], self._cell)
        self._origin = LiveOrigin(self._cell, self._reader, deployment.default_batcher)
        self._drained: list[Deferred[None]] = []
        deployment.sources[index] = self.pid
        deployment.set_over(index, False)

    # --- what others call ------------------------------------------------------------------------------------

    def drain(self) -> Deferred[None]:
        """Give nothing new. The answer comes when everything is acknowledged that was given."""
        self._reader.cancel_fetch()
        deferred = self.defer(type(None))
        self._drained.append(deferred)
        self._tell_drained()
        return deferred

    def go_on(self) -> None:
        """Emit what may be emitted now. For when the rate has changed."""
        self._limited = False
        self._pump()

    # --- consumers -------------------------------------------------------------------------------------------

    def dispatcher(self) -> Dispatcher[Message[Data]]:
        """In order per key, if there are keys."""
        return self._dispatcher

    def handle_subscribe(self, subscription: StageSubscription) -> None:
        """Begin when the last processor has come."""
        self._ready = self._is_ready()
        self._pump()

    def handle_cancel(self, subscription: StageSubscription, reason: Reason) -> None:
        """A processor has left: wait for all of them, and emit what is kept again then."""
        self._ready = self._is_ready()  # it may be: one that had died before it was subscribed
        for number in [number for number, delivery in self._kept.items() if delivery is None]:
            del self._kept[number]
        self._unsent = deque(self._kept)
        # What the dead one had asked for is owed to nobody. If it were, its successors' demand might not be heard of.
        self._owed = 0
        self._stage_outflow.forgive()
        self._settled()

    def handle_demand(self, demand: int) -> Sequence[Message[Data]]:
        """Owe so many messages more."""
        self._owed += demand
        return self._give()

    def _is_ready(self) -> bool:
        """Whether all processors are there. One that has died may be among them still, and new ones beside it."""
        consumers = self.consumers()
        if len(consumers) != self._pipeline.processors.concurrency:
            return False
        return all(subscription.consumer.alive for subscription in consumers)

    # --- messages --------------------------------------------------------------------------------------------

    def handle_info(self, message: object) -> None:
        """What the reader has done, what was acknowledged, or the end of a wait."""
        if isinstance(message, Settled):
            self._settle(message)
        elif isinstance(message, Early):
            self._settle_early(message.message)
        elif isinstance(message, Fetched):
            self._fetched(message)
        elif isinstance(message, Acknowledged):
            self._settled()
        elif message is _NEXT_INTERVAL:
            self.go_on()
        else:
            super().handle_info(message)

    async def terminate(self, reason: Reason) -> None:
        """Finish what is being acknowledged; close the source, for which after a crash nobody waits."""
        await self._reader.finish()
        if not is_abnormal(reason):
            await self._reader.close()

    def _fetched(self, fetched: Fetched[Data]) -> None:
        if fetched.error is not None:
            raise fetched.error
        self._over = not fetched.deliveries
        for delivery in fetched.deliveries:
            self._kept[self._next] = delivery
            self._unsent.append(self._next)
            self._next += 1
        self._settled()

    def _settle(self, settled: Settled[Data]) -> None:
        """Messages have gone through: tell the source of those that it doesn't know of yet."""
        handled = self._forget(settled.handled)
        failed = self._forget(settled.failed)
        if handled or failed:
            self._reader.acknowledge(handled, failed)
        deliveries = self._dispatcher.release(settled.handled) + self._dispatcher.release(settled.failed)
        self._stage_outflow.send(deliveries)
        self._settled()

    def _forget(self, messages: list[Message[Data]]) -> list[Delivery[Data]]:
        kept = self._kept
        return [message.delivery for message in messages if kept.pop(message.number, None) is not None]

    def _settle_early(self, message: Message[Data]) -> None:
        if self._kept.get(message.number) is not None:
            self._kept[message.number] = None
            self._reader.acknowledge([message.delivery], [])

    def _settled(self) -> None:
        self._pump()
        self._tell_drained()

    def _tell_drained(self) -> None:
        empty = not self._kept and not self._reader.acknowledging
        self._deployment.set_over(self._index, empty and self._over)
        if empty and self._drained:
            drained, self._drained = self._drained, []
            for deferred in drained:
                deferred.reply(None)

    # --- emitting --------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        messages = self._give()
        if messages:
            self.emit(messages)

    def _give(self) -> list[Message[Data]]:
        """What may be emitted now; it counts as emitted. Fetches more, if more is owed."""
        messages: list[Message[Data]] = []
        if self._ready and self._unsent and not self._limited:
            messages = self._next_messages(min(self._owed, self._dispatcher.wanted, len(self._unsent)))
            self._owed -= len(messages)
        self._fetch()
        return messages

    def _fetch(self) -> None:
        room = self._pipeline.max_unacknowledged - len(self._kept) - self._reader.acknowledging
        demand = min(self._owed - len(self._unsent), room)
        if demand > 0 and not (self._over or self._deployment.draining or self._reader.fetching):
            self._reader.fetch(demand)

    def _next_messages(self, count: int) -> list[Message[Data]]:
        granted = self._grant(count)
        kept, unsent, messages = self._kept, self._unsent, list[Message[Data]]()
        origin, batcher = self._origin, self._origin.batcher
        while unsent and len(messages) < granted:
            number = unsent.popleft()
            delivery = kept.get(number)
            if delivery is not None:
                messages.append(Message(delivery.item, delivery, origin, number, batcher, delivery.flush))
        if self._deployment.keyed:
            self._set_keys(messages)
        return messages

    def _grant(self, count: int) -> int:
        """How many of so many messages the rate allows now. Waits for the next interval if it is fewer."""
        if not count:
            return 0
        now = self._cell.node.clock.monotonic()
        granted = self._deployment.rate.take(count, now)
        if granted < count:
            self._limited = True
            self.send_after(self._deployment.rate.wait(now), _NEXT_INTERVAL)
        return granted

    def _set_keys(self, messages: list[Message[Data]]) -> None:
        partition_by = self._pipeline.partition_by
        for message in messages:
            try:
                message.key = key = partition_by(message.data)
                hash(key)
            except Exception as error:  # noqa: BLE001 - it has failed, whatever the application raised
                message.key = None
                message.failure = Failure(error, retry=False)
