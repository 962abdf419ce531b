"""Tests of pipelines: a source that gives what a test pushes, and tells what was acknowledged.

source: ManualSource[int] = ManualSource()
pipeline = Totals(source)
await pipeline.start(system)
assert await source.test_message(3) == Outcome([3], [])
assert await source.test_batch([1, 2]) == Outcome([1, 2], [])
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar, cast

import msgspec

from headwater.pipeline.source import NO_METADATA, Delivery, Feed

Item = TypeVar("Item")


class Outcome(msgspec.Struct, Generic[Item]):
    """What has become of items that were pushed together.

    Attributes:
        successful: those that were handled, in the order of their acknowledgement.
        failed: those that were parked as dead letters.
    """

    successful: list[Item]
    failed: list[Item]


class ManualSource(Generic[Item]):
    """Gives what is pushed. What was not acknowledged is given again when it is opened again.

    Attributes:
        opened: how often it was opened.
        acknowledgements: what it was told, in order: the reference of a push, and what has become of some of its items.
    """

    def __init__(self) -> None:
        self.opened = 0
        self.acknowledgements: list[tuple[Hashable, Outcome[Item]]] = []
        self._kept: dict[int, Delivery[Item]] = {}
        self._pushes: list[_Push[Item]] = []
        self._next = 0
        self._over = False
        self._changed = asyncio.Event()

    def push(self, items: Iterable[Item], *, flush: bool = False, metadata: Mapping[str, object] = NO_METADATA) -> int:
        """Give items to the pipeline, without waiting.

        Args:
            items: any number of them.
            flush: whether the batch of the last one is closed behind it at once.
            metadata: of each of them.

        Returns:
            The reference of this push, with which its items are acknowledged; see `outcome`.
        """
        all_items = list(items)
        reference = len(self._pushes)
        self._pushes.append(_Push(len(all_items)))
        for number, item in enumerate(all_items, start=1):
            last = flush and number == len(all_items)
            self._kept[self._next] = Delivery(item, self._next, reference, metadata, last)
            self._next += 1
        self._changed.set()
        return reference

    def finish(self) -> None:
        """The source is over when everything is given."""
        self._over = True
        self._changed.set()

    async def outcome(self, reference: int) -> Outcome[Item]:
        """Wait until all items of a push are acknowledged. Returns what has become of them."""
        push = self._pushes[reference]
        await push.complete.wait()
        return push.outcome

    async def test_message(self, item: Item, *, metadata: Mapping[str, object] = NO_METADATA) -> Outcome[Item]:
        """Push an item whose batch is closed at once, and wait until it is acknowledged."""
        return await self.outcome(self.push([item], flush=True, metadata=metadata))

    async def test_batch(self, items: Iterable[Item], *, metadata: Mapping[str, object] = NO_METADATA) -> Outcome[Item]:
        """Push items, the batch of the last of which is closed at once, and wait until all are acknowledged."""
        return await self.outcome(self.push(items, flush=True, metadata=metadata))

    @property
    def unacknowledged(self) -> list[Item]:
        """The items that were pushed and not acknowledged, in order."""
        return [delivery.item for delivery in self._kept.values()]

    async def open(self) -> Feed[Item]:
        """Begin with what was not acknowledged."""
        self.opened += 1
        return _ManualFeed(self)

    async def fetch(self, first: int, demand: int) -> list[Delivery[Item]]:
        """Wait for deliveries whose tokens are not below `first`. Used by the pipeline."""
        while True:
            waiting = (delivery for token, delivery in self._kept.items() if token >= first)
            found = list(islice(waiting, demand))
            if found or self._over:
                return found
            self._changed.clear()
            await self._changed.wait()

    def settle(
        self, reference: Hashable, successful: Sequence[Delivery[Item]], failed: Sequence[Delivery[Item]]
    ) -> None:
        """Deliveries are acknowledged. Used by the pipeline."""
        for delivery in (*successful, *failed):
            del self._kept[cast("int", delivery.token)]
        outcome = Outcome([delivery.item for delivery in successful], [delivery.item for delivery in failed])
        self.acknowledgements.append((reference, outcome))
        self._pushes[cast("int", reference)].add(outcome)


class _Push(Generic[Item]):
    """Items that were pushed together.

    Attributes:
        outcome: what has become of them so far.
        complete: set when all are acknowledged.
    """

    def __init__(self, count: int) -> None:
        self._left = count
        self.outcome: Outcome[Item] = Outcome([], [])
        self.complete = asyncio.Event()
        if not count:
            self.complete.set()

    def add(self, outcome: Outcome[Item]) -> None:
        """Some of them are acknowledged."""
        self.outcome.successful += outcome.successful
        self.outcome.failed += outcome.failed
        self._left -= len(outcome.successful) + len(outcome.failed)
        if not self._left:
            self.complete.set()


class _ManualFeed(Feed[Item], Generic[Item]):
    """An opening of the source."""

    def __init__(self, source: ManualSource[Item]) -> None:
        self._source = source
        self._next = 0

    async def fetch(self, demand: int) -> Sequence[Delivery[Item]]:
        found = await self._source.fetch(self._next, demand)
        if found:
            self._next = cast("int", found[-1].token) + 1
        return found

    async def acknowledge(
        self, reference: Hashable, successful: Sequence[Delivery[Item]], failed: Sequence[Delivery[Item]]
    ) -> None:
        self._source.settle(reference, successful, failed)
