"""A jump of the price halts trading, and a pause later it goes on."""

import asyncio
from pathlib import Path

import pytest

from headwater import Application, Rejected
from headwater.cqrs.timer_events import TimerScheduled
from headwater.examples.exchange.circuit_breaker import PAUSE, CircuitBreaker
from headwater.examples.exchange.messages import (
    Halt,
    OpenBook,
    PlaceLimit,
    PriceJumped,
    Resume,
    TradingHalted,
    TradingResumed,
)
from headwater.examples.exchange.venue import venue
from headwater.testing import VirtualClock, given, running, wait_for_event

from .driving import INSTRUMENT


async def trade(exchange: Application, order: int, price: int) -> None:
    """Two orders meet at a price."""
    await exchange.dispatch(PlaceLimit(INSTRUMENT, order, "sell", price, 1))
    await exchange.dispatch(PlaceLimit(INSTRUMENT, order + 1, "buy", price, 1))


@pytest.mark.row("CM-27", "BC-06")
def test_trading_is_halted_upon_a_jump_and_goes_on_after_a_pause_and_a_restart(tmp_path: Path) -> None:
    clock, store = VirtualClock(), f"sqlite:///{tmp_path}/exchange.db"

    async def halted() -> None:
        async with running(venue("memory://"), store=store, clock=clock) as exchange:
            await exchange.dispatch(OpenBook(INSTRUMENT, 2, 8))
            await trade(exchange, 1, 100)
            await trade(exchange, 3, 110)
            halt = await wait_for_event(exchange, TradingHalted)
            assert halt.event == TradingHalted("the price jumped from 100 to 110")
            assert (halt.metadata["process_manager"], halt.metadata["instance"]) == ("circuit-breaker", INSTRUMENT)
            with pytest.raises(Rejected, match="trading in btcusd is halted"):
                await trade(exchange, 5, 110)
            await wait_for_event(exchange, TimerScheduled)

    async def resumed() -> None:
        async with running(venue("memory://"), store=store, clock=clock) as exchange:
            [pause] = await exchange.scheduled()
            assert pause.at.timestamp() - clock.wall() / 1e9 == pytest.approx(PAUSE, abs=1)
            clock.advance(PAUSE + 1)
            await wait_for_event(exchange, TradingResumed)
            await trade(exchange, 5, 200)  # it begins anew, so that this is no jump
            await trade(exchange, 7, 300)
            await wait_for_event(exchange, PriceJumped, lambda event: event.price == 300)
            await wait_for_event(exchange, TradingHalted, lambda event: "from 200 to 300" in event.reason)

    asyncio.run(halted())
    asyncio.run(resumed())


def test_it_halts_once_however_often_the_price_jumps_and_is_done_when_trading_goes_on() -> None:
    halt, resume = Halt(INSTRUMENT, "the price jumped from 100 to 110"), Resume(INSTRUMENT)
    breaker = given(CircuitBreaker, INSTRUMENT).when(PriceJumped(110, 100)).then(halt)
    breaker.when(PriceJumped(130, 110)).then()
    waiting = breaker.when_accepted(halt, TradingHalted(halt.reason)).then().then_timers("pause")
    waiting.when_timer("pause").then(resume).when(TradingResumed()).then().then_stopped()
    waiting.when(TradingResumed()).then().then_stopped()


def test_a_halt_that_somebody_else_has_ordered_is_theirs_to_end() -> None:
    halt = Halt(INSTRUMENT, "the price jumped from 100 to 110")
    breaker = given(CircuitBreaker, INSTRUMENT).when(PriceJumped(110, 100)).then(halt)
    breaker.when_rejected(halt, Rejected("trading is halted")).then().then_timers().then_stopped()
