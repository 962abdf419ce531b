from pathlib import Path

import pytest

from headwater.examples.exchange.feed import Feed
from headwater.examples.exchange.messages import (
    BookCommand,
    Cancel,
    OpenBook,
    PlaceLimit,
    PlaceMarket,
    Reduce,
)
from headwater.examples.exchange.recording import MalformedRow, Recording

from .driving import INSTRUMENT, numbered
from .recordings import write_recording

OPEN = (0, OpenBook(INSTRUMENT, 2, 8))


def opening(order: int, price: str, volume: str, direction: str) -> str:
    return f"{order},1000,900,{price},{volume},created,{direction}"


def live(order: int, price: str, volume: str, action: str, direction: str, time: int = 1100) -> str:
    return f"{order},{time},{time - 70},{price},{volume},{action},{direction}"


def closing(order: int, direction: str, time: int = 2000) -> str:
    return f"{order},{time},{time},10.0,1.0,deleted,{direction}"


def trade(buyer: int, seller: int, price: str, amount: str = "1.0", happened: int = 1050) -> str:
    return f"1,{happened + 70},{happened},{price},{amount},{buyer},{seller},buy"


def feed_of(folder: Path, orders: list[str], trades: list[str] | None = None) -> Feed:
    return Feed(Recording(write_recording(folder, orders, trades or [])), INSTRUMENT)


def limit(order: int, price: int, *, post_only: bool = False) -> PlaceLimit:
    return PlaceLimit(INSTRUMENT, order, "buy", price, 100_000_000, post_only)


def test_a_row_becomes_the_command_that_it_means(tmp_path: Path) -> None:
    feed = feed_of(
        tmp_path,
        [
            opening(1, "10.0", "1.0", "bid"),
            opening(2, "12.5", "3.0", "ask"),
            live(3, "11.0", "2.0", "created", "bid"),
            live(2, "12.5", "2.5", "changed", "ask"),
            live(2, "12.5", "2.5", "deleted", "ask"),
            live(3, "11.0", "0.0", "deleted", "bid"),
        ],
    )
    assert numbered(feed) == [
        OPEN,
        (1, PlaceLimit(INSTRUMENT, 1, "buy", 1_000, 100_000_000)),
        (2, PlaceLimit(INSTRUMENT, 2, "sell", 1_250, 300_000_000)),
        (3, PlaceLimit(INSTRUMENT, 3, "buy", 1_100, 200_000_000)),
        (4, Reduce(INSTRUMENT, 2, 250_000_000)),
        (5, Cancel(INSTRUMENT, 2)),
        (6, Reduce(INSTRUMENT, 3, 0)),
    ]
    assert feed.counts == (6, {"PlaceLimit": 3, "Reduce": 2, "Cancel": 1}, {"malformed": 0})


def test_an_order_taken_back_whole_at_once_is_post_only(tmp_path: Path) -> None:
    orders = [opening(9, "1.0", "1.0", "bid")]
    orders += [live(order, "10.0", "1.0", "created", "bid") for order in (1, 2, 3, 4, 5)]
    orders += [
        live(1, "10.0", "1.0", "deleted", "bid"),  # post-only
        live(2, "10.0", "0.9", "deleted", "bid"),  # not whole
        live(3, "10.0", "0.9", "changed", "bid"),  # not its next event
        live(3, "10.0", "1.0", "deleted", "bid"),
        live(5, "10.0", "1.0", "changed", "bid"),  # not deleted
        live(4, "10.0", "1.0", "deleted", "bid"),  # traded
    ]
    commands = dict(numbered(feed_of(tmp_path, orders, [trade(4, 8, "10.0")])))
    assert commands[2] == limit(1, 1_000, post_only=True)
    assert [commands[row] for row in (3, 4, 5, 6)] == [limit(order, 1_000) for order in (2, 3, 4, 5)]


def test_the_recorders_closing_deletes_are_left_out(tmp_path: Path) -> None:
    orders = [live(order, "10.0", "1.0", "created", "bid") for order in (1, 2, 3)]
    orders += [closing(1, "bid", 1500), live(4, "10.0", "1.0", "created", "bid"), closing(2, "bid"), closing(3, "bid")]
    feed = feed_of(tmp_path, orders)
    assert numbered(feed) == [
        OPEN,
        (1, limit(1, 1_000, post_only=True)),
        (2, limit(2, 1_000)),
        (3, limit(3, 1_000)),
        (4, Cancel(INSTRUMENT, 1)),
        (5, limit(4, 1_000)),
    ]
    assert feed.counts.left_out == {"malformed": 0, "closing_delete": 2}


def test_only_the_last_run_of_deletes_with_one_time_is_the_recorders(tmp_path: Path) -> None:
    orders = [live(1, "10.0", "1.0", "created", "bid"), live(2, "10.0", "1.0", "created", "bid")]
    feed = feed_of(tmp_path, [*orders, closing(1, "bid", 1999), closing(2, "bid", 2000)])
    assert [row for row, command in numbered(feed) if isinstance(command, Cancel)] == [3]


