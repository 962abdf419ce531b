from collections import defaultdict
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.errors import Rejected
from headwater.examples.exchange.book import OrderBook, RestingOrder
from headwater.examples.exchange.matching import decide
from headwater.examples.exchange.messages import (
    BookCommand,
    BookEvent,
    BookOpened,
    Cancel,
    Halt,
    MarketOrderExpired,
    MarketOrderPlaced,
    OpenBook,
    OrderCancelled,
    OrderPlaced,
    OrderReduced,
    PlaceLimit,
    PlaceMarket,
    PriceJumped,
    Reduce,
    Resume,
    Side,
    Traded,
    TradingHalted,
)

from .driving import INSTRUMENT, opened, rebuilt, run, run_all
from .model import ModelExchange, Refused

# Few ids, prices and volumes, so that orders meet, repeat and cross all the time; now and then one that is wrong.
instruments = st.sampled_from([INSTRUMENT] * 39 + ["ethusd"])
ids = st.integers(min_value=1, max_value=20)
sides: st.SearchStrategy[Side] = st.sampled_from(["buy", "sell"])
prices = st.sampled_from([3, 4, 5, 6, 7, 8] * 5 + [0, -1])
volumes = st.sampled_from([1, 2, 3, 4, 5, 6] * 5 + [0, -1])
kinds: dict[str, tuple[int, st.SearchStrategy[BookCommand]]] = {
    "limit": (
        12,
        st.builds(PlaceLimit, instruments, ids, sides, prices, volumes, st.sampled_from([False] * 4 + [True])),
    ),
    "market": (2, st.builds(PlaceMarket, instruments, ids, sides, volumes)),
    "cancel": (4, st.builds(Cancel, instruments, ids)),
    "reduce": (6, st.builds(Reduce, instruments, ids, volumes)),
    "open": (1, st.builds(OpenBook, instruments, st.integers(-1, 8), st.just(8))),
    "halt": (1, st.builds(Halt, instruments, st.just("to look at it"))),
    "resume": (3, st.builds(Resume, instruments)),
}
commands = st.sampled_from([kind for kind, (weight, _) in kinds.items() for _ in range(weight)]).flatmap(
    lambda kind: kinds[kind][1]
)
# Long ones from the start: hypothesis prefers short lists, and in a short one nobody meets.
tails = st.one_of(st.lists(commands, min_size=40, max_size=60), st.lists(commands, max_size=10))
histories: st.SearchStrategy[list[BookCommand]] = tails.map(lambda tail: [OpenBook(INSTRUMENT, 2, 8), *tail])


def outcome(handle: Callable[[BookCommand], list[BookEvent]], command: BookCommand) -> list[BookEvent] | str:
    try:
        return handle(command)
    except Rejected as rejection:
        return rejection.reason
    except Refused as refusal:
        return str(refusal)


def resting(book: OrderBook) -> list[RestingOrder]:
    return [*book.resting("buy"), *book.resting("sell")]


def modelled(model: ModelExchange) -> list[RestingOrder]:
    orders = [*model.sorted("buy"), *model.sorted("sell")]
    return [RestingOrder(order.order, order.side, order.price, order.remaining) for order in orders]


@settings(max_examples=200, deadline=None)
@given(st.one_of(histories, histories, st.lists(commands, max_size=20)))
def test_does_what_the_slow_obvious_exchange_does(history: list[BookCommand]) -> None:
    book, model = OrderBook(), ModelExchange()
    for command in history:
        expected = outcome(model.handle, command)
        assert outcome(lambda command: run(book, command), command) == expected
        assert resting(book) == modelled(model)


@settings(deadline=None)
@given(histories)
def test_the_book_is_never_crossed_after_a_command(history: list[BookCommand]) -> None:
    book = OrderBook()
    for command in history:
        run_all(book, [command])
        assert book.best_bid is None or book.best_ask is None or book.best_bid < book.best_ask


@settings(deadline=None)
@given(histories)
def test_best_prices_and_totals_are_those_of_the_resting_orders(history: list[BookCommand]) -> None:
    book = OrderBook()
    for command in history:
        run_all(book, [command])
        bids, asks = list(book.resting("buy")), list(book.resting("sell"))
        assert book.best_bid == max((order.price for order in bids), default=None)
        assert book.best_ask == min((order.price for order in asks), default=None)
        for side, orders in (("buy", bids), ("sell", asks)):
            depth = book.depth("buy" if side == "buy" else "sell")
            assert sum(level.volume for level in depth) == sum(order.remaining for order in orders)
            assert sum(level.orders for level in depth) == len(orders)
        assert len(book) == len(bids) + len(asks)


