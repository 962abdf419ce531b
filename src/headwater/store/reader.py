"""The facade's reading side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Final

import msgspec

from headwater.clock import microseconds
from headwater.codec import NamedType
from headwater.store.base import StoreBase
from headwater.store.decoding import OnUndecodable, Unfold
from headwater.store.envelope import MARK
from headwater.store.model import Recorded, StoredEvent, Undecoded
from headwater.store.page import Page, Selection
from headwater.store.query import EventQuery
from headwater.store.reading import PAGE, Reading
from headwater.telemetry import SpanName
from headwater.types import Position

READ: Final = SpanName("headwater", "store", "read")
"""One page read. Metadata: stream (None for the whole log), after, limit; at the end also events."""


class ReadingStore(StoreBase):
    """Reads. See `EventStore`."""

    def query(self, *types: type, tags: Iterable[str] = ()) -> EventQuery:
        """Events of one of these classes, in any schema version, with all of these tags.

        Typed reads find by it also what upcasters make an event of these classes.

        Raises:
            UnknownType: the codec doesn't know a class.
        """
        return EventQuery.of(*(self.codec.types.name_of(one).name for one in types), tags=tags)

    def read_all(
        self,
        after: int = 0,
        limit: int | None = None,
        *,
        before: int | None = None,
        backwards: bool = False,
        query: EventQuery | None = None,
        undecodable: OnUndecodable = "raise",
    ) -> Reading[Recorded]:
        """The events of the log as it is now, decoded. See `follow` for going on at its end.

        Args:
            after: only positions above this one.
            limit: how many at most; all by default. What is counted is stored events: upcasters may make several of
                one, or none.
            before: only positions below this one.
            backwards: the highest position first.
            query: only what it means, by the types as which events are read now.
            undecodable: `raise`, or `keep`: an event that can't be decoded then comes as `Undecoded`.

        Raises:
            UnknownType: nothing is registered for an event's type. `position` tells where it lies.
            Undecodable: an event doesn't fit its class. `position` tells where it lies, `__cause__` why.
            StoreClosed: the store is closed, or was closed in between.
            StorageFailed: the storage could not be read.
            WrongMasterKey: the key for a personal field was wrapped with another master key.
            ValueError: the limit is negative.
        """
        return self._typed(Selection(None, query, after, before, backwards), limit, undecodable)

    def read_stream(
        self,
        stream: str,
        after: int = 0,
        limit: int | None = None,
        *,
        before: int | None = None,
        backwards: bool = False,
        query: EventQuery | None = None,
        undecodable: OnUndecodable = "raise",
    ) -> Reading[Recorded]:
        """The events of a stream as it is now, decoded; those linked into it too.

        A stream that doesn't exist, or was deleted, has none.

        Args:
            stream: the stream's name.
            after: only versions above this one.
            limit: see `read_all`.
            before: only versions below this one.
            backwards: the highest version first.
            query: only what it means.
            undecodable: see `read_all`.

        Raises:
            UnknownType, Undecodable, StoreClosed, StorageFailed: see `read_all`.
        """
        return self._typed(Selection(stream, query, after, before, backwards), limit, undecodable)

    def raw_all(
        self,
        after: int = 0,
        limit: int | None = None,
        *,
        before: int | None = None,
        backwards: bool = False,
        query: EventQuery | None = None,
    ) -> Reading[StoredEvent]:
        """Like `read_all`, as the events lie in the log; in a store with a master key, personal fields are opened.

        No upcaster is run, and a query means what is stored; see `as_stored`.
        """
        return Reading(self._page_of, Selection(None, query, after, before, backwards), limit, _each)

    def raw_stream(
        self,
        stream: str,
        after: int = 0,
        limit: int | None = None,
        *,
        before: int | None = None,
        backwards: bool = False,
        query: EventQuery | None = None,
    ) -> Reading[StoredEvent]:
        """Like `read_stream`, as the events lie in the log."""
        return Reading(self._page_of, Selection(stream, query, after, before, backwards), limit, _each)

    def pages_all(self, after: int = 0, limit: int | None = None) -> Reading[list[StoredEvent]]:
        """Like `raw_all`, page by page. No page is empty."""
        return Reading(self._page_of, Selection(after=after), limit, _whole)

    def pages_stream(self, stream: str, after: int = 0, limit: int | None = None) -> Reading[list[StoredEvent]]:
        """Like `raw_stream`, page by page. No page is empty."""
        return Reading(self._page_of, Selection(stream, after=after), limit, _whole)

    async def page(self, selection: Selection, limit: int = PAGE) -> Page:
        """The first events of a selection, at most `limit`, and the log's head in the same snapshot.

        Raises:
            StoreClosed: the store is closed.
            StorageFailed: the storage could not be read.
        """
        with self.telemetry.span(READ, stream=selection.stream, after=selection.after, limit=limit) as span:
            found = self.adapter.recent(selection, limit) or await self.adapter.read(selection, limit)
            page = await self._opened(found)
            span.set(events=len(page.events))
            return page

    def recent_all(self, after: int, limit: int = PAGE) -> list[StoredEvent] | None:
        """What `page_all` would give, at once, if it is in memory; None if it isn't, or must be waited for.

        For those who follow the head of the log and were woken by `watch`. There is at least one event in it.
        """
        page = self.adapter.recent(Selection(after=after), limit)
        if page is None or (self.vault.unlocked and any(MARK in event.data for event in page.events)):
            return None
        if self.telemetry.listening:
            with self.telemetry.span(READ, stream=None, after=after, limit=limit) as span:
                span.set(events=len(page.events))
        return page.events

    async def page_all(self, after: int = 0, limit: int = PAGE) -> list[StoredEvent]:
        """The next events above position `after`, at most `limit`, in order; none at the end of the log.

        Raises:
            StoreClosed, StorageFailed: see `page`.
        """
        return (await self.page(Selection(after=after), limit)).events

    async def page_stream(self, stream: str, after: int = 0, limit: int = PAGE) -> list[StoredEvent]:
        """The next events of a stream above version `after`, at most `limit`, in order; none at its end.

        Raises:
            StoreClosed, StorageFailed: see `page`.
        """
        return (await self.page(Selection(stream, after=after), limit)).events

    async def last(self, stream: str) -> StoredEvent | None:
        """The stream's last event, or None when it has none that can be read.

        Raises:
            StoreClosed, StorageFailed: see `page`.
        """
        found = await self._opened(await self.adapter.read(Selection(stream, backwards=True), 1))
        return found.events[0] if found.events else None

    async def head(self) -> Position:
        """The highest position now; 0 for an empty log.

        Raises:
            StoreClosed, StorageFailed: see `page`.
        """
        return Position(await self.adapter.head())

    async def position_at(self, moment: datetime) -> Position:
        """The position of the last event that was recorded at or before a moment; 0 if there is none.

        Finds it by halving: some twenty reads of one event in a log of a million.

        Raises:
            ValueError: the moment has no time zone.
            StoreClosed, StorageFailed: see `page`.
        """
        wanted = microseconds(moment)
        low, high = 0, await self.adapter.head()
        while low < high:
            middle = (low + high + 1) // 2
            [event] = (await self.adapter.read(Selection(after=middle - 1), 1)).events
            low, high = (middle, high) if event.microseconds <= wanted else (low, middle - 1)
        return Position(low)

    def decode(self, stored: StoredEvent) -> object:
        """The event itself.

        Raises:
            UnknownType: nothing is registered for its type. `position` tells which event it is.
            Undecodable: it doesn't fit its class, or upcasters don't make exactly one event of it: then it takes
                `unfold`. `position` tells which event it is.
        """
        return self._decoder.decode(stored)

    def unfold(self, stored: StoredEvent) -> Sequence[Recorded]:
        """What an event of the log is read as: one event, or as many as upcasters make of it. All, or it raises.

        Raises:
            UnknownType: nothing is registered for its type. `position` tells which event it is.
            Undecodable: it doesn't fit its class, or an upcaster failed. `position` tells which event it is.
        """
        return self._decoder.unfold(stored)

    def recorded(self, stored: Iterable[StoredEvent]) -> Iterator[Recorded]:
        """What many events of the log are read as, in order; see `unfold`.

        Raises:
            UnknownType, Undecodable: see `unfold`; after those before it were given.
        """
        return self._decoder.recorded(stored)

    def stored_types(self, classes: Iterable[type[NamedType]]) -> frozenset[str]:
        """The type names under which events of these classes may lie in the log: their own, and older ones."""
        return self.codec.upcasters.sources(one.type_name.name for one in classes)

    async def _opened(self, page: Page) -> Page:
        """The page with personal fields in the clear, where there is a key."""
        if not self.vault.unlocked:
            return page
        return Page(await self.vault.open(page.events), page.head)

    def _typed(self, selection: Selection, limit: int | None, undecodable: OnUndecodable) -> Reading[Recorded]:
        unfold = self._unfolding(selection.query, undecodable, backwards=selection.backwards)
        selection = msgspec.structs.replace(selection, query=self.as_stored(selection.query))
        return Reading(self._page_of, selection, limit, unfold)

    def _unfolding(
        self, query: EventQuery | None, undecodable: OnUndecodable, *, backwards: bool = False
    ) -> Unfold[Recorded]:
        """What makes of stored events those that a reader gets, without what the query doesn't mean any more."""
        decoder = self._decoder
        unfold: Unfold[Recorded] = decoder.recorded if undecodable == "raise" else decoder.recorded_or_kept
        if backwards:
            unfold = decoder.recorded_backwards if undecodable == "raise" else decoder.recorded_or_kept_backwards
        if query is None or not self.codec.upcasters.concern(query.types):
            return unfold
        return partial(_meant, query, unfold)

    async def _page_of(self, selection: Selection, limit: int) -> Page:
        return await self.page(selection, limit)


def _meant(query: EventQuery, unfold: Unfold[Recorded], page: Iterable[StoredEvent]) -> Iterator[Recorded]:
    """Those that a query means as they are read now. What can't be decoded might be one of them."""
    for recorded in unfold(page):
        if isinstance(recorded.event, Undecoded) or query.matches(recorded.type, recorded.tags):
            yield recorded


def _each(page: list[StoredEvent]) -> list[StoredEvent]:
    return page


def _whole(page: list[StoredEvent]) -> tuple[list[StoredEvent]]:
    return (page,)
