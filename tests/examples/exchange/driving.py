"""Runs commands against a book the way an aggregate does."""

from collections import Counter
from collections.abc import Iterable

from headwater.errors import Rejected
from headwater.examples.exchange.book import OrderBook
from headwater.examples.exchange.feed_command import FeedCommand
from headwater.examples.exchange.matching import decide, evolve
from headwater.examples.exchange.messages import BookCommand, BookEvent, OpenBook, PlaceLimit, Side

INSTRUMENT = "btcusd"


def run(book: OrderBook, command: BookCommand) -> list[BookEvent]:
    events = []
    for event in decide(book, command):
        evolve(book, event)
        events.append(event)
    return events


def run_all(book: OrderBook, commands: Iterable[BookCommand]) -> tuple[list[BookEvent], Counter[str]]:
    """Return all events, and how often commands were rejected, by reason."""
    events: list[BookEvent] = []
    rejected: Counter[str] = Counter()
    for command in commands:
        try:
            events += run(book, command)
        except Rejected as rejection:
            rejected[rejection.reason] += 1
    return events, rejected


def numbered(commands: Iterable[FeedCommand]) -> list[tuple[int, BookCommand]]:
    """The commands with their rows, without their times."""
    return [(row, command) for row, _, command in commands]


def rebuilt(events: Iterable[BookEvent]) -> OrderBook:
    book = OrderBook()
    for event in events:
        evolve(book, event)
    return book


def opened(*orders: tuple[int, Side, int, int]) -> OrderBook:
    """Return an open book with limit orders (order, side, price, volume)."""
    book = OrderBook()
    run(book, OpenBook(INSTRUMENT, 2, 8))
    for order, side, price, volume in orders:
        run(book, PlaceLimit(INSTRUMENT, order, side, price, volume))
    return book
