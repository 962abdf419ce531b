"""What ties a process to others: links and monitors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from headwater.runtime.exits import Exit, Reason
from headwater.runtime.node import Node

Watcher: TypeAlias = Callable[[Reason], None]


class Ties:
    """The base of `Process` that knows whom it is tied to. All of it is empty for most processes, and costs nothing.

    Args:
        node: the process's surroundings.

    Attributes:
        links: the processes that get an exit signal when this one ends, and the other way round.
        watchers: who is told of its end, by number.
    """

    __slots__ = ("links", "node", "watchers")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.links: dict[Ties, None] | None = None
        self.watchers: dict[int, Watcher] | None = None

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        raise NotImplementedError

    def receive_exit(self, sender: Ties | None, reason: Reason) -> None:
        """Take an exit signal."""
        raise NotImplementedError

    def link(self, other: Ties) -> None:
        """Tie two processes: when one ends, the other gets an exit signal. At most one link joins two processes."""
        if other is self:
            return
        if not other.alive:
            self.node.signals.post(lambda: self.receive_exit(other, Exit.NO_PROCESS))
            return
        for one, another in ((self, other), (other, self)):
            if one.links is None:
                one.links = {}
            one.links[another] = None

    def unlink(self, other: Ties) -> None:
        """Untie two processes. Harmless when they are not tied."""
        for one, another in ((self, other), (other, self)):
            if one.links is not None:
                one.links.pop(another, None)

    def watch(self, watcher: Watcher) -> int:
        """Call `watcher` once, when the process has ended; soon, if it has ended already."""
        number = next(self.node.numbers)
        if self.watchers is None:
            self.watchers = {}
        self.watchers[number] = watcher
        if not self.alive:
            self.node.loop.call_soon(self._tell_late, number)
        return number

    def _tell_late(self, number: int) -> None:
        watcher = None if self.watchers is None else self.watchers.pop(number, None)
        if watcher is not None:
            watcher(Exit.NO_PROCESS)

    def unwatch(self, number: int) -> None:
        """Forget a watcher."""
        if self.watchers is not None:
            self.watchers.pop(number, None)

    def send_signals(self, reason: Reason) -> None:
        """At the end: an exit signal to each linked process, and word to each watcher."""
        links, self.links = self.links, None
        watchers, self.watchers = self.watchers, None
        if not links and not watchers:
            return
        post = self.node.signals.post
        for other in links or ():
            if other.links is not None:
                other.links.pop(self, None)
            post(partial(other.receive_exit, self, reason))
        for watcher in (watchers or {}).values():
            post(partial(watcher, reason))
