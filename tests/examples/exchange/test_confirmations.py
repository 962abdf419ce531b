"""Both sides of a trade are told of it, also of what was traded while nobody could be told."""

import asyncio
from pathlib import Path

import pytest

from headwater import Application
from headwater.examples.exchange.confirmations import Confirmation, Confirmations, confirmation_topic
from headwater.examples.exchange.messages import OpenBook, PlaceLimit, PlaceMarket
from headwater.examples.exchange.venue import venue

from .driving import INSTRUMENT


async def place(exchange: Application) -> None:
    await exchange.dispatch(OpenBook(INSTRUMENT, 2, 8))
    await exchange.dispatch(PlaceLimit(INSTRUMENT, 1, "sell", 100, 3))
    await exchange.dispatch(PlaceMarket(INSTRUMENT, 2, "buy", 2))


@pytest.mark.row("CM-17")
def test_both_sides_hear_of_a_trade(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with venue("memory://") as exchange:
            seller = exchange.pubsub.subscription(confirmation_topic(INSTRUMENT, 1), of=Confirmation)
            buyer = exchange.pubsub.subscription(confirmation_topic(INSTRUMENT, 2), of=Confirmation)
            async with asyncio.timeout(5), seller, buyer:
                await place(exchange)
                assert await anext(seller) == Confirmation(4, INSTRUMENT, 1, "sell", 100, 2)
                assert await anext(buyer) == Confirmation(4, INSTRUMENT, 2, "buy", 100, 2)

    asyncio.run(scenario())


@pytest.mark.row("CM-17")
def test_what_was_traded_while_nobody_could_be_told_is_confirmed_later(tmp_path: Path) -> None:
    exchange = venue(f"sqlite:///{tmp_path}/exchange.db")

    async def trade() -> None:
        exchange.run_handlers = False
        async with exchange:
            await place(exchange)

    async def confirm() -> None:
        exchange.run_handlers = True
        async with exchange:
            await exchange.wait_for(Confirmations, await exchange.store.head())
            [status] = await exchange.handler_statuses()
            assert (status.position, status.lag) == (4, 0)

    asyncio.run(trade())
    asyncio.run(confirm())
