"""The facade's live side: the end of the log and what comes behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

import msgspec

from headwater.clock import Clock
from headwater.codec import Codec
from headwater.errors import StoreClosed
from headwater.store.adapter import StoreAdapter
from headwater.store.model import Recorded, StoredEvent
from headwater.store.page import Page, Selection
from headwater.store.query import EventQuery
from headwater.store.reader import ReadingStore
from headwater.store.reading import PAGE
from headwater.telemetry import Telemetry


class FollowingStore(ReadingStore):
    """Follows the log. See `EventStore`."""

    def __init__(
        self,
        adapter: StoreAdapter,
        codec: Codec,
        *,
        clock: Clock | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        super().__init__(adapter, codec, clock=clock, telemetry=telemetry)
        self._followers: Final[set[asyncio.Event]] = set()

    async def follow(
        self, after: int = 0, stream: str | None = None, *, query: EventQuery | None = None
    ) -> AsyncGenerator[list[StoredEvent], None]:
        """The events above a position, then those to come, page by page, as they lie in the log.

        Old events and new ones take the same path: read the page after the own position, and when there is none
        wait for a wake-up. Each event comes once, in order, none is left out. No page is empty. Ends when the
        store is closed. Who leaves earlier should close it, or it watches until it is garbage:
        `async with contextlib.aclosing(store.follow()) as pages`.

        Args:
            after: a position, or with `stream` a version; 0 for the beginning.
            stream: only the events of this stream.
            query: only what it means.

        Raises:
            StoreClosed: the store is closed already.
            StorageFailed: the storage could not be read.
        """
        selection = Selection(stream, query, after)
        bell = asyncio.Event()
        unwatch = self.adapter.watch(bell.set)
        self._followers.add(bell)
        try:
            while not self._closed:
                bell.clear()  # before the read: what is committed after it rings again
                page = await self._page_unless_closed(selection)
                selection = _behind(selection, page)
                if page.events:
                    yield page.events
                elif not self._closed:
                    await bell.wait()
        finally:
            self._followers.discard(bell)
            unwatch()

    async def follow_events(
        self, after: int = 0, stream: str | None = None, *, query: EventQuery | None = None
    ) -> AsyncGenerator[Recorded, None]:
        """Like `follow`, event by event and decoded; the query means events as they are read now.

        Raises:
            UnknownType, Undecodable: see `decode`.
            StoreClosed, StorageFailed: see `follow`.
        """
        unfold = self._unfolding(query, "raise")
        async with aclosing(self.follow(after, stream, query=self.as_stored(query))) as pages:
            async for page in pages:
                for one in unfold(page):
                    yield one

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` on the event loop soon after new events have become visible. Returns what ends it.

        A wake-up carries no data and may come late, early or once for many appends; it is never missed. Watch
        before you read: what is committed after the read then rings.

        Raises:
            StoreClosed: the store is closed.
        """
        return self.adapter.watch(wake)

    async def _page_unless_closed(self, selection: Selection) -> Page:
        try:
            return await self.page(selection)
        except StoreClosed:
            if self._closed:
                return Page([], 0)
            raise


def _behind(selection: Selection, page: Page) -> Selection:
    """Where to go on: behind the page, or behind all that it has looked at."""
    if selection.stream is None and len(page.events) < PAGE:
        return msgspec.structs.replace(selection, after=max(selection.after, page.head))
    return selection.beyond(page.events[-1]) if page.events else selection
