"""IterableSource: messages out of any iterable, which it keeps until they are acknowledged."""

from __future__ import annotations

from collections.abc import AsyncIterable, Hashable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar, cast

from headwater.errors import InvalidPipeline
from headwater.pipeline.prefetch import PREFETCH, Prefetch
from headwater.pipeline.source import Delivery, Feed

Item = TypeVar("Item")


class IterableSource(Generic[Item]):
    """A source of the items of an iterable, sync or async.

    It reads the iterable once, and keeps every item until it is acknowledged. When it is opened again, by the same
    pipeline or by another one, it gives those first, in order. So nothing is lost as long as this object lives. How
    many it keeps is bounded by the pipeline's `max_unacknowledged`.

    An iterable that blocks holds up the event loop; use an async one for whatever waits.

    Args:
        items: any number of them.
        prefetch: how many items of an async iterable are read ahead at most.

    Raises:
        InvalidPipeline: it is no iterable, or a prefetch below 1.
    """

    def __init__(self, items: Iterable[Item] | AsyncIterable[Item], *, prefetch: int = PREFETCH) -> None:
        if prefetch < 1:
            raise InvalidPipeline(f"at least 1 item is read ahead, not {prefetch}")
        if not isinstance(items, Iterable | AsyncIterable):
            raise InvalidPipeline(f"an IterableSource needs an iterable, sync or async, not {items!r}")
        self._items = items
        self._limit = prefetch
        self._iterator: Iterator[Item] | None = None
        self._prefetch: Prefetch[Item] | None = None
        self._kept: dict[int, Delivery[Item]] = {}
        self._next = 0

    async def open(self) -> Feed[Item]:
        """Begin with what was not acknowledged."""
        return _IterableFeed(self, list(self._kept.values()))

    @property
    def unacknowledged(self) -> list[Item]:
        """The items that were given and not acknowledged, in order."""
        return [delivery.item for delivery in self._kept.values()]

    def close(self) -> None:
        """Stop reading an async iterable ahead. It is cancelled if it is waiting for something."""
        if self._prefetch is not None:
            self._prefetch.cancel()

    async def _take(self, demand: int) -> list[Delivery[Item]]:
        deliveries = []
        for item in await self._read(demand):
            self._kept[self._next] = delivery = Delivery(item, self._next)
            self._next += 1
            deliveries.append(delivery)
        return deliveries

    async def _read(self, demand: int) -> list[Item]:
        if isinstance(self._items, AsyncIterable):
            if self._prefetch is None:
                self._prefetch = Prefetch(aiter(self._items), self._limit)
            return await self._prefetch.take(demand)
        if self._iterator is None:
            self._iterator = iter(self._items)
        return list(islice(self._iterator, demand))

    def _forget(self, deliveries: Iterable[Delivery[Item]]) -> None:
        for delivery in deliveries:
            self._kept.pop(cast("int", delivery.token), None)


class _IterableFeed(Feed[Item], Generic[Item]):
    """An opening of the source: first what is given again, then what is new."""

    def __init__(self, source: IterableSource[Item], again: list[Delivery[Item]]) -> None:
        self._source = source
        self._again = again
        self._given = 0

    async def fetch(self, demand: int) -> Sequence[Delivery[Item]]:
        if self._given < len(self._again):
            given = self._again[self._given : self._given + demand]
            self._given += len(given)
            return given
        return await self._source._take(demand)  # noqa: SLF001 - the two are one

    async def acknowledge(
        self, reference: Hashable, successful: Sequence[Delivery[Item]], failed: Sequence[Delivery[Item]]
    ) -> None:
        self._source._forget(successful)  # noqa: SLF001 - likewise
        self._source._forget(failed)  # noqa: SLF001 - likewise
