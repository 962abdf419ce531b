"""Checkpoints that can't be written, and logs that can't be read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest

from headwater.errors import InternalError, StorageFailed, SubscriptionClosed, SubscriptionLost
from headwater.store.memory import MemoryAdapter
from headwater.store.memory_subscriptions import MemorySubscriptions
from headwater.store.page import Page, Selection
from headwater.store.store import EventStore
from headwater.testing.clock import VirtualClock

from ..driving import Deposited, codec, scenario

LEASE = 30.0


class FailingSubscriptions(MemorySubscriptions):
    """Refuses to write while it is told to."""

    failing = False
    broken = False
    attempts = 0

    async def save(self, name: str, token: int, place: int, expires_at: int) -> None:
        self.attempts += 1
        if self.broken:
            raise InternalError("on purpose")
        if self.failing:
            raise StorageFailed("on purpose")
        await super().save(name, token, place, expires_at)


class FailingAdapter(MemoryAdapter):
    """The backend in memory with a disk that may fail."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.kept = self.subscriptions = FailingSubscriptions(self._require_open)  # type: ignore[misc]
        self.readable = True

    async def read(self, selection: Selection, limit: int) -> Page:
        if not self.readable:
            raise StorageFailed("on purpose")
        return await super().read(selection, limit)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The failures are meant."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


async def _open(clock: VirtualClock, events: int) -> tuple[EventStore, FailingAdapter]:
    adapter = FailingAdapter(clock)
    store = EventStore(adapter, codec(), clock=clock)
    await store.append("s", [Deposited(number) for number in range(events)])
    return store, adapter


async def _attempts(adapter: FailingAdapter, count: int) -> None:
    while adapter.kept.attempts < count:
        await asyncio.sleep(0)
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.row("ES-16")
@scenario
async def test_a_checkpoint_that_failed_is_written_later() -> None:
    clock = VirtualClock()
    store, adapter = await _open(clock, 20)
    async with store, store.subscription("mailer", checkpoint_every=3, lease=LEASE) as events:
        adapter.kept.failing = True
        for _ in range(3):
            await events.ack(await anext(events))
        await _attempts(adapter, 1)
        with pytest.raises(StorageFailed):
            await events.flush()
        for attempt in range(3, 6):
            clock.advance(1.0)
            await _attempts(adapter, attempt)
        adapter.kept.failing = False
        await events.ack(await anext(events))
        clock.advance(1.0)
        await _attempts(adapter, 6)
        kept = await adapter.kept.find("mailer")
        assert kept is not None
        assert kept.place == 4
        assert (await anext(events)).position == 5, "the consumer has noticed nothing"


@pytest.mark.row("ES-17")
@scenario
async def test_a_lease_that_cannot_be_renewed_is_lost() -> None:
    clock = VirtualClock()
    store, adapter = await _open(clock, 20)
    async with store, store.subscription("mailer", lease=LEASE) as events:
        event = await anext(events)
        adapter.kept.failing = True
        for attempt in (1, 2):
            clock.advance(LEASE / 3)
            await _attempts(adapter, attempt)
        assert (await anext(events)).position == 2
        clock.advance(LEASE / 3)
        await _attempts(adapter, 3)
        with pytest.raises(SubscriptionLost, match="could not be renewed"):
            await anext(events)
        with pytest.raises(SubscriptionLost):
            await events.ack(event)


@pytest.mark.row("BG-01")
@scenario
async def test_a_log_that_cannot_be_read_ends_the_subscription_and_loses_nothing() -> None:
    clock = VirtualClock()
    store, adapter = await _open(clock, 3)
    async with store:
        async with store.subscription("mailer", max_unacknowledged=3) as events:
            await events.ack_many([await anext(events) for _ in range(3)])
            adapter.readable = False
            await store.append("s", [Deposited(4)])
            with pytest.raises(StorageFailed, match="on purpose"):
                await anext(events)
        adapter.readable = True
        async with store.subscription("mailer", wait=0) as events:
            assert (await anext(events)).position == 4


@scenario
async def test_a_backend_that_breaks_ends_the_subscription() -> None:
    store, adapter = await _open(VirtualClock(), 3)
    async with store:
        async with store.subscription("mailer", checkpoint_every=1) as events:
            adapter.kept.broken = True
            await events.ack(await anext(events))
            with pytest.raises(SubscriptionClosed, match="has ended"):
                await events.flush()
            with pytest.raises(InternalError):
                await anext(events)
        async with store.subscription("mailer", wait=0) as events:
            assert (await anext(events)).position == 2
