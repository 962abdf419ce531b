"""FairQueue: messages that wait for processors, in order per key, each key in its turn. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterable
from typing import Generic, Protocol, TypeVar


class Keyed(Protocol):
    """A message, as far as this queue has to know it."""

    @property
    def key(self) -> Hashable:
        """Messages of one key keep their order. None for no order."""

    @property
    def number(self) -> int:
        """What it is known by."""


K = TypeVar("K", bound=Keyed)


class FairQueue(Generic[K]):
    """One lane for each key. Consumers take turns at the lanes, one message of each at a time.

    - A lane that has messages under way belongs to the consumer that has them: others don't get its messages. So
      whatever a consumer does in order is done in order per key. It is free again when nothing of it is under way.
    - A key with many messages doesn't keep those of others waiting: of the lanes that a consumer may take from, the one
      comes next that has waited longest for its turn.

    How many messages wait is bounded by whoever puts them in.
    """

    __slots__ = ("_free", "_lanes", "_own", "_turns", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        self._lanes: dict[Hashable, _Lane[K]] = {}
        self._free: OrderedDict[Hashable, _Lane[K]] = OrderedDict()  # lanes with messages that are nobody's
        self._own: dict[int, OrderedDict[Hashable, _Lane[K]]] = {}  # those of each consumer
        self._turns = 0

    def put(self, messages: Iterable[K]) -> None:
        """Queue messages, each behind those of its key."""
        lanes = self._lanes
        for message in messages:
            key = _lane_of(message)
            lane = lanes.get(key)
            if lane is None:
                lane = lanes[key] = _Lane()
            if not lane.waiting:
                self._line_up(key, lane)
            lane.waiting.append(message)
            self.waiting += 1

    def take(self, consumer: int, limit: int) -> list[K]:
        """The next messages for a consumer, at most so many. They are under way until they are released."""
        own, free = self._own.setdefault(consumer, OrderedDict()), self._free
        taken: list[K] = []
        while len(taken) < limit and (own or free):
            key, lane = (free if not own or (free and _turn(free) < _turn(own)) else own).popitem(last=False)
            taken.append(lane.waiting.popleft())
            lane.under_way += 1
            lane.consumer = consumer
            if lane.waiting:
                self._line_up(key, lane)
        self.waiting -= len(taken)
        return taken

    def may_have(self, consumer: int) -> bool:
        """Whether there is a message for a consumer, unless others take it before."""
        return bool(self._free or self._own.get(consumer))

    def release(self, messages: Iterable[K]) -> bool:
        """These are under way no more. Returns whether a lane has become free in which messages wait."""
        lanes, freed = self._lanes, False
        for message in messages:
            key = _lane_of(message)
            lane = lanes.get(key)
            if lane is None or not lane.under_way:
                continue
            lane.under_way -= 1
            if not lane.under_way:
                freed = self._set_free(key, lane) or freed
        return freed

    def clear(self) -> None:
        """Forget everything: what waits, and what is under way."""
        self.__init__()  # type: ignore[misc]

    def _line_up(self, key: Hashable, lane: _Lane[K]) -> None:
        """The lane has messages, and waits for its turn behind all others."""
        self._turns += 1
        lane.turn = self._turns
        (self._free if lane.consumer is None else self._own[lane.consumer])[key] = lane

    def _set_free(self, key: Hashable, lane: _Lane[K]) -> bool:
        if not lane.waiting:
            del self._lanes[key]
            return False
        if lane.consumer is not None:
            del self._own[lane.consumer][key]
        lane.consumer = None
        self._free[key] = lane
        self._free.move_to_end(key, last=False)  # it has waited longer than those who came since
        return True


class FifoQueue(Generic[K]):
    """The same for messages without an order: whoever asks first gets them first."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[K] = []

    @property
    def waiting(self) -> int:
        """How many messages wait."""
        return len(self._waiting)

    def put(self, messages: Iterable[K]) -> None:
        """Queue messages."""
        self._waiting.extend(messages)

    def take(self, consumer: int, limit: int) -> list[K]:
        """The next messages, at most so many."""
        taken, self._waiting = self._waiting[:limit], self._waiting[limit:]
        return taken

    def may_have(self, consumer: int) -> bool:
        """Whether there is a message."""
        return bool(self._waiting)

    def release(self, messages: Iterable[K]) -> bool:
        """Nothing depends on what is under way."""
        return False

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting = []


class _Lane(Generic[K]):
    """The messages of one key.

    Attributes:
        waiting: those that no consumer has yet.
        under_way: how many a consumer has.
        consumer: which; None if none are under way.
        turn: those with lower numbers come first.
    """

    __slots__ = ("consumer", "turn", "under_way", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[K] = deque()
        self.under_way = 0
        self.consumer: int | None = None
        self.turn = 0


def _lane_of(message: Keyed) -> Hashable:
    """Its key; a message without one has a lane for itself."""
    return (message.number,) if message.key is None else message.key


def _turn(lanes: OrderedDict[Hashable, _Lane[K]]) -> int:
    return next(iter(lanes.values())).turn
