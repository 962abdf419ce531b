"""What is asked of the log, and a part of the answer."""

from __future__ import annotations

import msgspec

from headwater.store.model import StoredEvent
from headwater.store.naming import check_lookup
from headwater.store.query import EventQuery


class Selection(msgspec.Struct, frozen=True):
    """Which events shall be read, and in what order.

    Without `stream`, places are positions: the events of the whole log, each once. With it, places are versions in
    that stream: its own events and those linked into it, without what is truncated.

    Attributes:
        stream: only this stream.
        query: only what this means; None for everything.
        after: only places above this one.
        before: only places below this one; None for no such bound.
        backwards: the highest place first.
        until: only what the log held when its head was at this position: events at or below it, and links that
            were made by then. None for no such bound.
    """

    stream: str | None = None
    query: EventQuery | None = None
    after: int = 0
    before: int | None = None
    backwards: bool = False
    until: int | None = None

    def __post_init__(self) -> None:
        """Refuse a stream that can't be asked for, with InvalidStreamName."""
        if self.stream is not None:
            check_lookup(self.stream)

    def place(self, event: StoredEvent) -> int:
        """Where an event lies in what is read."""
        return event.position if self.stream is None else event.version

    def beyond(self, event: StoredEvent) -> Selection:
        """What is left to read after this event."""
        place = self.place(event)
        if self.backwards:
            return msgspec.structs.replace(self, before=place)
        return msgspec.structs.replace(self, after=place)


class Page(msgspec.Struct, frozen=True):
    """Events of one snapshot of the log.

    Attributes:
        events: in the order that was asked for. Fewer than were asked for only if there are no more.
        head: the log's highest position in this snapshot. Everything up to it was looked at.
    """

    events: list[StoredEvent]
    head: int
