"""A process's queue of messages. Pure: no clock, no loop.

First in, first out, with a bound: a message that would pass it is refused, and whoever sent it is told. Signals
(an exit, a `Down`) are never refused; there are at most as many of them as links and monitors.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Generic, TypeVar

Message = TypeVar("Message")

DEFAULT_CAPACITY: Final = 100_000


class Mailbox(Generic[Message]):
    """A bounded queue.

    Args:
        capacity: how many messages may wait; at least 1.

    Raises:
        ValueError: the capacity is below 1.
    """

    __slots__ = ("_capacity", "_messages")

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        if capacity < 1:
            raise ValueError(f"a mailbox holds at least 1 message, not {capacity}")
        self._capacity = capacity
        self._messages: deque[Message] = deque()

    @property
    def capacity(self) -> int:
        """How many messages may wait."""
        return self._capacity

    def offer(self, message: Message) -> bool:
        """Queue a message. False if the mailbox is full: then it was not queued."""
        if len(self._messages) >= self._capacity:
            return False
        self._messages.append(message)
        return True

    def signal(self, message: Message) -> None:
        """Queue a message that must not be lost, whatever the bound."""
        self._messages.append(message)

    def take(self) -> Message:
        """The oldest message. Raises IndexError when there is none."""
        return self._messages.popleft()

    def clear(self) -> list[Message]:
        """Empty the mailbox; returns what was in it, oldest first."""
        left = list(self._messages)
        self._messages.clear()
        return left

    def __len__(self) -> int:
        return len(self._messages)
