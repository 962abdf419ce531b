"""The end of the log in memory, for readers who follow it closely."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final, NamedTuple

from headwater.store.model import StoredEvent
from headwater.store.page import Page, Selection

TAIL_EVENTS: Final = 20_000
"""How many events a tail keeps at most."""

TAIL_BYTES: Final = 16 * 1024 * 1024
"""How many bytes of data a tail keeps at most."""


class Group(NamedTuple):
    """Events that were committed together.

    Attributes:
        events: in the order of their positions, which have no gaps.
        size: how many bytes of data they have, or so.
    """

    events: Sequence[StoredEvent]
    size: int

    @classmethod
    def of(cls, events: Sequence[StoredEvent]) -> Group:
        """A group with its size."""
        return cls(events, sum([len(event.data) + len(event.metadata_json or "") for event in events]))


class Tail:
    """The last events that this store has committed, as they lie in the log.

    A view that is woken reads what was just committed: from here it needs neither a thread nor the storage. Who reads
    asks for what lies after a position, as always, and gets the same events from here or from there: a tail holds only
    what is committed, and never a part of the log with a gap in it. What was read never goes back in time either: once
    a reader has seen a later head than the tail's, it isn't used until it has caught up.

    The groups that were added first go first, as soon as there are more events or bytes than may be. A group that is
    larger by itself is not kept.

    Args:
        events: how many events it keeps at most.
        size: how many bytes of data it keeps at most.
    """

    __slots__ = ("_count", "_groups", "_last", "_most_bytes", "_most_events", "_seen", "_size")

    def __init__(self, events: int = TAIL_EVENTS, size: int = TAIL_BYTES) -> None:
        self._most_events: Final = events
        self._most_bytes: Final = size
        self._groups: deque[Group] = deque()
        self._count = 0
        self._size = 0
        self._last = 0
        self._seen = 0

    def __len__(self) -> int:
        return self._count

    def add(self, group: Group) -> None:
        """All that was committed since the last time. If others lie in between all the same, only these are kept."""
        events = group.events
        if not events:
            return
        if events[0].position != self._last + 1:
            self.clear()
        self._groups.append(group)
        self._last = events[-1].position
        self._count += len(events)
        self._size += group.size
        while self._count > self._most_events or self._size > self._most_bytes:
            oldest = self._groups.popleft()
            self._count -= len(oldest.events)
            self._size -= oldest.size

    def clear(self) -> None:
        """Keep nothing."""
        self._groups.clear()
        self._count = self._size = 0

    def seen(self, head: int) -> None:
        """A reader has seen a head of the log in the storage."""
        if head > self._seen:
            self._seen = head

    def read(self, selection: Selection, limit: int) -> Page | None:
        """The next events of a selection; None if not all of them are here, or there is none behind its position.

        Only of selections of the whole log, forwards, without an end.
        """
        after = selection.after
        if (
            not self._count
            or not self._groups[0].events[0].position <= after + 1 <= self._last
            or self._seen > self._last
            or selection.stream is not None
            or selection.backwards
            or selection.before is not None
            or selection.until is not None
        ):
            return None
        query = selection.query
        if query is None or query.everything:
            return Page(self._after(after, limit), self._last)
        meant = (event for event in self._after(after, self._count) if query.matches(event.type, event.tags))
        return Page(list(islice(meant, limit)), self._last)

    def _after(self, position: int, limit: int) -> list[StoredEvent]:
        """At most `limit` events behind a position, the event behind which is here."""
        found: deque[Sequence[StoredEvent]] = deque()
        for events, _ in reversed(self._groups):  # who follows is close to the end
            skipped = position + 1 - events[0].position
            if skipped >= 0:
                found.appendleft(events[skipped:] if skipped else events)
                break
            found.appendleft(events)
        page = list(found[0])
        for events in islice(found, 1, None):
            if len(page) >= limit:
                break
            page += events
        return page[:limit] if len(page) > limit else page
