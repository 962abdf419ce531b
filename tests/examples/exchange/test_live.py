"""The top of the book and the tape, for those who look at tables and those who listen."""

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater import Envelope, Subscription, TableChanged
from headwater.examples.exchange.orderflow import OrderFlow
from headwater.examples.exchange.venue import venue
from headwater.examples.exchange.views import (
    TAPE_TOPIC,
    TOP_TOPIC,
    LastTrades,
    Print,
    Tape,
    Top,
    TopOf,
    TopOfBook,
)

INSTRUMENT = "btcusd"
ROWS = 600


def store(folder: Path) -> str:
    return f"sqlite:///{folder}/live.db"


def envelopes(rows: int, after: int = -1) -> list[Envelope]:
    commands = OrderFlow(INSTRUMENT, rows).commands(after)
    return [Envelope(command, {"row": row, "time": moment}) for row, moment, command in commands]


async def trade(exchange_store: str, after: int, rows: int) -> tuple[list[TableChanged], list[TableChanged]]:
    """Run the commands of some rows. Returns what was said meanwhile about the top and the tape."""
    async with venue(exchange_store) as exchange:
        tops = exchange.pubsub.subscription(TOP_TOPIC, of=TableChanged, capacity=100_000)
        tape = exchange.pubsub.subscription(TAPE_TOPIC, of=TableChanged, capacity=100_000)
        async with tops, tape:
            position = 0
            async for outcome in exchange.dispatch_all(envelopes(rows, after)):
                position = getattr(outcome.result, "position", position)
            for view in (TopOfBook, Tape):
                await exchange.wait_for(view, position)
            top = await exchange.query(TopOf(INSTRUMENT))
            last = await exchange.query(LastTrades(INSTRUMENT, 1_000))
            heard_tops = await heard(tops, lambda change: change.new == top)
            heard_tape = await heard(tape, lambda change: change.new == last[-1])
    return heard_tops, heard_tape


async def heard(
    subscription: Subscription[TableChanged], is_last: Callable[[TableChanged], bool]
) -> list[TableChanged]:
    changes: list[TableChanged] = []
    async with asyncio.timeout(10):
        async for change in subscription:
            changes.append(change)
            if is_last(change):
                return changes
    raise AssertionError("it went on for ever")


def test_every_new_top_and_every_trade_is_broadcast_once_and_in_order(tmp_path: Path) -> None:
    tops, tape = asyncio.run(trade(store(tmp_path), -1, ROWS))
    assert len(tops) > 20
    assert all(isinstance(change.new, Top) for change in tops)
    assert all(before.new == after.old for before, after in itertools.pairwise(tops)), "no change is missing"
    prints = [change.new for change in tape if isinstance(change.new, Print)]
    assert len(prints) > 20
    assert [found.position for found in prints] == sorted({found.position for found in prints})


@pytest.mark.row("BT-03")
def test_what_happened_before_the_start_is_not_told_again(tmp_path: Path) -> None:
    async def main() -> None:
        _, before = await trade(store(tmp_path), -1, ROWS)
        _, after = await trade(store(tmp_path), ROWS, 2 * ROWS)
        last = max(change.new.position for change in before if isinstance(change.new, Print))
        assert all(change.new.position > last for change in after if isinstance(change.new, Print))

    asyncio.run(main())
