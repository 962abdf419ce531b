"""A mailbox that knows when its messages came. It takes the place of a plain one when somebody wants to know."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import SupportsIndex

from headwater.runtime.mailbox_attentive import AttentiveMailbox
from headwater.runtime.message import Message
from headwater.runtime.process import Process

Check = Callable[[Message], Message]


class WatchedMailbox(AttentiveMailbox):
    """Notes when each message came, and may refuse some.

    Args:
        process: whose mailbox it becomes. What waits there moves in, as if it came now.
        check: asked before a message is queued, in the sender's turn; it returns it, or raises to refuse it.
    """

    __slots__ = ("_check", "_now", "_times")

    def __init__(self, process: Process, check: Check | None = None) -> None:
        super().__init__(process)
        self._check = check
        self._now = process.node.clock.monotonic
        self._times = deque([self._now()] * len(self))

    @property
    def oldest(self) -> float | None:
        """For how many seconds the oldest message has been waiting; None if none waits."""
        return self._now() - self._times[0] if self._times else None

    def append(self, message: Message, /) -> None:
        """Queue a message, unless it is refused."""
        if self._check is not None:
            message = self._check(message)
        self._times.append(self._now())
        super().append(message)

    def appendleft(self, message: Message, /) -> None:
        """Queue a message ahead of those that wait."""
        self._times.appendleft(self._now())
        super().appendleft(message)

    def popleft(self) -> Message:
        """Take the oldest message."""
        self._times.popleft()
        return super().popleft()

    def remove(self, message: Message, /) -> None:
        """Take a message out of the middle."""
        del self._times[self.index(message)]
        super().remove(message)

    def __delitem__(self, place: SupportsIndex, /) -> None:  # type: ignore[override]  # a deque takes no slices
        del self._times[place]
        super().__delitem__(place)

    def clear(self) -> None:
        """Take all messages out."""
        self._times.clear()
        super().clear()


def watch_mailbox(process: Process, check: Check | None = None) -> None:
    """Put a watched mailbox in the place of the process's own, unless it has one.

    Whoever does so adds an observer too: then a turn that is under way ends, and takes no more from the old one.
    """
    if process.alive and not isinstance(process.mailbox, WatchedMailbox):
        process.use(WatchedMailbox(process, check))
