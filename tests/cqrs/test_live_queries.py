"""Live queries: first the answer, then each changed one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from headwater import Application, Projection, Query, answer, project
from headwater.cqrs import live_queries
from headwater.errors import ApplicationError, ProcessDown, TooManySubscriptions, UnknownQuery, ViewFailed
from tests.bank import Account, Audit, Audited, BalanceOf, Deposit, Deposited, bank

from .views import EverythingIn, Stubborn, Sums, SumsV2, application, running


@pytest.mark.row("BC-08")
def test_first_the_answer_then_each_change(tmp_path: Path) -> None:
    async def main() -> None:
        async with bank(tmp_path) as app, app.subscription(BalanceOf("a")) as answers:
            first: int = await anext(answers)
            assert first == 0
            for amount in (5, 6, 7):
                coming = asyncio.ensure_future(anext(answers))
                await app.dispatch(Deposit("a", amount))
                first += amount
                assert await coming == first
            coming = asyncio.ensure_future(anext(answers))
            for account in ("b", "c"):
                await app.dispatch(Deposit(account, 1), wait_for=app.projections)
            assert not coming.done(), "another account: the same answer"
            await app.dispatch(Deposit("a", 1))
            assert await coming == first + 1

    asyncio.run(main())


@pytest.mark.row("BC-08")
def test_a_slow_subscriber_gets_the_latest_answer(tmp_path: Path) -> None:
    async def main() -> None:
        async with bank(tmp_path) as app, app.subscription(BalanceOf("a")) as answers:
            assert await anext(answers) == 0
            for _ in range(1_00):
                await app.dispatch(Deposit("a", 1), wait_for=app.projections)
            assert await anext(answers) == 100
            coming = asyncio.ensure_future(anext(answers))
            await asyncio.sleep(0)
            assert not coming.done()
            await app.dispatch(Deposit("a", 1))
            assert await coming == 101

    asyncio.run(main())


class Names(Query[list[str]]):
    pass


class Looked(Query[str]):
    pass


class Notes(Projection):
    """Gives its own list away, and counts how often it is asked."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.asked = 0

    @project
    def audited(self, event: Audited) -> None:
        self.names.append(event.note)

    @answer
    def all_names(self, query: Names) -> list[str]:
        self.asked += 1
        return self.names

    @answer
    def looked(self, query: Looked) -> str:
        return self.names[0]


def notes(url: str = "memory://") -> Application:
    return Application("notes", store=url, aggregates=[Account], projections=[Notes], events=[Audited])


def test_an_answer_that_the_view_goes_on_changing_is_seen_to_change() -> None:
    async def main() -> None:
        async with notes() as app, app.subscription(Names()) as answers:
            assert await anext(answers) == []
            coming = asyncio.ensure_future(anext(answers))
            await app.dispatch(Audit("a", "x"))
            assert await coming == ["x", "done"]

    asyncio.run(main())


def test_events_that_the_view_does_not_follow_make_nobody_look() -> None:
    async def main() -> None:
        async with notes() as app, app.subscription(Names()) as answers:
            await anext(answers)
            coming = asyncio.ensure_future(anext(answers))
            await asyncio.sleep(0)
            view = running(app, "Notes")._projection
            assert isinstance(view, Notes)
            asked = view.asked
            for _ in range(20):
                await app.dispatch(Deposit("a", 1), wait_for=app.projections)
            assert view.asked == asked
            coming.cancel()

    asyncio.run(main())


def test_a_question_that_fails_ends_its_subscription_only() -> None:
    async def main() -> None:
        async with notes() as app, app.subscription(Looked()) as answers:
            with pytest.raises(IndexError):
                await anext(answers)
            await app.dispatch(Audit("a", "x"), wait_for=app.projections)
            assert await app.query(Looked()) == "x"

    asyncio.run(main())


@pytest.mark.row("BC-08")
def test_it_ends_when_the_view_stops(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with application(tmp_path, Stubborn) as app, app.subscription(BalanceOf("a")) as answers:
            assert await anext(answers) == 0
            coming = asyncio.ensure_future(anext(answers))
            await app.dispatch(Deposit("a", 13))
            with pytest.raises(ViewFailed, match="position 1"):
                await coming
            with pytest.raises(ViewFailed):
                await anext(answers)

    asyncio.run(main())


@pytest.mark.row("BC-08", "BC-03")
def test_it_survives_a_swap(tmp_path: Path) -> None:
    async def main() -> None:
        async with application(tmp_path) as app, app.subscription(BalanceOf("a")) as answers:
            await app.dispatch(Deposit("a", 1), wait_for=[Sums])
            assert await anext(answers) == 1
            coming = asyncio.ensure_future(anext(answers))
            await app.rebuild(Sums)
            assert not coming.done(), "the same answer"
            await app.rebuild(SumsV2)
            assert await coming == 100
            coming = asyncio.ensure_future(anext(answers))
            await app.dispatch(Deposit("a", 1))
            assert await coming == 200

    asyncio.run(main())


def test_there_is_a_bound_and_who_leaves_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_queries, "MAX_LIVE", 2)

    async def main() -> None:
        async with bank(tmp_path) as app:
            async with app.subscription(BalanceOf("a")) as one, app.subscription(BalanceOf("a")):
                with pytest.raises(TooManySubscriptions):
                    await app.subscription(BalanceOf("a")).__aenter__()
                with pytest.raises(ApplicationError, match="entered once"):
                    await one.__aenter__()
            async with app.subscription(BalanceOf("a")) as again:
                assert await anext(again) == 0
            with pytest.raises(ApplicationError, match="closed"):
                await anext(again)
            with pytest.raises(ApplicationError, match="async with"):
                await anext(app.subscription(BalanceOf("a")))
            with pytest.raises(UnknownQuery):
                app.subscription(EverythingIn())

    asyncio.run(main())


def test_it_ends_with_the_application(tmp_path: Path) -> None:
    async def main() -> None:
        async with bank(tmp_path) as app:
            subscription = await app.subscription(BalanceOf("a")).__aenter__()
            assert await anext(subscription) == 0
            coming = asyncio.ensure_future(anext(subscription))
            await asyncio.sleep(0)
        with pytest.raises(ProcessDown):
            await coming

    asyncio.run(main())


def test_a_given_up_wait_is_forgotten(tmp_path: Path) -> None:
    async def main() -> None:
        async with bank(tmp_path) as app, app.subscription(BalanceOf("a")) as answers:
            assert await anext(answers) == 0
            coming = asyncio.ensure_future(anext(answers))
            await asyncio.sleep(0)
            coming.cancel()
            await app.dispatch(Deposit("a", 3), wait_for=app.projections)
            assert await anext(answers) == 3
            coming = asyncio.ensure_future(anext(answers))
            await asyncio.sleep(0)
            with pytest.raises(ApplicationError, match="another task"):
                await anext(answers)
            view = running(app, "Balances")
            await app.store.append("account-a", [Deposited(1)])
            live = next(iter(view._live._open.values()))
            while live.waiting is not None:
                await asyncio.sleep(0)
            coming.cancel()  # the answer is on its way
            assert await anext(answers) == 4, "it isn't lost"

    asyncio.run(main())
