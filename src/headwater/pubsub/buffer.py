"""What waits for the reader of a subscription. Pure: no clock, no loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Final, Literal

import msgspec

from headwater.errors import InvalidTopicSubscription

Overflow = Literal["disconnect", "drop_oldest", "drop_newest"]
"""What happens when a message comes and there is no room for it. `disconnect`: the subscription ends, and behind what
waits its reader gets `SubscriberTooSlow`. `drop_oldest`: the oldest message makes room. `drop_newest`: the new one is
dropped. In the place of messages that were dropped, the reader gets one `Dropped` with their number."""

OVERFLOWS: Final = ("disconnect", "drop_oldest", "drop_newest")


class Dropped(msgspec.Struct, frozen=True):
    """Messages were lost here, because there was no room for them.

    Attributes:
        topic: the topic that they were broadcast to.
        count: how many.
    """

    topic: str
    count: int


class _Waiting(msgspec.Struct):
    """A message that waits, and how many were dropped just before it."""

    message: object
    key: Hashable
    dropped_before: int


class Buffer:
    """A bounded queue, first in, first out.

    Args:
        topic: what a `Dropped` says.
        capacity: how many messages may wait, at least 1.
        overflow: what happens beyond.
        coalesce: gives each message a key, if at all. A message takes the place of the one with the same key that still
            waits: the reader gets the newer one only, where the older one stood.

    Attributes:
        dropped: how many messages were dropped so far.
        coalesced: how many were replaced by a newer one so far.

    Raises:
        InvalidTopicSubscription: the capacity is below 1, or there is no such policy.
    """

    __slots__ = (
        "_by_key",
        "_coalesce",
        "_dropped_last",
        "_waiting",
        "capacity",
        "coalesced",
        "dropped",
        "overflow",
        "topic",
    )

    def __init__(
        self, topic: str, capacity: int, overflow: Overflow, coalesce: Callable[[object], Hashable] | None = None
    ) -> None:
        if type(capacity) is not int or capacity < 1:
            raise InvalidTopicSubscription(f"a subscription holds at least 1 message, not {capacity!r}")
        if overflow not in OVERFLOWS:
            raise InvalidTopicSubscription(f"overflow is one of {', '.join(OVERFLOWS)}, not {overflow!r}")
        self.topic = topic
        self.capacity = capacity
        self.overflow: Overflow = overflow
        self.dropped = 0
        self.coalesced = 0
        self._coalesce = coalesce
        self._waiting: deque[_Waiting] = deque()
        self._by_key: dict[Hashable, _Waiting] = {}
        self._dropped_last = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __bool__(self) -> bool:
        return bool(self._waiting) or self._dropped_last > 0

    def offer(self, message: object) -> bool:
        """Queue a message as the policies say. False if it finds no room and the reader is to be disconnected.

        What `coalesce` raises goes to the caller; nothing has changed then.
        """
        key = None
        if self._coalesce is not None:
            key = self._coalesce(message)
            waiting = self._by_key.get(key)
            if waiting is not None:
                waiting.message = message
                self.coalesced += 1
                return True
        if len(self._waiting) >= self.capacity:
            if self.overflow == "disconnect":
                return False
            self.dropped += 1
            if self.overflow == "drop_newest":
                self._dropped_last += 1
                return True
            self._drop_oldest()
        self._append(message, key)
        return True

    def take(self) -> object:
        """The next message, or `Dropped` where some were lost. Only if there is something."""
        if not self._waiting:
            count, self._dropped_last = self._dropped_last, 0
            return Dropped(self.topic, count)
        first = self._waiting[0]
        if first.dropped_before:
            count, first.dropped_before = first.dropped_before, 0
            return Dropped(self.topic, count)
        return self._pop().message

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        self._by_key.clear()
        self._dropped_last = 0

    def _append(self, message: object, key: Hashable) -> None:
        waiting = _Waiting(message, key, self._dropped_last)
        self._dropped_last = 0
        self._waiting.append(waiting)
        if self._coalesce is not None:
            self._by_key[key] = waiting

    def _pop(self) -> _Waiting:
        first = self._waiting.popleft()
        if self._coalesce is not None:
            del self._by_key[first.key]
        return first

    def _drop_oldest(self) -> None:
        dropped = self._pop().dropped_before + 1
        if self._waiting:
            self._waiting[0].dropped_before += dropped
        else:
            self._dropped_last += dropped
