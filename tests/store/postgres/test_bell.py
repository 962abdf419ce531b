"""How other processes hear of new events."""

import asyncio

import asyncpg
import pytest

from headwater.store.postgres import bell
from headwater.store.store import EventStore
from headwater.testing.conformance.store import Deposited

from .driving import Database, on_database, postgres


class Ear:
    """Is woken by a store, and knows what for."""

    def __init__(self, store: EventStore) -> None:
        self._woken = asyncio.Event()
        self._store = store
        store.watch(self._woken.set)

    async def settled(self) -> None:
        """Until the wake-ups of the beginning have come: what comes from now on comes for a reason."""
        bell = postgres(self._store)._bell
        while not bell._listening or bell._seen is None:
            await asyncio.sleep(0)
        self._woken.clear()

    async def hears(self) -> None:
        await self._woken.wait()
        self._woken.clear()

    async def sees(self, head: int) -> None:
        """Woken, and not before the log has grown that far."""
        await self.hears()
        while await self._store.head() < head:
            await self.hears()


async def _listening(database: Database, count: int) -> None:
    """Until so many connections listen."""
    async with database.sql() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'headwater' AND query LIKE 'LISTEN%'"
        while await connection.fetchval(query) < count:
            pass


def _only_by_notification(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(bell, "POLL_BESIDE", 1_000.0)
    patch.setattr(bell, "POLL", 1_000.0)


@pytest.mark.row("BS-11", "ES-20")
@on_database
async def test_another_store_is_told(database: Database) -> None:
    with pytest.MonkeyPatch.context() as patch:
        async with await database.open() as writer, await database.open(read_only=True) as reader:
            _only_by_notification(patch)
            ear = Ear(reader)
            await ear.settled()
            for number in range(1, 4):
                await writer.append("s", [Deposited(number)])
                await ear.sees(number)
            await writer.adapter.link("t", [1], 0)
            await ear.hears()


@pytest.mark.row("BS-11", "ES-20")
@on_database
async def test_what_is_told_comes_from_outside_the_append_transaction(database: Database) -> None:
    """One channel for each schema; many commits are told by few notifications, the last one by the last."""
    heard: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
    async with database.sql() as connection:

        def hear(_connection: object, process: int, _channel: str, payload: object) -> None:
            heard.put_nowait((process, str(payload)))

        await connection.add_listener(f"headwater:{database.schema}", hear)
        async with await database.open() as store:
            writer = await connection.fetchval(
                "SELECT pid FROM pg_stat_activity WHERE query LIKE '%fsync%'  AND pid <> pg_backend_pid()"
            )
            await store.append("s", [Deposited(0)])
            for number in range(100):
                await store.append("s", [Deposited(number)])
        told: list[tuple[int, str]] = []
        while not told or told[-1][1] != "101":
            told.append(await heard.get())
        assert writer not in {process for process, _ in told}
        assert len(told) < 101
        assert [int(position) for _, position in told] == sorted({int(position) for _, position in told})


@pytest.mark.row("BS-11")
@on_database
async def test_without_a_listening_connection_the_log_is_asked(database: Database) -> None:
    async with await database.open() as writer, await database.open() as reader:
        ear = Ear(reader)
        await ear.settled()
        with pytest.MonkeyPatch.context() as patch:

            async def refuse(self: object) -> object:
                raise asyncpg.CannotConnectNowError("the test allows no listening")

            patch.setattr("headwater.store.postgres.connection.Dialer.dial_session", refuse)
            async with database.sql() as connection:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'headwater' AND query LIKE 'LISTEN%'"
                )
            while postgres(reader)._bell._listening:
                await asyncio.sleep(0)
            for number in range(1, 4):
                await writer.append("s", [Deposited(number)])
                await ear.sees(number)
        await _listening(database, 1)  # it is back by itself


@pytest.mark.row("BS-11")
@on_database
async def test_a_writer_that_dies_before_it_tells_is_noticed(database: Database) -> None:
    """Even somebody who listens asks from time to time: here the commit is never told."""
    async with await database.open() as writer, await database.open() as reader:
        await writer.append("s", [Deposited(1)])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bell, "POLL_BESIDE", 0.05)
            ear = Ear(reader)
            await ear.settled()
            patch.setattr(bell.Bell, "announce", lambda self, position: None)
            await writer.append("s", [Deposited(2)])
            await ear.sees(2)
