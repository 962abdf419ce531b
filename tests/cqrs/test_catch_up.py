"""Which views have caught up when an application is entered, and what the others do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from headwater import Application, Query, Recorded, TableChanged, TableProjection, answer, project
from headwater.cqrs.projection import Projection
from headwater.errors import UnknownView, ViewCatchingUp
from headwater.testing.clock import VirtualClock
from tests.bank import Account, Audited, BalanceOf, Balances, Deposited
from tests.sql_bank import Entries, Ledger

EVENTS = 4_000


class Followed(Query[int]):
    pass


class Count(msgspec.Struct, frozen=True):
    name: str
    amount: int


class Slow(TableProjection[Count], key="name", topic="counts"):
    """Takes 5 ms for each event, of its clock: so others have their turn every 32 events."""

    clock: VirtualClock

    @project
    def deposited(self, event: Deposited, recorded: Recorded) -> None:
        self.table.insert(Count("deposits", int(recorded.position)))
        self.clock.advance(0.005)

    @answer
    def how_many(self, query: Followed) -> int:
        row = self.table.lookup("deposits")
        return 0 if row is None else row.amount


class SlowV2(Slow, key="name", name="Slow", version=2):
    pass


class LateLedger(Ledger):
    pass


async def with_a_log(
    folder: Path, views: Sequence[type[Projection]], catch_up: list[type[Projection]] | None
) -> Application:
    """An application on a log of some thousand events, that has had no views so far."""
    clock = VirtualClock()
    Slow.clock = clock
    application = Application(
        "bank",
        store=f"sqlite:///{folder}/bank.db",
        aggregates=[Account],
        projections=views,
        events=[Audited],
        catch_up=catch_up,
        clock=clock,
    )
    async with Application("bank", store=application.url, aggregates=[Account], clock=clock) as before:
        await before.store.append("account-a", [Deposited(1)] * EVENTS)
    return application


@pytest.mark.parametrize("catch_up", [None, [Slow, Balances]])
def test_those_that_have_to_are_where_the_log_ends(tmp_path: Path, catch_up: list[type[Projection]] | None) -> None:
    async def main() -> None:
        async with await with_a_log(tmp_path, [Balances, Slow], catch_up) as bank:
            assert await bank.query(Followed()) == EVENTS
            assert {status.state for status in await bank.views()} == {"live"}

    asyncio.run(main())


def test_the_others_catch_up_while_the_application_runs(tmp_path: Path) -> None:
    async def main() -> None:
        async with await with_a_log(tmp_path, [Slow, Balances], [Balances]) as bank:
            assert await bank.query(BalanceOf("a")) == EVENTS
            slow, balances = await bank.views()
            assert (slow.state, balances.state) == ("catching up", "live")
            assert 0 < slow.lag <= EVENTS
            with pytest.raises(ViewCatchingUp, match=f"from {EVENTS} on") as refused:
                await bank.query(Followed())
            assert refused.value.view == "Slow v1"
            async with bank.subscription(Followed()) as counts:
                with pytest.raises(ViewCatchingUp):
                    await anext(counts)
                assert await bank.wait_for(Slow, EVENTS, timeout=None) == EVENTS
                assert await anext(counts) == EVENTS
            assert await bank.query(Followed()) == EVENTS
            assert (await bank.views())[0].state == "live"

    asyncio.run(main())


def test_what_they_follow_meanwhile_is_no_news(tmp_path: Path) -> None:
    async def main() -> None:
        bank = await with_a_log(tmp_path, [Slow], [])
        async with bank, bank.pubsub.subscription("counts") as changes:
            await bank.wait_for(Slow, EVENTS, timeout=None)
            await bank.store.append("account-a", [Deposited(1)])
            news = await anext(aiter(changes))
            assert isinstance(news, TableChanged)
            assert news.new == Count("deposits", EVENTS + 1)

    asyncio.run(main())


def test_another_build_that_takes_over_has_caught_up(tmp_path: Path) -> None:
    async def main() -> None:
        async with await with_a_log(tmp_path, [Slow], []) as bank:
            await bank.rebuild(SlowV2)
            assert await bank.query(Followed()) == EVENTS

    asyncio.run(main())


def test_a_new_view_in_a_database_is_built_beside_the_others(tmp_path: Path) -> None:
    async def main() -> None:
        async with await with_a_log(tmp_path, [Slow, LateLedger], [Slow]) as bank:
            with pytest.raises(ViewCatchingUp):
                await bank.query(Entries())
            await bank.wait_for(LateLedger, EVENTS, timeout=None)
            assert len(await bank.query(Entries())) == EVENTS
        async with bank:  # it has nothing to catch up with
            assert len(await bank.query(Entries())) == EVENTS

    asyncio.run(main())


@pytest.mark.parametrize("view", [Slow, LateLedger])
def test_a_view_that_takes_long_is_reported_in_the_log(
    tmp_path: Path, view: type[Projection], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with await with_a_log(tmp_path, [view], None):
            pass

    with caplog.at_level(logging.INFO, "headwater.cqrs"):
        asyncio.run(main())
    reports = [record.message for record in caplog.records if "catches up" in record.message]
    if view is Slow:
        assert reports[0].startswith("view 'Slow v1' catches up: at position 20")
        assert "200 events a second" in reports[0]
    assert len(reports) == (1 if view is Slow else 0)


def test_another_store_and_unknown_views(tmp_path: Path) -> None:
    with pytest.raises(UnknownView):
        Application("bank", store="memory://", projections=[Balances], catch_up=[Slow])

    async def main() -> None:
        bank = await with_a_log(tmp_path, [Slow], [])
        async with bank.on(bank.url) as same:
            with pytest.raises(ViewCatchingUp):
                await same.query(Followed())

    asyncio.run(main())
