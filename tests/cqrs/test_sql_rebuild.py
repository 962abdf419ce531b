"""A view in a database as the other views are: replaced while it serves, asked live, and told of in one status."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import delete

from headwater import (
    Application,
    Codec,
    Event,
    EventStore,
    Position,
    Projection,
    Raw,
    Recorded,
    answer,
    project,
    upcast,
)
from headwater.cqrs.active_versions import ActiveVersions
from headwater.cqrs.sql_address import view_address
from headwater.cqrs.sql_sqlite import READERS
from headwater.cqrs.sql_view import SqlView
from headwater.cqrs.stored_views import StoredViews
from headwater.errors import DefinitionError, StorageFailed, ViewFailed, ViewVersionTaken
from headwater.sql import Rows, Statement

from ..bank import Account, Audited, BalanceOf, Balances, Deposit, Deposited, Withdrawn
from ..postgres_server import own_schema, with_options
from ..sql_bank import Entries, Entry, Ledger, Picture, fold, picture


class LedgerV2(Ledger, name="Ledger", version=2, partitions=2, batch=30):
    pass


class Unlucky(Ledger, name="Ledger", version=3):
    @project
    def moved(self, event: Deposited | Withdrawn, recorded: Recorded) -> Iterator[Statement]:
        if event.amount == 13:
            raise ValueError("unlucky")
        yield from super().moved(event, recorded)


class BalancesInMemory(Balances, key="account", name="Ledger", version=2):
    pass


def bank(folder: Path, *views: type[Projection], database: str | None = None) -> Application:
    return Application(
        "bank",
        store=f"sqlite:///{folder}/bank.db",
        aggregates=[Account],
        projections=views,
        view_database=database,
        events=[Audited],
    )


async def rows(kind: type[Ledger], database: str) -> tuple[Picture, Position | None]:
    async with await SqlView.open(kind, view_address(database, "memory://")) as view:
        return await view.database.read(lambda connection: picture(connection, kind)), await view.position()


async def folded(application: Application, upto: int) -> Picture:
    events = [(recorded.stored, recorded.event) async for recorded in application.store.read_all()]
    return fold((stored, event) for stored, event in events if stored.position <= upto)


async def rebuild_under_writes(folder: Path, database: str) -> None:
    """While clients write and ask."""
    async with bank(folder, Ledger, database=database) as app:
        for account in "abc":
            await app.store.append(f"account-{account}", [Deposited(1)] * 400)
        rebuilt = asyncio.ensure_future(app.rebuild(LedgerV2))
        done, asked = 0, 0
        while not rebuilt.done():
            await app.dispatch(Deposit("d", 1), wait_for=[Ledger])
            done += 1
            answer = await app.query(BalanceOf("d"))
            assert answer >= max(asked, done), "whichever serves, it has followed what was waited for"
            asked = answer
        swapped = await rebuilt
        assert done > 0
        assert await rows(Ledger, database) == (await folded(app, swapped), swapped)
        last = await app.dispatch(Deposit("d", 1), wait_for=[LedgerV2])
        [status] = await app.views()
        assert (status.view, status.position, status.lag, status.state) == ("Ledger v2", last.position, 0, "live")
        assert await rows(LedgerV2, database) == (await folded(app, last.position), last.position)
        assert (await rows(Ledger, database))[1] == swapped, "the old one stays as it was"
    async with bank(folder, Ledger, LedgerV2, database=database) as app:
        assert [status.view for status in await app.views()] == ["Ledger v2"]
        assert await app.query(BalanceOf("a")) == 400


@pytest.mark.row("BC-03")
def test_a_new_version_is_built_under_writes_and_swapped_at_one_position(tmp_path: Path) -> None:
    asyncio.run(rebuild_under_writes(tmp_path, f"sqlite:///{tmp_path}/views.db"))


@pytest.mark.row("BC-03")
def test_it_is_so_in_postgresql(tmp_path: Path, postgres: str) -> None:
    asyncio.run(rebuild_under_writes(tmp_path, with_options(postgres, schema=own_schema(tmp_path))))


def test_what_serves_stays_when_a_build_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = f"sqlite:///{tmp_path}/bank.views.db"

    async def main() -> None:
        async with bank(tmp_path, Ledger) as app:
            done = await app.dispatch(Deposit("a", 13), wait_for=[Ledger])
            with pytest.raises(ViewFailed, match="unlucky"):
                await app.rebuild(Unlucky)
            with monkeypatch.context() as broken:

                async def write(*_: object) -> None:
                    raise StorageFailed("no")

                broken.setattr("headwater.cqrs.active_versions.ActiveVersions.write", write)
                with pytest.raises(StorageFailed):
                    await app.rebuild(LedgerV2)
            for kind in (Unlucky, LedgerV2):
                async with await SqlView.open(kind, view_address(database, "memory://")) as view:
                    assert await view.position() is None, "nothing is left behind"
            await app.wait_for(Ledger, done.position)
            assert await app.query(BalanceOf("a")) == 13
            await app.rebuild(LedgerV2)
            assert await app.query(BalanceOf("a")) == 13

    asyncio.run(main())


def test_what_a_killed_build_has_left_is_removed(tmp_path: Path) -> None:
    async def main() -> None:
        async with bank(tmp_path, LedgerV2) as app:
            await app.dispatch(Deposit("a", 5), wait_for=[LedgerV2])
        address = view_address(f"sqlite:///{tmp_path}/bank.views.db", "memory://")
        async with await SqlView.open(LedgerV2, address) as view:
            await view.database.write(lambda connection: connection.execute(delete(LedgerV2.entries)))
        async with bank(tmp_path, Ledger) as app:
            await app.dispatch(Deposit("a", 5))
            await app.rebuild(LedgerV2)
            assert await app.query(Entries()) == [Entry(1, 5), Entry(2, 5)]

    asyncio.run(main())


def test_a_view_that_has_stopped_is_taken_forward_by_the_next_version(tmp_path: Path) -> None:
    class Mended(Ledger, name="Ledger", version=4):
        pass

    async def main() -> None:
        async with bank(tmp_path, Unlucky) as app:
            done = await app.dispatch(Deposit("a", 13))
            with pytest.raises(ViewFailed):
                await app.wait_for(Unlucky, done.position)
            [status] = await app.views()
            assert (status.state, status.position, status.lag) == ("failed", 0, 1)
            await app.rebuild(Mended)
            await app.dispatch(Deposit("a", 1), wait_for=[Mended])
            assert await app.query(BalanceOf("a")) == 14

    asyncio.run(main())


def test_what_can_not_replace_it_is_refused(tmp_path: Path) -> None:
    class Again(Ledger, name="Ledger"):
        pass

    async def main() -> None:
        async with bank(tmp_path, Ledger) as app:
            await app.dispatch(Deposit("a", 5), wait_for=[Ledger])
            with pytest.raises(ViewVersionTaken, match="raise the projection's version"):
                await app.rebuild(Again)
            with pytest.raises(DefinitionError, match="one of them has its rows in a database"):
                await app.rebuild(BalancesInMemory)
            assert await app.query(BalanceOf("a")) == 5

    asyncio.run(main())


# --- live queries --------------------------------------------------------------------------------------------------


@pytest.mark.row("BC-08")
def test_a_live_query_gives_each_changed_answer_also_after_a_swap(tmp_path: Path) -> None:
    async def main() -> None:
        async with bank(tmp_path, Ledger) as app, app.subscription(BalanceOf("a")) as answers:
            assert await anext(answers) == 0
            for total in (5, 10):
                coming = asyncio.ensure_future(anext(answers))
                await app.dispatch(Deposit("a", 5))
                assert await coming == total
            coming = asyncio.ensure_future(anext(answers))
            await app.rebuild(LedgerV2)
            await app.dispatch(Deposit("b", 1), wait_for=[LedgerV2])
            assert not coming.done(), "another account: the same answer"
            await app.dispatch(Deposit("a", 1))
            assert await coming == 11

    asyncio.run(main())


@pytest.mark.row("BC-08")
class Slow(Ledger, name="Ledger", version=1):
    """Answers when the test wants it to."""

    gate = threading.Event()

    @answer
    def balance_of(self, query: BalanceOf, rows: Rows) -> int:
        assert self.gate.wait(20)
        return super().balance_of(query, rows)


def test_live_queries_that_are_being_read_at_the_swap_are_answered(tmp_path: Path) -> None:
    async def main() -> None:
        async with bank(tmp_path, Slow) as app, AsyncExitStack() as opened:
            await app.dispatch(Deposit("a", 1), wait_for=[Slow])
            several = [await opened.enter_async_context(app.subscription(BalanceOf("a"))) for _ in range(READERS + 3)]
            answers = [asyncio.ensure_future(anext(one)) for one in several]
            await app.views()  # by now all of them are being read, or wait for a thread that reads
            rebuilt = asyncio.ensure_future(app.rebuild(LedgerV2))
            while await ActiveVersions(app.store).read("Ledger") != 2:
                await asyncio.sleep(0)
            await asyncio.to_thread(lambda: None)  # what closes the old connections has begun
            Slow.gate.set()
            async with asyncio.timeout(10):
                assert await asyncio.gather(*answers) == [1] * len(several)
                await rebuilt

    asyncio.run(main())


def test_a_live_query_ends_when_the_view_stops(tmp_path: Path) -> None:
    async def main() -> None:
        async with bank(tmp_path, Unlucky) as app, app.subscription(BalanceOf("a")) as answers:
            assert await anext(answers) == 0
            coming = asyncio.ensure_future(anext(answers))
            await app.dispatch(Deposit("a", 13))
            with pytest.raises(ViewFailed):
                await coming

    asyncio.run(main())


# --- from outside --------------------------------------------------------------------------------------------------


@pytest.mark.row("BC-03")
def test_a_version_is_built_and_chosen_while_nothing_runs(tmp_path: Path) -> None:
    app = bank(tmp_path, Ledger, LedgerV2)

    async def stored() -> list[tuple[str, bool, int, int]]:
        async with await EventStore.open(app.url, app.codec) as store:
            views = StoredViews(app.projections, store, app.system.clock, app.view_places)
            return [(one.view, one.active, one.position, one.lag) for one in await views.statuses()]

    async def main() -> None:
        async with app:
            await app.dispatch(Deposit("a", 5), wait_for=[Ledger])
        assert await stored() == [("Ledger v1", True, 1, 0), ("Ledger v2", False, 0, 1)]
        async with await EventStore.open(app.url, app.codec) as store:
            views = StoredViews(app.projections, store, app.system.clock, app.view_places)
            with pytest.raises(ViewVersionTaken):
                await views.rebuild(Ledger, lambda *_: None)
            assert await views.rebuild(LedgerV2, lambda *_: None) == 1
            await views.swap(views.find("Ledger"), 2)
        assert await stored() == [("Ledger v1", False, 1, 0), ("Ledger v2", True, 1, 0)]
        async with app:
            assert await app.query(Entries()) == [Entry(1, 5)]

    asyncio.run(main())


# --- upcasting -----------------------------------------------------------------------------------------------------


class Transferred(Event, name="bank.transferred"):
    amount: int
    bonus: int


@upcast("bank.transferred", to=[("bank.withdrawn", 1), ("bank.deposited", 1)])
def split(data: dict[str, object]) -> Iterator[Raw]:
    yield Raw("bank.withdrawn", {"amount": data["amount"]})
    yield Raw("bank.deposited", {"amount": data["bonus"]})


@pytest.mark.parametrize("partitions", [1, 3])
def test_the_parts_of_one_event_take_effect_together(tmp_path: Path, partitions: int) -> None:
    class Split(Unlucky, name="Ledger", partitions=partitions):
        pass

    url = f"sqlite:///{tmp_path}/bank.db"

    async def main() -> None:
        async with await EventStore.open(url, Codec.of(Transferred)) as store:
            await store.append("account-a", [Transferred(2, 3), Transferred(4, 13), Transferred(1, 1)])
        bank = Application("bank", store=url, aggregates=[Account], projections=[Split], upcasters=[split])
        for _ in range(2):  # the restart follows the event once more, from its first part
            async with bank as app:
                [status] = await app.views()
                assert (status.state, status.position) == ("failed", 1)
                found, _ = await rows(Split, f"sqlite:///{tmp_path}/bank.views.db")
                assert found == ({"a": 1}, [(1, -2), (1, 3)])

    asyncio.run(main())
