import pytest

from headwater.examples.exchange.book import DepthLevel, Fill, OrderBook, RestingOrder

from .driving import opened


def test_an_empty_book_has_no_prices() -> None:
    book = opened()
    assert (book.best_bid, book.best_ask, len(book)) == (None, None, 0)
    assert not book.crosses("buy", 10**9)
    assert not book.crosses("sell", 0)
    assert book.fills("buy", 5) == []


def test_best_prices_follow_what_is_added_and_removed() -> None:
    book = opened((1, "buy", 10, 1), (2, "buy", 12, 1), (3, "buy", 11, 1), (4, "sell", 15, 1), (5, "sell", 14, 1))
    assert (book.best_bid, book.best_ask) == (12, 14)
    assert (book.best_against("buy"), book.best_against("sell")) == (14, 12)
    book.remove(2)
    book.remove(5)
    assert (book.best_bid, book.best_ask) == (11, 15)
    book.remove(1)
    assert book.best_bid == 11
    book.remove(3)
    assert book.best_bid is None


def test_crossing_begins_at_the_best_price_itself() -> None:
    book = opened((1, "buy", 10, 1), (2, "sell", 12, 1))
    assert [book.crosses("buy", price) for price in (11, 12, 13)] == [False, True, True]
    assert [book.crosses("sell", price) for price in (9, 10, 11)] == [True, True, False]


def test_fills_go_by_price_then_by_time() -> None:
    book = opened((1, "sell", 12, 5), (2, "sell", 11, 2), (3, "sell", 11, 3), (4, "sell", 13, 9))
    assert book.fills("buy", 8, 12) == [Fill(2, 11, 2), Fill(3, 11, 3), Fill(1, 12, 3)]
    assert book.fills("buy", 99, 12) == [Fill(2, 11, 2), Fill(3, 11, 3), Fill(1, 12, 5)]
    assert book.fills("buy", 11) == [Fill(2, 11, 2), Fill(3, 11, 3), Fill(1, 12, 5), Fill(4, 13, 1)]


def test_fills_for_a_seller_start_at_the_highest_bid() -> None:
    book = opened((1, "buy", 10, 5), (2, "buy", 11, 2), (3, "buy", 9, 3))
    assert book.fills("sell", 9, 10) == [Fill(2, 11, 2), Fill(1, 10, 5)]


def test_looks_an_order_up() -> None:
    book = opened((1, "buy", 10, 5), (2, "sell", 12, 7))
    assert book.get(1) == RestingOrder(1, "buy", 10, 5)
    assert book.get(2) == RestingOrder(2, "sell", 12, 7)
    assert book.get(3) is None
    assert (book.remaining(2), book.remaining(3)) == (7, None)
    assert 1 in book
    assert 3 not in book


def test_depth_sums_up_each_level() -> None:
    book = opened((1, "sell", 12, 5), (2, "sell", 11, 2), (3, "sell", 12, 3), (4, "sell", 13, 9))
    book.fill(1, 1)
    book.reduce(3, 2)
    assert book.depth("sell", 2) == [DepthLevel(11, 2, 1), DepthLevel(12, 6, 2)]
    assert len(book.depth("sell")) == 3
    assert book.depth("buy") == []


def test_reducing_and_filling_keep_the_place_in_the_queue() -> None:
    book = opened((1, "sell", 12, 5), (2, "sell", 12, 5), (3, "sell", 12, 5))
    book.reduce(1, 2)
    book.fill(2, 1)
    assert [order.order for order in book.resting("sell")] == [1, 2, 3]


def test_reduced_to_nought_leaves_the_book() -> None:
    book = opened((1, "sell", 12, 5), (2, "sell", 13, 5))
    book.reduce(1, 0)
    book.fill(2, 5)
    assert book == opened()


def test_equality_sees_time_priority() -> None:
    first = opened((1, "buy", 10, 5), (2, "buy", 10, 5))
    second = opened((2, "buy", 10, 5), (1, "buy", 10, 5))
    assert first != second
    assert first == opened((1, "buy", 10, 5), (2, "buy", 10, 5))


def test_equality_ignores_the_order_between_prices_which_means_nothing() -> None:
    assert opened((1, "buy", 10, 5), (2, "buy", 11, 5)) == opened((2, "buy", 11, 5), (1, "buy", 10, 5))


@pytest.mark.parametrize("other", [(1, "buy", 10, 4), (1, "buy", 11, 5), (1, "sell", 10, 5), (2, "buy", 10, 5)])
def test_equality_sees_every_part_of_an_order(other: tuple[int, str, int, int]) -> None:
    order, side, price, volume = other
    assert opened((1, "buy", 10, 5)) != opened((order, "buy" if side == "buy" else "sell", price, volume))


def test_equality_sees_what_the_book_was_opened_for() -> None:
    books = [OrderBook() for _ in range(4)]
    for book, opening in zip(books, [("a", 2, 8), ("b", 2, 8), ("a", 1, 8), ("a", 2, 7)], strict=True):
        book.open(*opening)
    assert all(books[0] != other for other in [*books[1:], OrderBook(), "a book"])


def test_adding_the_resting_orders_to_an_empty_book_rebuilds_it() -> None:
    book = opened((1, "buy", 10, 5), (2, "sell", 12, 2), (3, "buy", 10, 3), (4, "buy", 9, 1), (5, "sell", 12, 7))
    copy = opened()
    for side in ("buy", "sell"):
        for order in book.resting("buy" if side == "buy" else "sell"):
            copy.add(*order)
    assert copy == book
