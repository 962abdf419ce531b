"""PartitionDispatcher: each event to the consumer of its partition. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Final, Generic, TypeVar

from headwater.errors import DefinitionError, PartitionTaken, SubscriptionRefused, UnknownPartition, one_of
from headwater.runtime.partitions import partition_of
from headwater.stages.dispatchers.dispatcher import Delivery, Dispatcher, refuse_option
from headwater.stages.options import SubscribeOptions

E = TypeVar("E")

LIMIT: Final = 1_000
"""How many events may wait for a slow partition, unless told otherwise."""


class PartitionDispatcher(Dispatcher[E]):
    """Gives each event to the one consumer of its partition, so that events of one key keep their order.

    Events of a partition whose consumer is slow, or that has no consumer, wait; of each partition at most `limit`. Then
    the producer is asked for nothing more until that partition moves again: a hot partition holds up the others in the
    end, but nothing is lost and nothing grows without bound. What a producer emits without being asked goes into its
    buffer meanwhile.

    Args:
        partitions: their number, for partitions 0, 1, 2 …, or their names.
        hash: for an event, what the consumer is to get for it, and in which partition; None if nobody is to get it. By
            default the event's own value decides; see `partition_of`. If it raises, or names a partition that isn't
            there, the producer ends.
        limit: how many events may wait for one partition.

    Raises:
        DefinitionError: there is no partition, one has the name None, two have the same name, the limit is below 1, or
        names come without `hash`.
    """

    __slots__ = ("_hash", "_keys", "_limit", "_marks", "_partitions")

    def __init__(
        self,
        partitions: int | Iterable[Hashable],
        *,
        hash: Callable[[E], tuple[E, Hashable] | None] | None = None,  # noqa: A002 - the field's term
        limit: int = LIMIT,
    ) -> None:
        names = list(range(partitions) if isinstance(partitions, int) else partitions)
        if not names or None in names:
            raise DefinitionError(f"a PartitionDispatcher has partitions, none of them None, not {partitions!r}")
        if len(set(names)) < len(names):
            raise DefinitionError(f"each partition has a name of its own, but one stands twice in {names!r}")
        if limit < 1:
            raise DefinitionError(f"at least 1 event may wait for a partition, not {limit}")
        if hash is None and not isinstance(partitions, int):
            raise DefinitionError("partitions that have names need a `hash` that gives them")
        self._hash = hash or (lambda event: (event, partition_of(event, len(names))))
        self._limit = limit
        self._partitions: dict[Hashable, _Partition[E]] = {name: _Partition() for name in names}
        self._keys: dict[int, _Partition[E]] = {}
        self._marks: deque[tuple[object, list[tuple[_Partition[E], int]]]] = deque()

    def subscribe(self, key: int, process: Hashable, options: SubscribeOptions[E]) -> str | None:
        """Take a new consumer.

        Raises:
            UnknownPartition: there is no such partition.
            PartitionTaken: it has a consumer already.
            SubscriptionRefused: the consumer names no partition.
        """
        refuse_option(options, "selector", "PartitionDispatcher")
        if options.partition is None:
            raise SubscriptionRefused(f"name the partition to subscribe to, one of {self._names()}")
        partition = self._find(options.partition)
        if partition.key is not None:
            raise PartitionTaken(f"partition {options.partition!r} has a consumer already, and can have only one")
        partition.key = key
        self._keys[key] = partition
        return None

    def ask(self, key: int, demand: int) -> list[Delivery[E]]:
        """The consumer asks for so many events more. Returns those that waited for it."""
        partition = self._keys[key]
        partition.demand += demand
        return _taken([partition])

    def cancel(self, key: int) -> None:
        """The consumer has left. What waits for its partition waits for the next consumer."""
        partition = self._keys.pop(key)
        partition.key = None
        partition.demand = 0

    def dispatch(self, events: list[E]) -> list[Delivery[E]]:
        """Give each event to its partition.

        Raises:
            UnknownPartition: `hash` gave a partition that there isn't. None of the events was dispatched.
        """
        shares = self._share(events)
        for partition, share in shares.items():
            partition.waiting.extend(share)
        return _taken(shares)

    @property
    def wanted(self) -> int:
        """What the fastest consumer wants, as long as even the slowest partition could keep it."""
        most = max(partition.demand for partition in self._partitions.values())
        return min(most, self.room)

    @property
    def room(self) -> int:
        """How many events fit if all of them belong to the fullest partition; 0 while nobody wants any."""
        if not any(partition.demand for partition in self._keys.values()):
            return 0
        return min(self._limit + partition.demand - len(partition.waiting) for partition in self._partitions.values())

    @property
    def queued(self) -> int:
        """How many events wait for their consumers."""
        return sum(len(partition.waiting) for partition in self._partitions.values())

    def mark(self, message: object) -> bool:
        """Keep a message until all that waits now has gone."""
        ahead = [
            (partition, partition.gone + len(partition.waiting))
            for partition in self._partitions.values()
            if partition.waiting
        ]
        if ahead:
            self._marks.append((message, ahead))
        return bool(ahead)

    def due(self) -> list[object]:
        """The messages that it has kept long enough."""
        due = []
        while self._marks and all(partition.gone >= count for partition, count in self._marks[0][1]):
            due.append(self._marks.popleft()[0])
        return due

    def _share(self, events: list[E]) -> dict[_Partition[E], list[E]]:
        shares: dict[_Partition[E], list[E]] = {}
        for event in events:
            place = self._hash(event)
            if place is not None:
                shares.setdefault(self._find(place[1]), []).append(place[0])
        return shares

    def _find(self, name: Hashable) -> _Partition[E]:
        partition = self._partitions.get(name)
        if partition is None:
            raise UnknownPartition(f"there is no partition {name!r}; there are: {self._names()}")
        return partition

    def _names(self) -> str:
        return one_of([repr(name) for name in self._partitions])


class _Partition(Generic[E]):
    """A partition.

    Attributes:
        key: its consumer's, or None.
        demand: what its consumer has asked for and not got; 0 while something waits.
        gone: how many events have gone to consumers.
        waiting: the events that nobody has asked for yet.
    """

    __slots__ = ("demand", "gone", "key", "waiting")

    def __init__(self) -> None:
        self.key: int | None = None
        self.demand = 0
        self.gone = 0
        self.waiting: deque[E] = deque()

    def take(self) -> list[E]:
        """What waits and is wanted."""
        waiting = self.waiting
        if self.demand >= len(waiting):
            events = list(waiting)
            waiting.clear()
        else:
            events = [waiting.popleft() for _ in range(self.demand)]
        self.demand -= len(events)
        self.gone += len(events)
        return events


def _taken(partitions: Iterable[_Partition[E]]) -> list[Delivery[E]]:
    """What of each partition waits and is wanted."""
    taken = [(partition.key, partition.take()) for partition in partitions]
    return [Delivery(key, events) for key, events in taken if key is not None and events]
