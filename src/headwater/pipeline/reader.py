"""Reader: how a source stage reads its source and acknowledges to it, without waiting in its own turn."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Hashable, Sequence
from typing import Final, Generic, TypeVar

import msgspec

from headwater.errors import InvalidAcknowledgement
from headwater.pipeline.source import Delivery, Feed, Source
from headwater.pipeline.spans import ACKNOWLEDGE
from headwater.runtime.process import Process

Item = TypeVar("Item")

ACKNOWLEDGE_TIMEOUT: Final = 3.0
"""Seconds that acknowledgements may take to end when the source stage does."""

_log: Final = logging.getLogger("headwater.pipeline")


class Fetched(msgspec.Struct, Generic[Item], frozen=True):
    """To the source stage: what a fetch has brought.

    Attributes:
        deliveries: none if the source is over.
        error: what opening or reading it raised.
    """

    deliveries: Sequence[Delivery[Item]]
    error: Exception | None = None


class Acknowledged(msgspec.Struct, frozen=True):
    """To the source stage: the source was told of all that it was to be told of so far."""


class Reader(Generic[Item]):
    """Does one fetch at a time and one acknowledgement at a time, each in a task. The source stage is told of each end.

    Acknowledgements that come while one is under way are put together. When the process ends, the tasks are cancelled
    and the feed is closed.

    Args:
        source: what to read. It is opened by the first fetch.
        process: the source stage's.

    Attributes:
        acknowledging: how many acknowledgements are under way, or wait.
    """

    __slots__ = ("_acks", "_failed", "_feed", "_fetch", "_handled", "_process", "_source", "acknowledging")

    def __init__(self, source: Source[Item], process: Process) -> None:
        self._source = source
        self._process = process
        self._feed: Feed[Item] | None = None
        self._fetch: asyncio.Task[None] | None = None
        self._acks: asyncio.Task[None] | None = None
        self._handled: list[Delivery[Item]] = []
        self._failed: list[Delivery[Item]] = []
        self.acknowledging = 0
        if process.cleanups is None:
            process.cleanups = []
        process.cleanups.append(self._abandon)

    @property
    def feed(self) -> Feed[Item]:
        """What is read.

        Raises:
            InvalidAcknowledgement: the source was not opened, or is closed.
        """
        if self._feed is None:
            raise InvalidAcknowledgement(f"the source of {self._process.label} is not open")
        return self._feed

    @property
    def fetching(self) -> bool:
        """Whether a fetch is under way."""
        return self._fetch is not None

    def fetch(self, demand: int) -> None:
        """Begin to fetch. `Fetched` comes when there is something."""
        self._fetch = self._start(self._fetch_once(demand))

    def cancel_fetch(self) -> None:
        """End the fetch that is under way, if there is one."""
        fetch, self._fetch = self._fetch, None
        if fetch is not None:
            self._process.node.detach(fetch, self._process.label)

    def acknowledge(self, handled: list[Delivery[Item]], failed: list[Delivery[Item]]) -> None:
        """Tell the source, soon. `Acknowledged` comes when that is done."""
        self._handled += handled
        self._failed += failed
        self.acknowledging += len(handled) + len(failed)
        if self._acks is None:
            self._acks = self._start(self._acknowledge_all())

    async def finish(self) -> None:
        """End what is under way: a fetch at once, acknowledgements when they are done, or have taken too long."""
        self.cancel_fetch()
        if self._acks is not None:
            timer = self._process.node.clock.call_later(ACKNOWLEDGE_TIMEOUT, self._acks.cancel)
            await asyncio.wait([self._acks])
            timer.cancel()

    async def close(self) -> None:
        """Close the feed, and wait until it is."""
        feed, self._feed = self._feed, None
        if feed is not None:
            await self._close(feed)

    async def _fetch_once(self, demand: int) -> None:
        try:
            if self._feed is None:
                self._feed = await self._source.open()
            fetched = Fetched(await self._feed.fetch(demand))
        except Exception as error:  # noqa: BLE001 - the stage will raise it
            fetched = Fetched((), error)
        self._fetch = None
        self._process.inform(fetched)

    async def _acknowledge_all(self) -> None:
        while self._handled or self._failed:
            handled, self._handled = self._handled, []
            failed, self._failed = self._failed, []
            for reference, (successful, parked) in _grouped(handled, failed).items():
                await self._acknowledge(reference, successful, parked)
            self.acknowledging -= len(handled) + len(failed)
            self._process.inform(Acknowledged())
        self._acks = None

    async def _acknowledge(
        self, reference: Hashable, handled: list[Delivery[Item]], failed: list[Delivery[Item]]
    ) -> None:
        telemetry, label = self._process.node.telemetry, self._process.label
        try:
            with telemetry.span(ACKNOWLEDGE, process=label, successful=len(handled), failed=len(failed)):
                await self.feed.acknowledge(reference, handled, failed)
        except Exception:  # noqa: BLE001 - the pipeline goes on; the source may give them again
            _log.exception("%s could not acknowledge %d messages", label, len(handled) + len(failed))

    def _abandon(self) -> None:
        """The process has ended."""
        self.cancel_fetch()
        if self._acks is not None:
            self._process.node.detach(self._acks, self._process.label)
        feed, self._feed = self._feed, None
        if feed is not None:
            self._start(self._close(feed))

    async def _close(self, feed: Feed[Item]) -> None:
        try:
            await feed.close()
        except Exception:  # noqa: BLE001 - nobody uses it any more
            _log.exception("%s could not close its source", self._process.label)

    def _start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        return self._process.node.loop.create_task(work)


def _grouped(
    handled: list[Delivery[Item]], failed: list[Delivery[Item]]
) -> dict[Hashable, tuple[list[Delivery[Item]], list[Delivery[Item]]]]:
    """By reference: what was handled, and what failed."""
    references = {delivery.reference for delivery in handled}
    references.update(delivery.reference for delivery in failed)
    if len(references) == 1:
        return {references.pop(): (handled, failed)}
    groups: dict[Hashable, tuple[list[Delivery[Item]], list[Delivery[Item]]]] = {}
    for kind, deliveries in enumerate((handled, failed)):
        for delivery in deliveries:
            groups.setdefault(delivery.reference, ([], []))[kind].append(delivery)
    return groups
