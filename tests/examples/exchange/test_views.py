"""The views against models that are slow and obvious."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from headwater import Recorded
from headwater.examples.exchange import matching
from headwater.examples.exchange.book import DepthLevel, OrderBook
from headwater.examples.exchange.messages import BookEvent, Side, Traded
from headwater.examples.exchange.orderflow import OrderFlow
from headwater.examples.exchange.views import (
    TAPE_LENGTH,
    Candle,
    Candles,
    CandlesOf,
    Depth,
    DepthOf,
    LastTrades,
    MarketDepth,
    Print,
    Quote,
    SideVolume,
    Tape,
    Top,
    TopOf,
    TopOfBook,
    VolumeOf,
    Volumes,
)

from .driving import run_all
from .recorded import recorded

INSTRUMENTS = ("btcusd", "btceur")
SIDES: tuple[Side, Side] = ("buy", "sell")
START = datetime(2026, 5, 2, 2, 36, tzinfo=UTC)


class Deal(NamedTuple):
    """A trade as the models know it."""

    instrument: str
    milliseconds: int
    event: Traded

    @property
    def time(self) -> datetime:
        return START + timedelta(milliseconds=self.milliseconds)


_traded = st.builds(
    Traded, st.integers(1, 9), st.integers(1, 9), st.integers(1, 99), st.integers(1, 99), st.sampled_from(SIDES)
)
# Times step back now and then, and often lie on the border of a minute.
_milliseconds = st.one_of(st.integers(0, 300_000), st.sampled_from((0, 59_999, 60_000, 60_001, 119_999, 120_000)))
deals = st.lists(st.builds(Deal, st.sampled_from(INSTRUMENTS), _milliseconds, _traded), max_size=60)


def followed(trades: Iterable[Deal]) -> list[Recorded]:
    begins = int(START.timestamp()) * 1_000
    return [
        recorded(deal.event, position, deal.instrument, time=begins + deal.milliseconds)
        for position, deal in enumerate(trades, 1)
    ]


@given(deals)
def test_candles_are_the_trades_of_each_minute_of_the_market(trades: list[Deal]) -> None:
    view = Candles()
    for event in followed(trades):
        view.follow(event)
    for instrument in INSTRUMENTS:
        assert view.ask(CandlesOf(instrument)) == _candles(instrument, trades)


def _candles(instrument: str, trades: list[Deal]) -> list[Candle]:
    minutes = sorted({deal.milliseconds // 60_000 for deal in trades if deal.instrument == instrument})
    return [_candle(instrument, minute, trades) for minute in minutes]


def _candle(instrument: str, minute: int, trades: list[Deal]) -> Candle:
    own = [d.event for d in trades if d.instrument == instrument and d.milliseconds // 60_000 == minute]
    prices = [event.price for event in own]
    return Candle(
        key=(instrument, START + timedelta(minutes=minute)),
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=sum(event.volume for event in own),
        trades=len(own),
    )


@given(deals)
def test_volumes_are_the_sums_of_the_takers_trades(trades: list[Deal]) -> None:
    view = Volumes()
    for event in followed(trades):
        view.follow(event)
    for instrument in INSTRUMENTS:
        for side in SIDES:
            own = [d.event.volume for d in trades if d.instrument == instrument and d.event.taker == side]
            assert view.ask(VolumeOf(instrument, side)) == SideVolume((instrument, side), sum(own), len(own))


@given(deals, st.integers(-1, 70))
def test_the_tape_shows_the_last_trades_in_order(trades: list[Deal], count: int) -> None:
    view = Tape()
    for event in followed(trades):
        view.follow(event)
    for instrument in INSTRUMENTS:
        own = [_print(position, deal) for position, deal in enumerate(trades, 1) if deal.instrument == instrument]
        assert view.ask(LastTrades(instrument, count)) == (own[-count:] if count > 0 else [])


def _print(position: int, deal: Deal) -> Print:
    event = deal.event
    return Print(
        position=position,
        instrument=deal.instrument,
        time=deal.time,
        price=event.price,
        volume=event.volume,
        buyer=event.buyer,
        seller=event.seller,
        taker=event.taker,
    )


def test_the_tape_forgets_what_is_too_old() -> None:
    view = Tape()
    trade = Traded(1, 2, 3, 4, "buy")
    for event in followed(Deal(INSTRUMENTS[number % 2], number, trade) for number in range(TAPE_LENGTH + 500)):
        view.follow(event)
    assert len(view.table) == TAPE_LENGTH
    shown = [view.ask(LastTrades(instrument, TAPE_LENGTH)) for instrument in INSTRUMENTS]
    assert [len(prints) for prints in shown] == [TAPE_LENGTH // 2] * 2
    assert {row.position for prints in shown for row in prints} == set(range(501, TAPE_LENGTH + 501))


def test_without_the_markets_time_the_recordings_time_counts() -> None:
    view = Candles()
    event = recorded(Traded(1, 2, 3, 4, "buy"), 1, "btcusd", time=None)
    view.follow(event)
    [candle] = view.ask(CandlesOf("btcusd"))
    assert candle.key[1] == event.recorded_at.replace(second=0, microsecond=0)


@given(st.integers(0, 1_000), st.integers(0, 80), st.integers(0, 80), st.one_of(st.none(), st.integers(0, 12)))
def test_top_and_depth_are_those_of_each_book(seed: int, first: int, second: int, levels: int | None) -> None:
    top, depth = TopOfBook(), MarketDepth()
    flows = {name: _events(name, rows, seed + rows) for name, rows in zip(INSTRUMENTS, (first, second), strict=True)}
    for position, (name, event) in enumerate(_shuffled(flows), 1):
        for view in (top, depth):
            view.follow(recorded(event, position, name))
    for name, events in flows.items():
        assert top.ask(TopOf(name)) == Top(name, _best(events, "buy"), _best(events, "sell"))
        assert depth.ask(DepthOf(name, levels)) == _depth(name, events, levels)


def _events(instrument: str, rows: int, seed: int) -> list[BookEvent]:
    commands = (found.command for found in OrderFlow(instrument, rows, seed=seed))
    return run_all(OrderBook(), commands)[0]


def _shuffled(flows: dict[str, list[BookEvent]]) -> Iterable[tuple[str, BookEvent]]:
    """One event of each in turn, as far as they go."""
    for number in range(max(map(len, flows.values()))):
        for name, events in flows.items():
            if number < len(events):
                yield name, events[number]


def _resting(events: list[BookEvent], side: Side) -> dict[int, list[int]]:
    """What remains of each order, by price."""
    book = OrderBook()
    for event in events:
        matching.evolve(book, event)
    prices: dict[int, list[int]] = {}
    for order in book.resting(side):
        prices.setdefault(order.price, []).append(order.remaining)
    return prices


def _best(events: list[BookEvent], side: Side) -> Quote | None:
    prices = _resting(events, side)
    if not prices:
        return None
    price = max(prices) if side == "buy" else min(prices)
    return Quote(price, sum(prices[price]), len(prices[price]))


def _depth(instrument: str, events: list[BookEvent], levels: int | None) -> Depth:
    bids, asks = _resting(events, "buy"), _resting(events, "sell")
    shown_bids = [(price, sum(bids[price]), len(bids[price])) for price in sorted(bids, reverse=True)[:levels]]
    shown_asks = [(price, sum(asks[price]), len(asks[price])) for price in sorted(asks)[:levels]]
    return Depth(
        instrument,
        tuple(DepthLevel(*level) for level in shown_bids),
        tuple(DepthLevel(*level) for level in shown_asks),
        sum(map(len, bids.values())),
        sum(map(len, asks.values())),
    )


def test_asking_for_an_unknown_instrument_leaves_nothing_behind() -> None:
    top, depth = TopOfBook(), MarketDepth()
    assert top.ask(TopOf("nothing")) == Top("nothing", None, None)
    assert depth.ask(DepthOf("nothing")) == Depth("nothing", (), (), 0, 0)
    assert (vars(top), vars(depth)) == (vars(TopOfBook()), vars(MarketDepth()))
