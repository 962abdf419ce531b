"""Reading page after page, all pages of one snapshot of the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

import msgspec

from headwater.store.model import StoredEvent
from headwater.store.page import Page, Selection
from headwater.types import Position

PAGE: Final = 1_000
"""How many events a page has, unless said otherwise."""

T = TypeVar("T")

ReadPage = Callable[[Selection, int], Awaitable[Page]]


class Reading(Generic[T]):
    """Events of the log as it was at one moment: when the first page was read. An async iterator.

        async with store.read_all(query=query) as events:
            async for recorded in events: ...
            condition = AppendCondition(query, after=await events.head())

    Reads a page of 1,000 at a time, and the next one while the last one is worked on: two pages are in memory.
    Events that are appended meanwhile don't come. It can be gone through once. Who leaves early should close it,
    by `async with` or `aclose`.

    Args:
        read: reads a page.
        selection: what to read.
        limit: how many events at most; None for all.
        unfold: turns a page into what is given.

    Raises:
        ValueError: the limit is negative.
    """

    def __init__(
        self,
        read: ReadPage,
        selection: Selection,
        limit: int | None,
        unfold: Callable[[list[StoredEvent]], Iterable[T]],
    ) -> None:
        if limit is not None and limit < 0:
            raise ValueError(f"a limit is 0 or more, not {limit!r}")
        self._pages: Final = _Pages(read, selection, limit)
        self._generator: Final = _unfolded(self._pages, unfold)

    async def head(self) -> Position:
        """The log's highest position at that moment: nothing up to there was overlooked.

        To be used as `AppendCondition.after`. Can be asked for at any time: before the first event too.

        Raises:
            StoreClosed, StorageFailed: the first page could not be read.
        """
        return await self._pages.head()

    def __aiter__(self) -> AsyncGenerator[T, None]:
        return self._generator

    def __anext__(self) -> Awaitable[T]:
        return self._generator.__anext__()

    async def aclose(self) -> None:
        """Read no further."""
        await self._generator.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class _Pages:
    """What is read, and how far it has got. Doesn't know the generator: who drops a reading drops all of it."""

    __slots__ = ("_first", "_head", "_limit", "_read", "_selection")

    def __init__(self, read: ReadPage, selection: Selection, limit: int | None) -> None:
        self._read: Final = read
        self._selection = selection
        self._limit: Final = limit
        self._first: list[StoredEvent] = []
        self._head: Position | None = None

    async def head(self) -> Position:
        if self._head is None:
            page = await self._read(self._selection, _wanted(self._limit))
            if self._head is None:  # nobody else was faster
                self._first = page.events
                self._head = Position(page.head)
                self._selection = msgspec.structs.replace(self._selection, until=page.head)
        return self._head

    async def run(self) -> AsyncGenerator[list[StoredEvent], None]:
        await self.head()
        page, self._first = self._first, []
        limit, wanted = self._limit, _wanted(self._limit)
        while page:
            limit = None if limit is None else limit - len(page)
            full, wanted = len(page) == wanted, _wanted(limit)
            coming = self._fetch(page[-1], wanted) if full and wanted else None
            try:
                yield page
                page = [] if coming is None else (await coming).events
            finally:
                if coming is not None:
                    coming.cancel()

    def _fetch(self, last: StoredEvent, wanted: int) -> asyncio.Future[Page]:
        self._selection = self._selection.beyond(last)
        coming = asyncio.ensure_future(self._read(self._selection, wanted))
        coming.add_done_callback(_look_at)  # a reading that was left early may be garbage before anybody else does
        return coming


async def _unfolded(pages: _Pages, unfold: Callable[[list[StoredEvent]], Iterable[T]]) -> AsyncGenerator[T, None]:
    async with aclosing(pages.run()) as found:
        async for page in found:
            for item in unfold(page):
                yield item


def _wanted(limit: int | None) -> int:
    return PAGE if limit is None else max(0, min(PAGE, limit))


def _look_at(task: asyncio.Future[Page]) -> None:
    """Whoever waits for it gets the error; if nobody does, nobody needs to be told."""
    if not task.cancelled():
        task.exception()
