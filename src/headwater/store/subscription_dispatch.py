"""Which consumer gets which event. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, Final, Generic, TypeAlias, TypeVar

from headwater.store.subscription_output import Deliver

E = TypeVar("E")


Item: TypeAlias = tuple[int, Hashable, E]
"""An event on its way to a consumer: where it lies, its key (None where there are no keys), the event."""

place_in: Final[Callable[[Item[Any]], int]] = itemgetter(0)
event_in: Final[Callable[[Item[Any]], Any]] = itemgetter(2)


class _Consumer(Generic[E]):
    """What one consumer has, and what waits for it.

    Attributes:
        in_flight: delivered and not acknowledged, by place, in the order of delivery.
        backlog: waits for room, because earlier events of the same keys are in flight here.
    """

    __slots__ = ("backlog", "fresh", "in_flight")

    def __init__(self) -> None:
        self.in_flight: dict[int, Item[E]] = {}
        self.backlog: deque[Item[E]] = deque()
        self.fresh: list[E] = []

    def take(self, item: Item[E]) -> None:
        self.in_flight[item[0]] = item
        self.fresh.append(item[2])

    def take_many(self, items: Sequence[Item[E]]) -> None:
        self.in_flight.update(zip(map(place_in, items), items, strict=True))
        self.fresh.extend(map(event_in, items))


class Dispatch(Generic[E]):
    """Deals events out to consumers, in order, at most so many unacknowledged ones to each.

    Without keys the consumer that has the fewest gets the next event. With keys an event goes to the consumer that
    has earlier events of its key, as long as these are not acknowledged; so events of one key come in order, whoever
    handles them. The events of a consumer that leaves are dealt out again, before later ones.

    Args:
        room: how many unacknowledged events a consumer may have.
        keyed: whether items have keys.
    """

    __slots__ = ("_backlogged", "_consumers", "_keyed", "_owners", "_pending", "_room")

    def __init__(self, room: int, *, keyed: bool) -> None:
        self._room: Final = room
        self._keyed: Final = keyed
        self._pending: deque[Item[E]] = deque()
        self._consumers: dict[int, _Consumer[E]] = {}  # the one that was served last comes last
        self._owners: dict[Hashable, tuple[_Consumer[E], int]] = {}
        self._backlogged = 0

    @property
    def waiting(self) -> int:
        """How many events were read and not delivered."""
        return len(self._pending) + self._backlogged

    @property
    def unacknowledged(self) -> int:
        """How many events were delivered and not acknowledged."""
        return sum([len(consumer.in_flight) for consumer in self._consumers.values()])

    @property
    def consumers(self) -> int:
        """How many consumers there are."""
        return len(self._consumers)

    def join(self, consumer: int) -> None:
        """A consumer has come."""
        self._consumers[consumer] = _Consumer()

    def leave(self, consumer: int) -> None:
        """A consumer has gone; what it had not acknowledged waits again."""
        left = self._consumers.pop(consumer)
        for item in chain(left.in_flight.values(), left.backlog):
            self._owners.pop(item[1], None)
        self._backlogged -= len(left.backlog)
        if left.in_flight or left.backlog:
            self._pending = deque(sorted(chain(left.in_flight.values(), left.backlog, self._pending), key=place_in))

    def add(self, items: Iterable[Item[E]]) -> None:
        """Events were read: they come behind all others."""
        self._pending.extend(items)

    def delivered(self, consumer: int) -> dict[int, Item[E]]:
        """What a consumer has and has not acknowledged, by place, in the order of delivery. Not to be changed."""
        return self._consumers[consumer].in_flight

    def acknowledge(self, consumer: int, places: Iterable[int]) -> None:
        """A consumer has done with events that it has."""
        in_flight = self._consumers[consumer].in_flight
        if not self._keyed:
            for place in places:
                del in_flight[place]
            return
        for place in places:
            self._free(in_flight.pop(place)[1])

    def deliver(self) -> list[Deliver[E]]:
        """Deal out what there is room for."""
        if self._backlogged:
            self._serve_backlogs()
        if self._keyed or len(self._consumers) > 1:
            self._deal()
        else:
            self._serve_only()
        return self._collect()

    # --- inside ------------------------------------------------------------------------------------------------

    def _serve_only(self) -> None:
        """The same as `_deal` for one consumer and no keys, without looking for a consumer each time."""
        pending = self._pending
        for consumer in self._consumers.values():
            count = min(len(pending), self._room - len(consumer.in_flight))
            consumer.take_many([pending.popleft() for _ in range(count)])

    def _serve_backlogs(self) -> None:
        for consumer in self._consumers.values():
            while consumer.backlog and len(consumer.in_flight) < self._room:
                consumer.take(consumer.backlog.popleft())
                self._backlogged -= 1

    def _deal(self) -> None:
        pending = self._pending
        while pending:
            owner, count = self._owners.get(pending[0][1], _NOBODY)
            consumer = owner or self._least_loaded()
            if consumer is None:
                return
            item = pending.popleft()
            if self._keyed:
                self._owners[item[1]] = (consumer, count + 1)
            if owner is not None and len(owner.in_flight) >= self._room:
                owner.backlog.append(item)
                self._backlogged += 1
            else:
                consumer.take(item)

    def _least_loaded(self) -> _Consumer[E] | None:
        """The consumer with the fewest events; among equals the one that was served longest ago."""
        consumers = self._consumers
        number = min(consumers, key=lambda one: len(consumers[one].in_flight), default=None)
        if number is None or len(consumers[number].in_flight) >= self._room:
            return None
        chosen = consumers[number] = consumers.pop(number)
        return chosen

    def _free(self, key: Hashable) -> None:
        """One event of a key is done; after the last one the key belongs to nobody."""
        owner, count = self._owners[key]
        if count == 1:
            del self._owners[key]
        else:
            self._owners[key] = (owner, count - 1)

    def _collect(self) -> list[Deliver[E]]:
        deliveries = []
        for number, consumer in self._consumers.items():
            if consumer.fresh:
                deliveries.append(Deliver(number, consumer.fresh))
                consumer.fresh = []
        return deliveries


_NOBODY: Final = (None, 0)
