"""DemandDispatcher: each event to one consumer, to the one who wants most. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, TypeVar

from headwater.clock import Rng
from headwater.stages.dispatchers.dispatcher import Delivery, Dispatcher, refuse_option
from headwater.stages.options import SubscribeOptions

E = TypeVar("E")

PATIENCE: Final = 100
"""In how many dispatches a consumer that has asked may be passed over."""


class DemandDispatcher(Dispatcher[E]):
    """Gives each event to one consumer: to the one with the biggest demand pending.

    Of consumers with the same demand it is the one that waits longest.

    A consumer with a small demand beside one with a big demand would wait for ever. So one that was passed over in
    `PATIENCE` dispatches comes first; and a differing `max_demand` is remarked on, because it still gets less.

    Args:
        shuffle: where chance comes from, if the consumers' order is to be shuffled before the first dispatch: without
            it, many producers that start together all begin with the same consumer.
    """

    __slots__ = ("_consumers", "_max_demand", "_shuffle", "_wanted")

    def __init__(self, *, shuffle: Rng | None = None) -> None:
        self._consumers: dict[int, _Waiting] = {}  # of equal ones, who waits longest stands first
        self._max_demand: int | None = None
        self._wanted = 0
        self._shuffle = shuffle

    def subscribe(self, key: int, process: Hashable, options: SubscribeOptions[E]) -> str | None:
        """Take a new consumer. Remarks on a `max_demand` that differs from the first one's."""
        for name in ("partition", "selector"):
            refuse_option(options, name, "DemandDispatcher")
        self._consumers[key] = _Waiting()
        if self._max_demand is None:
            self._max_demand = options.max_demand
        if self._max_demand == options.max_demand:
            return None
        return (
            f"its consumers should have the same max_demand, but one has {self._max_demand}, "
            f"another {options.max_demand}, which will not get the same share"
        )

    def ask(self, key: int, demand: int) -> list[Delivery[E]]:
        """The consumer asks for so many events more."""
        self._wanted += demand
        consumer = self._consumers.pop(key)
        consumer.demand += demand
        self._consumers[key] = consumer
        return []

    def cancel(self, key: int) -> None:
        """The consumer has left."""
        self._wanted -= self._consumers.pop(key).demand
        if not self._consumers:
            self._max_demand = None

    def dispatch(self, events: list[E]) -> list[Delivery[E]]:
        """Give the events to those who want most."""
        if self._shuffle is not None:
            self._shuffle_once(self._shuffle)
        if len(self._consumers) == 1:
            return [self._serve(next(iter(self._consumers)), events)]
        for consumer in self._consumers.values():
            consumer.passed_over += consumer.demand > 0
        deliveries = []
        start = 0
        while start < len(events):
            key = max(self._consumers, key=self._rank)
            deliveries.append(self._serve(key, events[start : start + self._consumers[key].demand]))
            start += len(deliveries[-1].events)
        return deliveries

    @property
    def wanted(self) -> int:
        """What all consumers together have asked for and not got."""
        return self._wanted

    def _serve(self, key: int, events: list[E]) -> Delivery[E]:
        consumer = self._consumers.pop(key)
        consumer.demand -= len(events)
        consumer.passed_over = 0
        self._consumers[key] = consumer
        self._wanted -= len(events)
        return Delivery(key, events)

    def _rank(self, key: int) -> tuple[bool, int]:
        consumer = self._consumers[key]
        return consumer.demand > 0 and consumer.passed_over > PATIENCE, consumer.demand

    def _shuffle_once(self, rng: Rng) -> None:
        self._shuffle = None
        self._consumers = dict(sorted(self._consumers.items(), key=lambda _: rng.random()))


class _Waiting:
    """A consumer.

    Attributes:
        demand: what it has asked for and not got.
        passed_over: in how many dispatches it got nothing although it had asked.
    """

    __slots__ = ("demand", "passed_over")

    def __init__(self) -> None:
        self.demand = 0
        self.passed_over = 0
