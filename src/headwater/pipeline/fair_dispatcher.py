"""FairDispatcher: which processor gets which message. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar

from headwater.pipeline.fair_queue import FairQueue, FifoQueue, Keyed
from headwater.stages.dispatchers.dispatcher import Delivery, Dispatcher
from headwater.stages.options import SubscribeOptions

K = TypeVar("K", bound=Keyed)


class FairDispatcher(Dispatcher[K]):
    """Spreads messages over the processors that have asked, in order per key if there are keys.

    A message whose processor hasn't asked, because others of its key are under way there, waits in its key's lane;
    meanwhile others go on. When a consumer leaves, everything that waits is forgotten: the source stage, which still
    has it, dispatches it again.

    Args:
        queue: where messages wait.
        limit: how many messages may wait.
    """

    __slots__ = ("_demand", "_limit", "_queue")

    def __init__(self, queue: FairQueue[K] | FifoQueue[K], limit: int) -> None:
        self._queue = queue
        self._limit = limit
        self._demand: dict[int, int] = {}

    def subscribe(self, key: int, process: Hashable, options: SubscribeOptions[K]) -> str | None:
        """Take a new consumer."""
        self._demand[key] = 0
        return None

    def ask(self, key: int, demand: int) -> list[Delivery[K]]:
        """The consumer asks for so many messages more. Returns those that waited for it.

        Whatever waits, the others can't have: they would have got it already.
        """
        self._demand[key] += demand
        events = self._queue.take(key, self._demand[key]) if self._queue.waiting else []
        self._demand[key] -= len(events)
        return [Delivery(key, events)] if events else []

    def cancel(self, key: int) -> None:
        """The consumer has left. Forgets everything that waits."""
        del self._demand[key]
        self._queue.clear()

    def dispatch(self, events: list[K]) -> list[Delivery[K]]:
        """Place messages."""
        self._queue.put(events)
        return self._serve()

    def release(self, messages: list[K]) -> list[Delivery[K]]:
        """These have gone through the pipeline. Returns what can go on because of that."""
        return self._serve() if self._queue.release(messages) and any(self._demand.values()) else []

    @property
    def wanted(self) -> int:
        """What all consumers want, as long as there is room for what they don't get."""
        return min(sum(self._demand.values()), self.room)

    @property
    def room(self) -> int:
        """How many messages may still wait."""
        return max(self._limit - self._queue.waiting, 0)

    @property
    def queued(self) -> int:
        """How many messages wait."""
        return self._queue.waiting

    def _serve(self) -> list[Delivery[K]]:
        """Give everybody an even share; then what is left to those who may have it."""
        deliveries = self._share(even=True)
        if deliveries and self._queue.waiting:
            deliveries += self._share(even=False)
        return deliveries

    def _share(self, *, even: bool) -> list[Delivery[K]]:
        """Give to those who want most first."""
        may_have = self._queue.may_have
        hungry = [key for key, demand in self._demand.items() if demand and may_have(key)]
        hungry.sort(key=self._demand.__getitem__)
        deliveries = []
        while hungry and self._queue.waiting:
            share = -(-self._queue.waiting // len(hungry)) if even else self._queue.waiting
            key = hungry.pop()
            events = self._queue.take(key, min(self._demand[key], share))
            self._demand[key] -= len(events)
            if events:
                deliveries.append(Delivery(key, events))
        return deliveries
