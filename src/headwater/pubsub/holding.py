"""What one process is subscribed to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from headwater.pubsub.entry import Entry
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process

Held: TypeAlias = "Entry | list[Entry]"


class Holding:
    """The subscriptions of one process in one PubSub. It is one of the process's cleanups.

    Args:
        process: whose.
        release: takes a holding out of the PubSub; called when the process ends.

    Attributes:
        pid: the process's address; the same object in all its entries.
    """

    __slots__ = ("_plain", "_release", "_topics", "pid")

    def __init__(self, process: Process, release: Callable[[Holding], None]) -> None:
        self.pid: Pid[object] = Pid(process)
        self._plain = Entry(self.pid)  # one will do for all topics
        self._topics: dict[str, Held] = {}
        self._release = release
        if process.cleanups is None:
            process.cleanups = [self]
        else:
            process.cleanups.append(self)

    def __call__(self) -> None:
        """The process ends."""
        self._release(self)

    def __bool__(self) -> bool:
        return bool(self._topics)

    def add(self, topic: str, metadata: object) -> Entry:
        """Note one more subscription, and make its entry."""
        held = self._topics.get(topic)
        if held is None:
            entry = self._plain if metadata is None else Entry(self.pid, metadata)
            self._topics[topic] = entry
            return entry
        entry = Entry(self.pid, metadata)
        if isinstance(held, list):
            held.append(entry)
        else:
            self._topics[topic] = [held, entry]
        return entry

    def pop(self, topic: str) -> tuple[Entry, ...]:
        """Forget the subscriptions to a topic, and give their entries."""
        held = self._topics.pop(topic, ())
        return (held,) if isinstance(held, Entry) else tuple(held)

    def topics(self) -> tuple[str, ...]:
        """The topics that it is subscribed to."""
        return tuple(self._topics)

    def __iter__(self) -> Iterator[tuple[str, Entry]]:
        """Each subscription: its topic and its entry."""
        for topic, held in self._topics.items():
            for entry in held if isinstance(held, list) else (held,):
                yield topic, entry

    def dissolve(self) -> None:
        """The process has nothing left here: there is nothing to do at its end."""
        cleanups = self.pid.process.cleanups
        if cleanups is not None:
            cleanups.remove(self)
