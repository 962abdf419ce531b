"""OrderedSource: sources that are acknowledged up to a place, such as a log."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Hashable, Sequence
from typing import Generic, TypeVar, cast

from headwater.pipeline.prefetch import PREFETCH, Prefetch
from headwater.pipeline.source import Delivery, Feed
from headwater.pipeline.watermark import Watermark

Item = TypeVar("Item")


class OrderedSource(Generic[Item]):
    """A source that is read in order and acknowledged up to an item. Subclass it:

        class Lines(OrderedSource[Line]):
            def __init__(self, file: LogFile) -> None:
                self.file = file

            async def subscribe(self) -> AsyncIterator[Line]:
                return self.file.follow(after=await self.file.mark())

            async def acknowledge_up_to(self, item: Line) -> None:
                await self.file.set_mark(item.number)

    Messages are acknowledged in any order; the source hears of it when all before them are.

    Attributes:
        prefetch: how many items are read ahead at most.
    """

    prefetch: int = PREFETCH

    async def subscribe(self) -> AsyncIterator[Item]:
        """Begin behind the last item that was acknowledged. Its iterator is closed, if it can be, when it isn't used.

        Called at the start, and again after each crash of the source stage.
        """
        raise NotImplementedError(f"{type(self).__qualname__} has no subscribe")

    async def acknowledge_up_to(self, item: Item) -> None:
        """This item and all before it need not be given again."""
        raise NotImplementedError(f"{type(self).__qualname__} has no acknowledge_up_to")

    async def open(self) -> Feed[Item]:
        """Subscribe."""
        return _OrderedFeed(self, await self.subscribe())


class _OrderedFeed(Feed[Item], Generic[Item]):
    """A subscription. Its tokens are the numbers of its items, from 0 on."""

    def __init__(self, source: OrderedSource[Item], items: AsyncIterator[Item]) -> None:
        self._source = source
        self._items = items
        self._prefetch = Prefetch(items, source.prefetch)
        self._watermark = Watermark()
        self._pending: deque[Item] = deque()  # those at the watermark and above

    async def fetch(self, demand: int) -> Sequence[Delivery[Item]]:
        items = await self._prefetch.take(demand)
        self._pending.extend(items)
        issue = self._watermark.issue
        return [Delivery(item, issue()) for item in items]

    async def acknowledge(
        self, reference: Hashable, successful: Sequence[Delivery[Item]], failed: Sequence[Delivery[Item]]
    ) -> None:
        watermark, pending = self._watermark, self._pending
        before = watermark.low
        if watermark.done(cast("int", delivery.token) for delivery in (*successful, *failed)):
            for _ in range(watermark.low - before):
                last = pending.popleft()
            await self._source.acknowledge_up_to(last)

    async def close(self) -> None:
        self._prefetch.cancel()
        close = getattr(self._items, "aclose", None)
        if close is not None:
            await self._prefetch.ended()
            await close()
