"""The facade's reading side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from headwater.clock import microseconds
from headwater.store.base import StoreBase
from headwater.store.decoding import OnUndecodable
from headwater.store.envelope import MARK
from headwater.store.model import Recorded, StoredEvent
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
            limit: how many at most; all by default.
            before: only positions below this one.
            backwards: the highest position first.
            query: only what it means.
            undecodable: `raise`, or `keep`: an event that can't be decoded then comes as `Undecoded`.

        Raises:
            UnknownType: nothing is registered for an event's type. `position` tells where it lies.
            Undecodable: an event doesn't fit its class. `position` tells where it lies, `__cause__` why.
            StoreClosed: the store is closed, or was closed in between.
            StorageFailed: the storage could not be read.
            WrongMasterKey: the key for a personal field was wrapped with another master key.
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
            limit: how many at most; all by default.
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
        """Like `read_all`, as the events lie in the log; in a store with a master key, personal fields are opened."""
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
            Undecodable: it doesn't fit its class. `position` tells which event it is.
        """
        return self._decoder.decode(stored)

    def decode_all(self, page: Sequence[StoredEvent]) -> list[object]:
        """The events of a page, in its order; cheaper than one by one.

        Raises:
            UnknownType, Undecodable: see `decode`; of the first one that can't be decoded.
        """
        return self._decoder.decode_all(page)

    async def _opened(self, page: Page) -> Page:
        """The page with personal fields in the clear, where there is a key."""
        if not self.vault.unlocked:
            return page
        return Page(await self.vault.open(page.events), page.head)

    def _typed(self, selection: Selection, limit: int | None, undecodable: OnUndecodable) -> Reading[Recorded]:
        unfold = self._decoder.recorded if undecodable == "raise" else self._decoder.recorded_or_kept
        return Reading(self._page_of, selection, limit, unfold)

    async def _page_of(self, selection: Selection, limit: int) -> Page:
        return await self.page(selection, limit)


def _each(page: list[StoredEvent]) -> list[StoredEvent]:
    return page


def _whole(page: list[StoredEvent]) -> tuple[list[StoredEvent]]:
    return (page,)
