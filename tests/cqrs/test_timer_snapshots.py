"""What a start reads depends on the timers that are pending, not on those that there have been."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from headwater import Application, EventStore
from headwater.cqrs import timers
from headwater.cqrs.timer_events import TIMER_EVENTS, TimerSettled
from headwater.store.reader import READ
from headwater.store.stream import Snapshot
from headwater.telemetry import SpanEvent, Telemetry
from headwater.testing.clock import VirtualClock
from tests.bank import Account, Deposit

from .test_timers import balance_is, settle

EVERY = 20
MANY = 60


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers, "SNAPSHOT_EVERY", EVERY)


class Bank:
    """A bank in a file, opened again and again.

    Attributes:
        read: how many events of the log the last start has read.
    """

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/b.db"
        self.clock = VirtualClock()
        self.read = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Application]:
        telemetry = Telemetry(self.clock)
        detach = telemetry.attach(READ, self._count)
        self.read = 0
        application = Application("bank", store=self.url, aggregates=[Account], clock=self.clock, telemetry=telemetry)
        async with application:
            await application.scheduled()  # answered when the log was read
            detach()
            yield application

    def _count(self, span: SpanEvent) -> None:
        if span.phase == "stop" and span.metadata["stream"] is None:
            self.read += int(str(span.metadata["events"]))


async def fire_many(bank: Bank, application: Application) -> None:
    """Have many timers fire and settle."""
    query = application.store.query(TimerSettled)
    before = len([one async for one in application.store.read_all(query=query)])

    async def settled() -> bool:
        return len([one async for one in application.store.read_all(query=query)]) == before + MANY

    for second in range(MANY):
        await application.schedule(Deposit("a", 1), after=second % 7)
    bank.clock.advance(10.0)
    await settle(application, settled)
    await application.scheduled()  # which reads what is new


async def last_snapshot(store: EventStore) -> Snapshot:
    found = await store.load_snapshot("timers", "1")
    assert found is not None
    return found


@pytest.mark.row("BC-06")
def test_a_start_after_many_finished_timers_reads_few_events(tmp_path: Path) -> None:
    async def main() -> None:
        bank = Bank(tmp_path)
        async with bank.open() as application:
            late = await application.schedule(Deposit("a", 1_000), after=10_000.0)
            gone = await application.schedule(Deposit("a", 10_000), after=10_000.0)
            await fire_many(bank, application)
        async with bank.open() as application:
            assert 0 < bank.read <= EVERY + 2
            assert {one.id for one in await application.scheduled()} == {late, gone}
            query = application.store.query(*TIMER_EVENTS)
            assert len([one async for one in application.store.read_all(query=query)]) == 2 + 3 * MANY
            await application.cancel(gone)
            await fire_many(bank, application)
        async with bank.open() as application:
            assert 0 < bank.read <= EVERY + 2
            assert [one.id for one in await application.scheduled()] == [late]
            bank.clock.advance(10_000.0)
            await settle(application, balance_is(application, 2 * MANY + 1_000))

    asyncio.run(main())


def test_a_snapshot_that_does_not_hold_is_ignored_and_replaced(tmp_path: Path) -> None:
    async def main() -> None:
        bank = Bank(tmp_path)
        async with bank.open() as application:
            late = await application.schedule(Deposit("a", 1_000), after=10_000.0)
            await fire_many(bank, application)
            whole = await last_snapshot(application.store)
        for version, data in [
            (1_000_000, b"\xc1"),
            (1_000_000, whole.data[:-1]),
            (whole.version - 1, whole.data),  # another event lies there
            (1_000_000, whole.data),  # the log has lost its end, or is another one
        ]:
            async with bank.open() as application:
                await application.store.delete_snapshots("timers")
                await application.store.save_snapshot(Snapshot("timers", "1", version, data))
            async with bank.open() as application:
                assert bank.read > 3 * MANY
                assert [one.id for one in await application.scheduled()] == [late]
                assert (await last_snapshot(application.store)).version > whole.version - 2
        async with bank.open() as application:
            assert bank.read <= EVERY + 2
            assert [one.id for one in await application.scheduled()] == [late]

    asyncio.run(main())
