"""A proof that can't fail proves nothing: each one is shown a log, a state or a view that is wrong."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path

import pytest

from headwater import Application, Position, Projection, Recorded
from headwater.examples.exchange import matching
from headwater.examples.exchange.market import Market
from headwater.examples.exchange.messages import OrderCancelled, OrderPlaced, Traded
from headwater.examples.exchange.proofs import (
    Proof,
    half_way_equals_fold,
    positions_are_gapless,
    prove,
    rebuild_equals_live,
    views_equal_rebuilt,
)
from headwater.examples.exchange.run import Run
from headwater.examples.exchange.sources import INSTRUMENT, GeneratedSource
from headwater.examples.exchange.venue import venue
from headwater.examples.exchange.views import Candles, MarketDepth, Tape, TopOfBook, Volumes

Check = Callable[[Application], Coroutine[object, object, Proof]]

ROWS = 600


def on_exchange(folder: Path, work: Check) -> Proof:
    """Run the demo's commands, then a check, on one and the same exchange."""

    async def run() -> Proof:
        async with venue(_url(folder)) as application:
            await Run(application, GeneratedSource(ROWS)).drive(-1)
            return await work(application)

    return asyncio.run(run())


def _url(folder: Path) -> str:
    return f"sqlite:///{folder}/demo.db"


def test_everything_holds_on_a_log_that_is_right(tmp_path: Path) -> None:
    async def check(application: Application) -> Proof:
        proofs = await prove(application, INSTRUMENT)
        assert [proof for proof in proofs if not proof.holds] == []
        assert len(proofs) == 4
        return proofs[0]

    proof = on_exchange(tmp_path, check)
    assert proof.detail.endswith(" events in 1 stream")


def test_everything_holds_on_an_empty_log(tmp_path: Path) -> None:
    async def check() -> list[Proof]:
        async with venue(_url(tmp_path)) as application:
            return await prove(application, INSTRUMENT)

    proofs = asyncio.run(check())
    assert [proof.holds for proof in proofs] == [True, None, True, True]
    assert proofs[0].detail == "0 events in 0 streams"
    assert proofs[1].detail == "no command in this run, so nothing is live"


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM events WHERE position = 10",
        "DELETE FROM events WHERE position = 1",
        "UPDATE events SET position = position + 1 WHERE position = (SELECT max(position) FROM events)",
        "UPDATE events SET version = version + 1 WHERE position = (SELECT max(position) FROM events)",
    ],
)
def test_a_hole_in_the_log_is_found(tmp_path: Path, damage: str) -> None:
    assert on_exchange(tmp_path, positions_are_gapless).holds
    with closing(sqlite3.connect(tmp_path / "demo.db")) as connection, connection:
        connection.execute("DROP TRIGGER events_are_never_updated")
        connection.execute("DROP TRIGGER events_are_never_deleted")
        assert connection.execute(damage).rowcount == 1

    async def check() -> Proof:
        async with venue(_url(tmp_path)) as application:
            return await positions_are_gapless(application)

    assert asyncio.run(check()).holds is False


async def _lose_an_order(market: Market) -> None:
    order = next(market.book.resting("buy"))
    matching.evolve(market.book, OrderCancelled(order.order, order.remaining))


async def _queue_an_order_anew(market: Market) -> None:
    """The same orders at the same prices, but one has lost its priority."""
    levels = [level for level in market.book.depth("buy") if level.orders > 1]
    order = next(order for order in market.book.resting("buy") if order.price == levels[0].price)
    matching.evolve(market.book, OrderCancelled(order.order, order.remaining))
    matching.evolve(market.book, OrderPlaced(order.order, "buy", order.price, order.remaining))


@pytest.mark.parametrize("change", [_lose_an_order, _queue_an_order_anew])
def test_a_live_state_that_differs_is_found(
    tmp_path: Path, change: Callable[[Market], Coroutine[object, object, None]]
) -> None:
    async def check(application: Application) -> Proof:
        live = await application.live_state(Market, INSTRUMENT)
        assert live is not None
        assert (await rebuild_equals_live(application, INSTRUMENT)).holds
        await change(live)
        return await rebuild_equals_live(application, INSTRUMENT)

    assert on_exchange(tmp_path, check).holds is False


@pytest.mark.parametrize("off", [-1, 1])
def test_a_past_that_is_off_by_one_event_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off: int) -> None:
    async def check(application: Application) -> Proof:
        assert (await half_way_equals_fold(application, INSTRUMENT)).holds
        state = application.state

        async def wrong(kind: type[Market], name: str, *, at: Position) -> Market:
            return await state(kind, name, at=Position(at + off))

        monkeypatch.setattr(application, "state", wrong)
        return await half_way_equals_fold(application, INSTRUMENT)

    assert on_exchange(tmp_path, check).holds is False


@pytest.mark.parametrize("view", [TopOfBook, MarketDepth, Tape, Candles, Volumes])
def test_a_view_that_missed_something_is_found_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, view: type[Projection]
) -> None:
    follow = view.follow

    def forgetful(self: Projection, recorded: Recorded) -> None:
        if not isinstance(recorded.event, Traded):
            follow(self, recorded)

    monkeypatch.setattr(view, "follow", forgetful)

    async def check(application: Application) -> Proof:
        await application.wait_for(view, await application.store.head())
        monkeypatch.undo()
        return await views_equal_rebuilt(application, INSTRUMENT)

    proof = on_exchange(tmp_path, check)
    assert proof.holds is False
    assert proof.detail == f"5 views; differing: {view.view}"
