"""What one process is subscribed to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from headwater.pubsub.entry import Entry
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process

Held: TypeAlias = "Entry | list[Entry]"
"""The entries of one topic. A process is mostly subscribed to it once: then the entry stands there itself."""


class Holding(dict[str, Held]):
    """The subscriptions of one process in one PubSub, by topic. It is one of the process's cleanups.

    It is a dictionary, so that it takes no more memory than one; there may be a million.

    Args:
        process: whose.
        release: takes a holding out of the PubSub; called when the process ends.

    Attributes:
        pid: the process's address; the same object in all its entries.
    """

    __slots__ = ("_plain", "_release", "pid")

    def __init__(self, process: Process, release: Callable[[Holding], None]) -> None:
        super().__init__()
        self.pid: Pid[object] = Pid(process)
        self._plain = Entry(self.pid)  # one will do for all topics
        self._release = release
        if process.cleanups is None:
            process.cleanups = [self]
        else:
            process.cleanups.append(self)

    def __call__(self) -> None:
        """The process ends."""
        self._release(self)

    def add(self, topic: str, metadata: object) -> Entry:
        """Note one more subscription, and make its entry."""
        held = self.get(topic)
        if held is None:
            entry = self[topic] = self._plain if metadata is None else Entry(self.pid, metadata)
            return entry
        entry = Entry(self.pid, metadata)
        if isinstance(held, list):
            held.append(entry)
        else:
            self[topic] = [held, entry]
        return entry

    def take(self, topic: str) -> tuple[Entry, ...]:
        """Forget the subscriptions to a topic, and give their entries."""
        return _entries(self.pop(topic, []))

    def subscriptions(self) -> Iterator[tuple[str, Entry]]:
        """Each subscription: its topic and its entry."""
        for topic, held in self.items():
            for entry in _entries(held):
                yield topic, entry

    def dissolve(self) -> None:
        """The process has nothing left here: there is nothing to do at its end."""
        cleanups = self.pid.process.cleanups
        if cleanups is not None:
            cleanups.remove(self)


def _entries(held: Held) -> tuple[Entry, ...]:
    return (held,) if isinstance(held, Entry) else tuple(held)
