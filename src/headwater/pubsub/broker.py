"""PubSub within one system."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from headwater.pubsub.subscription import Subscription
from headwater.runtime.pid import Pid

SUBSCRIPTION_CAPACITY: Final = 1_000

_Receiver: TypeAlias = Callable[[object], None]


class PubSub:
    """Topics and their subscribers.

    A topic is any non-empty string; only equal strings match. Delivery is at most once, without a memory: who
    subscribes later has missed what came before. Messages from one broadcaster arrive in order.
    """

    def __init__(self) -> None:
        self._receivers: dict[str, dict[int, _Receiver]] = {}
        self._by_process: dict[tuple[str, Pid[object]], list[int]] = {}
        self._watches: dict[Pid[object], set[str]] = {}
        self._next_number = 0

    def subscribe(self, topic: str, pid: Pid[object]) -> None:
        """Send the topic's messages to a process, from now on, for its `handle_info`.

        Subscribing twice delivers twice. The subscription ends with the process. When its mailbox is full, the
        process's own policy decides, and its `info` counts.

        Raises:
            ValueError: the topic is no non-empty string.
        """
        _check(topic)
        number = self._add(topic, pid.send)
        self._by_process.setdefault((topic, pid), []).append(number)
        if pid not in self._watches:
            self._watches[pid] = set()
            pid.watch(lambda _: self._release(pid))
        self._watches[pid].add(topic)

    def unsubscribe(self, topic: str, pid: Pid[object]) -> None:
        """End all of the process's subscriptions to the topic. Harmless when there is none."""
        for number in self._by_process.pop((topic, pid), ()):
            self._remove(topic, number)

    def subscription(self, topic: str, capacity: int = SUBSCRIPTION_CAPACITY) -> Subscription:
        """The topic's messages for code that is no process, from the moment `async with` is entered.

        Args:
            topic: any non-empty string.
            capacity: how many messages may wait for the reader; the oldest are dropped beyond that.

        Raises:
            ValueError: the topic is no non-empty string, or the capacity is below 1.
        """
        _check(topic)
        if capacity < 1:
            raise ValueError(f"a subscription holds at least 1 message, not {capacity}")

        def enter(subscription: Subscription) -> Callable[[], None]:
            number = self._add(topic, subscription.receive)
            return lambda: self._remove(topic, number)

        return Subscription(enter, capacity)

    def broadcast(self, topic: str, message: object) -> int:
        """Deliver the message to everybody who is subscribed now. Returns to how many.

        Raises:
            ValueError: the topic is no non-empty string.
        """
        _check(topic)
        receivers = self._receivers.get(topic)
        if not receivers:
            return 0
        for receive in tuple(receivers.values()):
            receive(message)
        return len(receivers)

    def subscribers(self, topic: str) -> int:
        """How many subscriptions the topic has."""
        return len(self._receivers.get(topic, ()))

    def _add(self, topic: str, receiver: _Receiver) -> int:
        self._next_number += 1
        self._receivers.setdefault(topic, {})[self._next_number] = receiver
        return self._next_number

    def _remove(self, topic: str, number: int) -> None:
        receivers = self._receivers.get(topic)
        if receivers is not None:
            receivers.pop(number, None)
            if not receivers:
                del self._receivers[topic]

    def _release(self, pid: Pid[object]) -> None:
        for topic in self._watches.pop(pid, ()):
            self.unsubscribe(topic, pid)


def _check(topic: object) -> None:
    if not isinstance(topic, str) or not topic:
        raise ValueError(f"a topic is a non-empty string, not {topic!r}")