@pytest.mark.parametrize("direction", ["bid", "ask"])
def test_an_untouched_opening_order_that_was_traded_through_is_left_out(tmp_path: Path, direction: str) -> None:
    away = -1 if direction == "bid" else 1
    prices = {1: 100 + away, 2: 100, 3: 100 - away, 4: 100 - away}
    orders = [opening(order, f"{price}.0", "1.0", direction) for order, price in prices.items()]
    orders.append(live(4, f"{prices[4]}.0", "0.5", "changed", direction))
    feed = feed_of(tmp_path, orders, [trade(7, 8, "100.0")])
    # Order 3 waited at a better price than the trade's. Order 4 did too, but was there: it changed.
    assert [row for row, *_ in feed] == [0, 1, 2, 4, 5]
    assert feed.counts.left_out == {"malformed": 0, "stale_order": 1}


def test_a_trade_before_the_opening_book_makes_nothing_stale(tmp_path: Path) -> None:
    feed = feed_of(tmp_path, [opening(1, "99.0", "1.0", "ask")], [trade(7, 8, "100.0", happened=899)])
    assert feed.counts.left_out == {"malformed": 0}


def test_only_the_opening_book_can_be_stale(tmp_path: Path) -> None:
    orders = [
        opening(1, "50.0", "1.0", "bid"),
        live(2, "99.0", "1.0", "created", "ask"),
        # Created later, whatever its times say.
        opening(3, "99.0", "1.0", "ask"),
    ]
    feed = feed_of(tmp_path, orders, [trade(7, 8, "100.0")])
    assert feed.counts.left_out == {"malformed": 0}


def test_market_orders_are_known_by_their_price(tmp_path: Path) -> None:
    orders = [
        opening(1, "0.0", "1.0", "bid"),
        live(2, "0.0", "1.0", "created", "ask"),
        live(3, "999999999.0", "1.0", "created", "bid"),
        live(4, "999999999.0", "1.0", "created", "ask"),
    ]
    assert [command for _, command in numbered(feed_of(tmp_path, orders))][1:] == [
        limit(1, 0),
        PlaceMarket(INSTRUMENT, 2, "sell", 100_000_000),
        PlaceMarket(INSTRUMENT, 3, "buy", 100_000_000),
        PlaceLimit(INSTRUMENT, 4, "sell", 99_999_999_900, 100_000_000),
    ]


def test_market_orders_by_funds_are_left_out_with_all_their_rows(tmp_path: Path) -> None:
    orders = [
        opening(1, "10.0", "1.0", "ask"),
        live(2, "999999999.0", "0.0", "created", "bid"),
        live(2, "10.0", "1e-08", "changed", "bid"),
        live(1, "10.0", "0.0", "deleted", "ask"),
        live(2, "10.0", "1e-08", "deleted", "bid"),
    ]
    feed = feed_of(tmp_path, orders, [trade(2, 1, "10.0")])
    assert [row for row, *_ in feed] == [0, 1, 4]
    assert feed.counts == (5, {"PlaceLimit": 1, "Reduce": 1}, {"malformed": 0, "funds_order": 3})


@pytest.fixture
def rows() -> list[str]:
    orders = [live(order, "10.0", "1.0", "created", "bid") for order in range(1, 6)]
    orders += [live(2, "10.0", "0.5", "changed", "bid"), "not a row", live(1, "10.0", "1.0", "deleted", "bid")]
    return [*orders, closing(3, "bid")]


def test_goes_on_after_any_row(tmp_path: Path, rows: list[str]) -> None:
    feed = Feed(Recording(write_recording(tmp_path, rows)), INSTRUMENT, on_error="skip")
    every = list(feed)
    numbers = [row for row, *_ in every]
    assert numbers == sorted(set(numbers))
    for after in range(-1, 12):
        assert list(feed.commands(after)) == [pair for pair in every if pair[0] > after]


def test_a_malformed_row_is_counted_and_keeps_its_number(tmp_path: Path, rows: list[str]) -> None:
    skipped: list[MalformedRow] = []
    recording = Recording(write_recording(tmp_path, rows, ["not a trade"]))
    feed = Feed(recording, INSTRUMENT, on_error="skip", on_skip=skipped.append)
    assert [(row.path.name, row.line) for row in skipped] == [("small_trades.csv", 2), ("small_orders.csv", 8)]
    assert feed.counts == (
        9,
        {"PlaceLimit": 5, "Reduce": 1, "Cancel": 1},
        {"malformed": 1, "closing_delete": 1},
    )
    last: tuple[int, BookCommand] = (8, Cancel(INSTRUMENT, 1))
    assert numbered(feed)[-1] == last


def test_a_malformed_row_stops_before_the_first_command(tmp_path: Path, rows: list[str]) -> None:
    with pytest.raises(MalformedRow):
        Feed(Recording(write_recording(tmp_path, rows)), INSTRUMENT)


def test_every_command_carries_the_time_of_its_row(tmp_path: Path) -> None:
    feed = feed_of(tmp_path, [opening(1, "10.0", "1.0", "bid"), live(2, "9.0", "1.0", "created", "bid", time=1234)])
    times = [time for _, time, _ in feed]
    assert times == [900, 900, 1234 - 70]


def test_an_empty_recording_only_opens_the_book(tmp_path: Path) -> None:
    feed = feed_of(tmp_path, [])
    assert numbered(feed) == [OPEN]
    assert feed.counts == (0, {}, {"malformed": 0})
