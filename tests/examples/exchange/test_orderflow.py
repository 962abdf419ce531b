from collections import Counter
from itertools import islice

import pytest

from headwater.examples.exchange.book import OrderBook
from headwater.examples.exchange.messages import OpenBook, PlaceLimit
from headwater.examples.exchange.orderflow import OrderFlow

from .driving import INSTRUMENT, numbered, run_all


def test_the_same_seed_gives_the_same_flow() -> None:
    assert list(OrderFlow(INSTRUMENT, 500, seed=7)) == list(OrderFlow(INSTRUMENT, 500, seed=7))
    assert list(OrderFlow(INSTRUMENT, 500, seed=7)) != list(OrderFlow(INSTRUMENT, 500, seed=8))


def test_begins_by_opening_the_book_and_numbers_the_rows() -> None:
    pairs = numbered(OrderFlow(INSTRUMENT, 500))
    assert pairs[0] == (0, OpenBook(INSTRUMENT, 2, 8))
    assert [row for row, _ in pairs] == list(range(501))


@pytest.mark.parametrize("after", [-1, 0, 1, 250, 499, 500])
def test_goes_on_after_any_row(after: int) -> None:
    flow = OrderFlow(INSTRUMENT, 500)
    assert list(flow.commands(after)) == [pair for pair in flow if pair[0] > after]


def test_a_shorter_flow_is_the_beginning_of_a_longer_one() -> None:
    assert list(OrderFlow(INSTRUMENT, 100)) == list(islice(OrderFlow(INSTRUMENT, 500), 101))


@pytest.mark.parametrize("live_orders", [1, 50])
def test_no_more_orders_rest_than_allowed(live_orders: int) -> None:
    book, most = OrderBook(), 0
    for *_, command in OrderFlow(INSTRUMENT, 3_000, live_orders=live_orders):
        run_all(book, [command])
        most = max(most, len(book))
    assert 0 < most <= live_orders


def test_everything_happens_in_it() -> None:
    book = OrderBook()
    flow = list(OrderFlow(INSTRUMENT, 5_000))
    events, rejected = run_all(book, (command for *_, command in flow))
    kinds = Counter(type(event).__name__ for event in events)
    usual = ("OrderPlaced", "OrderCancelled", "OrderReduced", "Traded", "MarketOrderPlaced")
    assert all(kinds[kind] > 20 for kind in usual), kinds
    # The exchange refuses some of the post-only orders, never all.
    post_only = sum(isinstance(command, PlaceLimit) and command.post_only for *_, command in flow)
    assert 0.2 < rejected["would_cross"] / post_only < 0.8
    assert set(rejected) <= {"would_cross", "unknown_order", "nothing_to_reduce", "no_liquidity"}
    assert len(book) > 20