@settings(deadline=None)
@given(histories)
def test_no_volume_comes_from_nowhere_or_gets_lost(history: list[BookCommand]) -> None:
    book = OrderBook()
    placed: defaultdict[int, int] = defaultdict(int)
    gone: defaultdict[int, int] = defaultdict(int)
    for command in history:
        before = {order.order: order.remaining for order in resting(book)}
        events, _ = run_all(book, [command])
        for event in events:
            match event:
                case OrderPlaced(order, _, _, volume) | MarketOrderPlaced(order, _, volume):
                    placed[order] += volume
                case Traded(buyer, seller, _, volume):
                    assert volume > 0
                    gone[buyer] += volume
                    gone[seller] += volume
                case OrderReduced(order, remaining):
                    assert 0 <= remaining < before[order]
                    gone[order] += before[order] - remaining
                case OrderCancelled(order, volume) | MarketOrderExpired(order, volume):
                    gone[order] += volume
                case BookOpened():
                    pass
        for order, volume in placed.items():
            assert volume == gone[order] + (book.remaining(order) or 0)


@settings(deadline=None)
@given(histories)
def test_replaying_the_events_gives_an_equal_book(history: list[BookCommand]) -> None:
    book = OrderBook()
    events, _ = run_all(book, history)
    assert rebuilt(events) == book


@settings(deadline=None)
@given(histories)
def test_a_rejected_command_changes_nothing(history: list[BookCommand]) -> None:
    book, events = OrderBook(), list[BookEvent]()
    for command in history:
        try:
            events += run(book, command)
        except Rejected:
            assert rebuilt(events) == book


@settings(deadline=None)
@given(histories, commands)
def test_rejects_at_the_first_step_or_never(history: list[BookCommand], command: BookCommand) -> None:
    book = OrderBook()
    run_all(book, history)
    generator = decide(book, command)
    try:
        next(generator)
    except Rejected:
        return
    # Not even a caller who forgets to apply the events meets a late rejection.
    assert all(generator)


def test_a_resting_order_is_one_event() -> None:
    book = opened((1, "sell", 12, 5))
    assert run(book, PlaceLimit(INSTRUMENT, 2, "buy", 11, 3)) == [OrderPlaced(2, "buy", 11, 3)]
    assert book.get(2) == RestingOrder(2, "buy", 11, 3)


def test_a_taker_trades_at_the_makers_prices_and_its_rest_waits() -> None:
    book = opened((1, "sell", 12, 5), (2, "sell", 11, 2))
    assert run(book, PlaceLimit(INSTRUMENT, 3, "buy", 12, 9)) == [
        OrderPlaced(3, "buy", 12, 9),
        Traded(3, 2, 11, 2, "buy"),
        Traded(3, 1, 12, 5, "buy"),
        PriceJumped(12, 11),
    ]
    assert resting(book) == [RestingOrder(3, "buy", 12, 2)]


def test_a_taker_never_trades_beyond_its_limit() -> None:
    book = opened((1, "sell", 11, 2), (2, "sell", 13, 2))
    assert run(book, PlaceLimit(INSTRUMENT, 3, "buy", 12, 4))[1:] == [Traded(3, 1, 11, 2, "buy")]
    assert (book.best_bid, book.best_ask) == (12, 13)


def test_a_selling_taker_is_the_seller() -> None:
    book = opened((1, "buy", 12, 5))
    assert run(book, PlaceLimit(INSTRUMENT, 2, "sell", 10, 5))[1:] == [Traded(1, 2, 12, 5, "sell")]
    assert len(book) == 0


def test_a_market_order_never_rests() -> None:
    book = opened((1, "buy", 12, 5), (2, "buy", 3, 1))
    assert run(book, PlaceMarket(INSTRUMENT, 3, "sell", 8)) == [
        MarketOrderPlaced(3, "sell", 8),
        Traded(1, 3, 12, 5, "sell"),
        Traded(2, 3, 3, 1, "sell"),
        MarketOrderExpired(3, 2),
        PriceJumped(3, 12),
    ]
    assert len(book) == 0


def test_a_filled_market_order_does_not_expire() -> None:
    book = opened((1, "buy", 12, 5))
    events = run(book, PlaceMarket(INSTRUMENT, 3, "sell", 5))
    assert events == [MarketOrderPlaced(3, "sell", 5), Traded(1, 3, 12, 5, "sell")]


def test_cancelling_tells_what_was_taken_out() -> None:
    book = opened((1, "buy", 12, 5))
    run(book, PlaceLimit(INSTRUMENT, 2, "sell", 12, 2))
    assert run(book, Cancel(INSTRUMENT, 1)) == [OrderCancelled(1, 3)]


