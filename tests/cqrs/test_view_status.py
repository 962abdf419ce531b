"""Status and lag as data; a long catch-up starves nobody."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from headwater import Application, EventStore, Position, Projection, Query, System, answer, project
from headwater.cqrs.served_view import ServedView
from headwater.cqrs.sql_view_process import SQLViewProcess
from headwater.cqrs.view_places import ViewPlaces
from headwater.cqrs.view_process import ViewProcess
from headwater.errors import StartFailed, StorageFailed
from headwater.store.memory import MemoryAdapter
from headwater.testing.clock import VirtualClock
from tests.bank import Account, Audited, BalanceOf, Balances, Deposit, Deposited, bank

from ..sql_bank import Ledger
from .views import running


class Followed(Query[int]):
    pass


class Slow(Projection):
    """Takes 5 ms for each event, of its clock."""

    clock: VirtualClock

    def __init__(self) -> None:
        self.followed = 0

    @project
    def deposited(self, event: Deposited) -> None:
        self.followed += 1
        self.clock.advance(0.005)

    @answer
    def how_many(self, query: Followed) -> int:
        return self.followed


@pytest.mark.row("BC-08")
def test_queries_are_answered_all_through_a_long_catch_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = VirtualClock()
    monkeypatch.setattr(Slow, "clock", clock, raising=False)
    application = Application(
        "slow", store="memory://", aggregates=[Account], projections=[Slow], events=[Audited], clock=clock
    )

    async def main() -> None:
        async with application as app:
            await app.store.append("account-a", [Deposited(1)] * 1_000)
            answers, states = [0], set[str]()
            while answers[-1] < 1_000:
                answers.append(await app.query(Followed(), timeout=None))
                states.add((await app.views())[0].state)
            steps = [later - earlier for earlier, later in pairwise(answers)]
            assert max(steps) <= 64, "20 ms, looked at every 32 events"
            assert "live" in states

    asyncio.run(main())


def test_a_view_tells_how_far_behind_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with bank(tmp_path) as app:
            (status,) = await app.views()
            assert (status.position, status.head, status.lag, status.moved_at) == (0, 0, 0, None)
            view = running(app, "Balances")
            monkey = pytest.MonkeyPatch()
            monkey.setattr(view, "_wake", lambda: None)  # it hears nothing
            view._unwatch()
            for first in range(2):
                await app.store.append(f"account-{first}", [Deposited(1)] * 1_000)
            (status,) = await app.views()
            assert (status.state, status.position, status.head, status.lag) == ("catching up", 0, 2_000, 2_000)
            monkey.undo()
            view._wake()
            await app.wait_for(Balances, 2_000)
            done = await app.dispatch(Deposit("a", 1))
            app.system.named(type(view), "view Balances").cast(type(view).follow)
            await app.wait_for(Balances, done.position)
            (status,) = await app.views()
            assert (status.state, status.lag, status.failure, status.rebuild) == ("live", 0, None, None)
            event = await app.store.last("account-a")
            assert event is not None
            assert status.moved_at is not None
            assert status.moved_at >= event.recorded_at
            assert await app.query(BalanceOf("a")) == 1

    asyncio.run(main())


@pytest.mark.parametrize("in_database", [False, True])
def test_a_view_that_can_t_start_hears_of_new_events_no_more(
    monkeypatch: pytest.MonkeyPatch, *, in_database: bool
) -> None:
    async def failing(self: EventStore) -> Position:
        raise StorageFailed("the disk is gone")

    async def main() -> None:
        codec, places = bank(Path()).codec, ViewPlaces("memory://")
        async with await EventStore.open("memory://", codec) as store, System("views") as system:
            monkeypatch.setattr(EventStore, "head", failing)
            starting = (
                system.start(SQLViewProcess, store, ServedView(Ledger), print, places, catch_up=True)
                if in_database
                else system.start(ViewProcess, store, ServedView(Balances), print, catch_up=True)
            )
            with pytest.raises(StartFailed, match="the disk is gone"):
                await starting
            assert isinstance(store.adapter, MemoryAdapter)
            assert len(store.adapter._watchers) == 0

    asyncio.run(main())
