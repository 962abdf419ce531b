"""A bounded queue of events that nobody has asked for yet. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, Generic, Literal, TypeVar

from headwater.errors import DefinitionError

E = TypeVar("E")

Keep = Literal["first", "last"]
"""What a full buffer keeps: `first`, the events that are in it; `last`, those that come."""

KEEPS: Final = ("first", "last")


class Buffer(Generic[E]):
    """First in, first out. What doesn't fit is returned, never silently dropped.

    Between the events there may be marks: messages that are due when all events before them are gone, whether taken or
    discarded. A mark takes no room and is never discarded.

    Args:
        size: how many events it may hold.
        keep: what it keeps when more come.

    Raises:
        DefinitionError: the size is no whole number from 0, or there is no such policy.
    """

    __slots__ = ("_events", "_gone", "_keep", "_marks", "_size")

    def __init__(self, size: int, keep: Keep = "last") -> None:
        if type(size) is not int or size < 0:
            raise DefinitionError(f"a buffer holds 0 events or more, not {size!r}")
        if keep not in KEEPS:
            raise DefinitionError(f"a buffer keeps one of {', '.join(KEEPS)}, not {keep!r}")
        self._size = size
        self._keep = keep
        self._events: deque[E] = deque()
        self._marks: deque[tuple[int, object]] = deque()
        self._gone = 0  # how many events have left it, in whatever way

    def __len__(self) -> int:
        return len(self._events)

    def put(self, events: Sequence[E]) -> list[E]:
        """Queue events. Returns those that were discarded, oldest first."""
        room = self._size - len(self._events)
        if len(events) <= room:
            self._events.extend(events)
            return []
        if self._keep == "first":
            room = max(room, 0)
            self._events.extend(events[:room])
            return list(events[room:])
        self._events.extend(events)
        return self.take(len(self._events) - self._size)

    def add(self, events: Sequence[E]) -> None:
        """Queue events whatever the size. For those that are bounded in another way."""
        self._events.extend(events)

    def take(self, limit: int) -> list[E]:
        """The oldest events, at most so many."""
        events = self._events
        if limit >= len(events):
            taken = list(events)
            events.clear()
        else:
            taken = [events.popleft() for _ in range(limit)]
        self._gone += len(taken)
        return taken

    def mark(self, message: object) -> None:
        """Queue a message behind the events that are in the buffer now."""
        self._marks.append((self._gone + len(self._events), message))

    def due(self) -> list[object]:
        """The marks before which there is no event any more. Each is returned once."""
        due = []
        while self._marks and self._marks[0][0] <= self._gone:
            due.append(self._marks.popleft()[1])
        return due
