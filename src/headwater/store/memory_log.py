"""The log of the memory backend: lists and indexes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from headwater.store.chain import GENESIS, ChainHead, hash_of
from headwater.store.model import StoredEvent
from headwater.store.page import Selection
from headwater.store.query import EventQuery, QueryItem
from headwater.store.stream import StreamInfo
from headwater.types import Position, Version


class MemoryStream:
    """Which events a stream has, and what may be read of it.

    Attributes:
        positions: where its events lie, by version; those linked into it included.
        heads: for each version the log's head when it came into the stream.
        first: the lowest version that can be read.
        tombstoned: closed for ever.
    """

    __slots__ = ("first", "heads", "name", "positions", "tombstoned")

    def __init__(self, name: str) -> None:
        self.name = name
        self.positions: list[int] = []
        self.heads: list[int] = []
        self.first = 1
        self.tombstoned = False

    @property
    def version(self) -> int:
        """The version of its last event."""
        return len(self.positions)

    def add(self, position: int, head: int) -> None:
        """The event at this position is the stream's next one."""
        self.positions.append(position)
        self.heads.append(head)


class MemoryLog:
    """Everything that was appended."""

    def __init__(self) -> None:
        self.events: list[StoredEvent] = []
        self.hashes: list[bytes] = []
        self.streams: dict[str, MemoryStream] = {}
        self.position_by_id: dict[bytes, int] = {}
        self._positions_by_tag: dict[str, list[int]] = {}
        self._positions_by_type: dict[str, list[int]] = {}

    @property
    def chain_head(self) -> ChainHead:
        """Where the chain ends."""
        return ChainHead(len(self.events), self.hashes[-1] if self.hashes else GENESIS)

    def add(self, event: StoredEvent) -> None:
        """Add the next event, and its hash."""
        self.hashes.append(hash_of(event, self.chain_head.hash))
        self.events.append(event)
        self.position_by_id[event.id_bytes] = event.position
        self.streams.setdefault(event.stream, MemoryStream(event.stream)).add(event.position, event.position)
        self._positions_by_type.setdefault(event.type, []).append(event.position)
        for tag in event.tags:
            self._positions_by_tag.setdefault(tag, []).append(event.position)

    def first_match(self, query: EventQuery, after: int) -> int | None:
        """The lowest position above `after` of an event that the query means."""
        for position in self._candidates(query):
            if position > after and query.matches(self.events[position - 1].type, self.events[position - 1].tags):
                return position
        return None

    def select(self, selection: Selection, limit: int) -> list[StoredEvent]:
        """The first events of a selection."""
        found: list[StoredEvent] = []
        for event in self._events(selection):
            if len(found) == limit:
                break
            if selection.query is None or selection.query.matches(event.type, event.tags):
                found.append(event)
        return found

    def info(self, stream: MemoryStream) -> StreamInfo:
        """What is known of a stream."""
        first, last = (stream.positions[0], stream.positions[-1]) if stream.positions else (0, 0)
        return StreamInfo(
            stream.name,
            Version(stream.version),
            Position(first),
            Position(last),
            Version(stream.first),
            stream.tombstoned,
        )

    def _events(self, selection: Selection) -> Iterator[StoredEvent]:
        if selection.stream is not None:
            return self._stream_events(selection, selection.stream)
        last = len(self.events) if selection.until is None else selection.until
        places: Sequence[int] = range(1, min(last, len(self.events)) + 1)
        if selection.query is not None and not selection.query.everything:
            places = [place for place in self._candidates(selection.query) if place <= last]
        return (self.events[place - 1] for place in _ordered(places, selection))

    def _stream_events(self, selection: Selection, name: str) -> Iterator[StoredEvent]:
        stream = self.streams.get(name, MemoryStream(name))
        for version in _ordered(range(stream.first, stream.version + 1), selection):
            if selection.until is None or stream.heads[version - 1] <= selection.until:
                yield self._seen_from(name, version, self.events[stream.positions[version - 1] - 1])

    def _seen_from(self, stream: str, version: int, event: StoredEvent) -> StoredEvent:
        if event.stream == stream:
            return event
        origin = (event.stream, event.version)
        return msgspec.structs.replace(event, stream=stream, version=version, linked_from=origin)

    def _candidates(self, query: EventQuery) -> Sequence[int]:
        if query.everything:
            return range(1, len(self.events) + 1)
        return sorted({position for item in query.items for position in self._candidates_of(item)})

    def _candidates_of(self, item: QueryItem) -> Iterable[int]:
        if item.tags:
            return min((self._positions_by_tag.get(tag, []) for tag in item.tags), key=len)
        return (position for name in item.types for position in self._positions_by_type.get(name, []))


def _ordered(places: Sequence[int], selection: Selection) -> Sequence[int]:
    start = bisect_right(places, selection.after)
    end = len(places) if selection.before is None else bisect_left(places, selection.before)
    found = places[start:end]
    return found[::-1] if selection.backwards else found
