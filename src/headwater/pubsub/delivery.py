"""What a broadcast does without a dispatcher: every subscriber gets the message itself."""

from __future__ import annotations

from collections.abc import Sequence

from headwater.pubsub.buffer import Dropped
from headwater.pubsub.entry import Subscriber
from headwater.pubsub.topics import Split, split
from headwater.runtime.multicast import multicast
from headwater.runtime.pid import Pid


def send_to_all(subscribers: Sequence[Subscriber], message: object) -> None:
    """Send a message to each, as `Subscriber.send` does; for dispatchers. Quicker when there are many processes."""
    processes, others = split(subscribers)
    multicast(processes, message)
    for other in others:
        other.send(message)


class Delivery:
    """Sends messages to subscribers, and tells processes what they have lost.

    A process whose mailbox is full loses a message, as its own policy says. Before the next message of the topic that
    finds room, it gets a `Dropped`, if there is room for both.
    """

    __slots__ = ("_lost",)

    def __init__(self) -> None:
        self._lost: dict[str, dict[Pid[object], int]] = {}

    def deliver(self, topic: str, subscribers: Split, message: object, source: Pid[object] | None) -> None:
        """Send the message to all subscribers, except the process at the address that is `source` itself."""
        processes, others = subscribers
        if topic in self._lost:
            self._tell(topic)
        if source is not None:
            processes = tuple(pid for pid in processes if pid is not source)
        for pid in multicast(processes, message):
            self._note(topic, pid)
        for other in others:
            other.send(message)

    def forget(self, topic: str, pid: Pid[object]) -> None:
        """The process is subscribed to the topic no longer: there is nothing to tell it."""
        lost = self._lost.get(topic)
        if lost is not None and lost.pop(pid, 0) and not lost:
            del self._lost[topic]

    def _note(self, topic: str, pid: Pid[object]) -> None:
        lost = self._lost.setdefault(topic, {})
        lost[pid] = lost.get(pid, 0) + 1

    def _tell(self, topic: str) -> None:
        for pid, count in list(self._lost[topic].items()):
            mailbox = pid.process.mailbox
            if mailbox.capacity - len(mailbox) > 1:  # room for both
                self.forget(topic, pid)
                pid.send(Dropped(topic, count))