def test_an_id_is_free_again_when_its_order_has_left_the_book() -> None:
    book = opened((1, "buy", 12, 5))
    run(book, Cancel(INSTRUMENT, 1))
    assert run(book, PlaceLimit(INSTRUMENT, 1, "buy", 12, 5)) == [OrderPlaced(1, "buy", 12, 5)]


def test_a_bid_may_wait_at_price_nought() -> None:
    book = opened((1, "buy", 0, 5))
    assert run(book, PlaceMarket(INSTRUMENT, 2, "sell", 5))[1:] == [Traded(1, 2, 0, 5, "sell")]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (OpenBook(INSTRUMENT, 2, 8), "already_open"),
        (PlaceLimit("ethusd", 9, "buy", 10, 1), "unknown_instrument"),
        (PlaceMarket("ethusd", 9, "buy", 1), "unknown_instrument"),
        (Cancel("ethusd", 1), "unknown_instrument"),
        (Reduce("ethusd", 1, 0), "unknown_instrument"),
        (PlaceLimit(INSTRUMENT, 9, "buy", 10, 0), "bad_volume"),
        (PlaceMarket(INSTRUMENT, 9, "buy", -1), "bad_volume"),
        (Reduce(INSTRUMENT, 1, -1), "bad_volume"),
        (PlaceLimit(INSTRUMENT, 9, "buy", -1, 1), "bad_price"),
        (PlaceLimit(INSTRUMENT, 1, "buy", 10, 1), "duplicate_order"),
        (PlaceMarket(INSTRUMENT, 1, "buy", 1), "duplicate_order"),
        (PlaceLimit(INSTRUMENT, 9, "sell", 10, 1, post_only=True), "would_cross"),
        (Cancel(INSTRUMENT, 9), "unknown_order"),
        (Reduce(INSTRUMENT, 9, 0), "unknown_order"),
        (Reduce(INSTRUMENT, 1, 5), "nothing_to_reduce"),
        (PlaceMarket(INSTRUMENT, 9, "buy", 1), "no_liquidity"),
    ],
)
def test_rejects_with_a_reason(command: BookCommand, reason: str) -> None:
    book = opened((1, "buy", 10, 5))
    with pytest.raises(Rejected) as caught:
        run(book, command)
    assert caught.value.reason == reason
    assert book == opened((1, "buy", 10, 5))


def test_a_book_that_was_never_opened_takes_no_orders() -> None:
    _, rejected = run_all(
        OrderBook(), [PlaceLimit(INSTRUMENT, 1, "buy", 1, 1), PlaceLimit("", 1, "buy", 1, 1), Cancel(INSTRUMENT, 1)]
    )
    assert rejected == {"unknown_instrument": 3}


def test_a_book_does_not_open_with_negative_decimals() -> None:
    _, rejected = run_all(OrderBook(), [OpenBook(INSTRUMENT, -1, 8), OpenBook(INSTRUMENT, 2, -1)])
    assert rejected == {"bad_decimals": 2}


def test_a_refused_post_only_order_says_at_what_price() -> None:
    book = opened((1, "buy", 7_831_900, 5))
    with pytest.raises(Rejected, match=r"order 2 at 78318\.50 would trade") as caught:
        run(book, PlaceLimit(INSTRUMENT, 2, "sell", 7_831_850, 1, post_only=True))
    assert caught.value.details == {"order": 2, "price": 7_831_850, "best": 7_831_900}


@pytest.mark.parametrize(("price", "jumps"), [(94, True), (95, False), (105, False), (106, True)])
def test_a_trade_more_than_five_percent_away_is_a_jump(price: int, jumps: bool) -> None:
    book = opened((1, "buy", 100, 1), (2, "sell", 100, 1), (3, "sell", price, 1))
    events = run(book, PlaceMarket(INSTRUMENT, 4, "buy", 1))
    assert (events[-1] == PriceJumped(price, 100)) is jumps
    assert book.reference == (price if jumps else 100)


def test_nobody_places_orders_during_a_halt_but_everybody_may_withdraw() -> None:
    book = opened((1, "buy", 100, 2), (2, "sell", 101, 2))
    assert run(book, Halt(INSTRUMENT, "news")) == [TradingHalted("news")]
    for command in (PlaceMarket(INSTRUMENT, 3, "buy", 1), PlaceLimit(INSTRUMENT, 3, "buy", 101, 1)):
        assert outcome(lambda command: run(book, command), command) == "halted"
    run(book, Cancel(INSTRUMENT, 1))
    run(book, Reduce(INSTRUMENT, 2, 1))
    run(book, Resume(INSTRUMENT))
    assert isinstance(run(book, PlaceMarket(INSTRUMENT, 3, "buy", 1))[1], Traded)
    assert outcome(lambda command: run(book, command), Resume(INSTRUMENT)) == "not_halted"
