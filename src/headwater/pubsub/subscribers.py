"""Who is subscribed on this node, and how a message gets to them."""

from __future__ import annotations

from collections.abc import Callable

from headwater.pubsub.delivery import Delivery
from headwater.pubsub.entry import Dispatcher, Entry
from headwater.pubsub.holding import Holding
from headwater.pubsub.subscription import Subscription
from headwater.pubsub.topics import TopicIndex
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process


class Subscribers:
    """The subscriptions of one node: of processes, and of readers that are no process.

    Args:
        shards: in how many dictionaries the topics lie.

    Raises:
        InvalidTopicSubscription: fewer than one shard.
    """

    __slots__ = ("_delivery", "_holdings", "_on_end", "_readers", "_topics")

    def __init__(self, shards: int) -> None:
        self._topics = TopicIndex(shards)
        self._holdings: dict[Process, Holding] = {}
        self._readers: dict[Subscription[object], Entry] = {}
        self._delivery = Delivery()
        self._on_end = self._release  # one method object for all holdings

    def __len__(self) -> int:
        return len(self._topics)

    def count(self, topic: str) -> int:
        """How many subscriptions the topic has."""
        return self._topics.count(topic)

    def topics(self, pid: Pid[object]) -> tuple[str, ...]:
        """The topics of a process, in the order of its subscriptions."""
        holding = self._holdings.get(pid.process)
        return () if holding is None else tuple(holding)

    def add(self, topic: str, pid: Pid[object], metadata: object) -> None:
        """Subscribe a process, until it ends.

        Raises:
            ProcessDown: it has ended.
        """
        process = pid.process
        if not process.alive:
            raise process.down()
        holding = self._holdings.get(process)
        if holding is None:
            holding = self._holdings[process] = Holding(process, self._on_end)
        self._topics.add(topic, holding.add(topic, metadata))

    def remove(self, topic: str, pid: Pid[object]) -> None:
        """End all subscriptions of a process to a topic. Harmless when there is none."""
        holding = self._holdings.get(pid.process)
        if holding is None:
            return
        for entry in holding.take(topic):
            self._topics.remove(topic, entry)
        self._delivery.forget(topic, holding.pid)
        if not holding:
            del self._holdings[pid.process]
            holding.dissolve()

    def join(self, reader: Subscription[object]) -> Callable[[], None]:
        """Subscribe a reader. Returns what ends it, to be called once."""
        entry = self._readers[reader] = Entry(reader)
        self._topics.add(reader.topic, entry)

        def leave() -> None:
            del self._readers[reader]
            self._topics.remove(reader.topic, entry)

        return leave

    def clear(self) -> None:
        """End all subscriptions; the readers' loops too."""
        for reader in list(self._readers):
            reader.end()
        for holding in list(self._holdings.values()):
            holding.dissolve()
            self._release(holding)

    def dispatch(self, topic: str, message: object, source: Pid[object] | None, dispatcher: Dispatcher | None) -> int:
        """Give a message to the dispatcher, or else to all but the source. Returns how many subscriptions there are."""
        if source is not None:
            holding = self._holdings.get(source.process)
            source = source if holding is None else holding.pid
        if dispatcher is None:
            processes, others = subscribers = self._topics.split(topic)
            self._delivery.deliver(topic, subscribers, message, source)
            return len(processes) + len(others)
        entries = self._topics.entries(topic)
        if entries:
            dispatcher(entries, message, source)
        return len(entries)

    def _release(self, holding: Holding) -> None:
        del self._holdings[holding.pid.process]
        for topic, entry in holding.subscriptions():
            self._topics.remove(topic, entry)
            self._delivery.forget(topic, holding.pid)
