"""The numbers of half an hour of a real market, as an independent replay found them."""

from collections import Counter
from dataclasses import dataclass

import pytest

from headwater.examples.exchange.book import DepthLevel, OrderBook
from headwater.examples.exchange.feed import Feed
from headwater.examples.exchange.messages import BookEvent, PlaceLimit, Side, Traded
from headwater.examples.exchange.recording import Recording
from headwater.examples.exchange.trades import compare_trades

from .driving import INSTRUMENT, rebuilt, run_all
from .recordings import REAL

SIDES: tuple[Side, Side] = ("buy", "sell")

pytestmark = pytest.mark.skipif(
    not REAL.exists(), reason="the real recording is not on this machine: see ../shared/data/trading"
)


@dataclass
class Replay:
    recording: Recording
    feed: Feed
    book: OrderBook
    events: list[BookEvent]
    rejected: Counter[str]


@pytest.fixture(scope="module")
def replay() -> Replay:
    recording = Recording(REAL)
    feed = Feed(recording, INSTRUMENT)
    book = OrderBook()
    events, rejected = run_all(book, (command for *_, command in feed))
    return Replay(recording, feed, book, events, rejected)


def test_every_row_is_a_command_or_left_out_for_a_reason(replay: Replay) -> None:
    counts = replay.feed.counts
    assert counts.rows == 314_057
    assert counts.commands == {"PlaceLimit": 156_880, "Cancel": 150_080, "Reduce": 566, "PlaceMarket": 5}
    assert counts.left_out == {"malformed": 0, "funds_order": 6, "stale_order": 2, "closing_delete": 6_518}
    assert counts.rows == sum(counts.commands.values()) + sum(counts.left_out.values())


def test_the_rule_for_stale_orders_finds_the_two(replay: Replay) -> None:
    placed = {command.order for *_, command in replay.feed if isinstance(command, PlaceLimit)}
    opening = {row.order for row in replay.recording.orders() if row.number <= 6_512}
    assert opening - placed == {2002347646152704, 2002347642003458}


def test_rejections_are_those_of_the_exchange(replay: Replay) -> None:
    assert replay.rejected == {"would_cross": 100_518, "unknown_order": 100_921, "nothing_to_reduce": 174}


def test_events(replay: Replay) -> None:
    assert Counter(type(event).__name__ for event in replay.events) == {
        "BookOpened": 1,
        "OrderPlaced": 56_362,
        "OrderCancelled": 49_549,
        "Traded": 282,
        "MarketOrderPlaced": 5,
        "OrderReduced": 2,
    }


def test_the_trades_are_those_of_the_exchange(replay: Replay) -> None:
    traded = [event for event in replay.events if isinstance(event, Traded)]
    compared = compare_trades(traded, replay.recording.trades())
    assert (compared.engine, compared.recorded, compared.identical) == (282, 284, 282)
    # The two that are missing are those of the market orders by funds.
    assert {trade.buyer for trade in compared.only_recorded} == {2002351232385027, 2002354918830080}


def test_the_book_ends_as_that_of_the_exchange(replay: Replay) -> None:
    book = replay.book
    assert (sum(1 for _ in book.resting("buy")), sum(1 for _ in book.resting("sell"))) == (2_760, 3_756)
    assert book.depth("buy", 1) == [DepthLevel(7_835_000, 23_815_070, 3)]
    assert book.depth("sell", 1) == [DepthLevel(7_835_100, 220_347_504, 12)]


def test_what_rests_is_what_the_recorder_took_out_in_the_end(replay: Replay) -> None:
    stale = {2002347646152704, 2002347642003458}
    taken_out = {row.order: row.volume for row in replay.recording.orders() if row.number > 314_057 - 6_518}
    resting = {order.order: order.remaining for side in SIDES for order in replay.book.resting(side)}
    assert resting == {order: volume for order, volume in taken_out.items() if order not in stale}


def test_replaying_the_events_gives_an_equal_book(replay: Replay) -> None:
    assert rebuilt(replay.events) == replay.book
