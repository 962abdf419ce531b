"""The write side of the exchange: one order book is one aggregate."""

from collections.abc import Iterator, Mapping

from headwater import Aggregate, Recorded, decide, evolve
from headwater.examples.exchange import matching
from headwater.examples.exchange.book import DepthLevel, OrderBook
from headwater.examples.exchange.messages import (
    BookEvent,
    Cancel,
    Halt,
    OpenBook,
    PlaceLimit,
    PlaceMarket,
    Reduce,
    Resume,
    Side,
)
from headwater.examples.exchange.quantities import format_quantity

_SHOWN_LEVELS = 5


class Market(Aggregate, identity="instrument", category="market"):
    """Trading in one instrument. All the rules are in `matching`, all the state in `OrderBook`."""

    def __init__(self, id: str) -> None:  # noqa: A002 - the field's term
        super().__init__(id)
        self.book = OrderBook()

    @decide
    def open_book(self, command: OpenBook) -> Iterator[BookEvent]:
        """Begin to trade."""
        return matching.open_book(self.book, command)

    @decide
    def place_limit(self, command: PlaceLimit) -> Iterator[BookEvent]:
        """Trade what crosses, let the rest wait."""
        return matching.place_limit(self.book, command)

    @decide
    def place_market(self, command: PlaceMarket) -> Iterator[BookEvent]:
        """Trade at whatever price there is."""
        return matching.place_market(self.book, command)

    @decide
    def cancel(self, command: Cancel) -> Iterator[BookEvent]:
        """Take an order out."""
        return matching.cancel(self.book, command)

    @decide
    def reduce(self, command: Reduce) -> Iterator[BookEvent]:
        """Make an order smaller."""
        return matching.reduce(self.book, command)

    @decide
    def halt(self, command: Halt) -> Iterator[BookEvent]:
        """Take no more orders."""
        return matching.halt(self.book, command)

    @decide
    def resume(self, command: Resume) -> Iterator[BookEvent]:
        """Take orders again."""
        return matching.resume(self.book, command)

    @evolve
    def happened(self, event: BookEvent) -> None:
        """Follow what happened."""
        matching.evolve(self.book, event)

    def describe(self) -> Mapping[str, object]:
        """The book at a glance: the best levels of each side, and how much rests behind them."""
        return {
            "instrument": self.id,
            "trading": "halted" if self.book.halted else "open" if self.book.instrument else "not yet",
            "resting_orders": len(self.book),
            "bids": self._levels("buy"),
            "asks": self._levels("sell"),
        }

    def _levels(self, side: Side) -> list[str]:
        return [self._level(level) for level in self.book.depth(side, _SHOWN_LEVELS)]

    def _level(self, level: DepthLevel) -> str:
        price = format_quantity(level.price, self.book.price_decimals)
        volume = format_quantity(level.volume, self.book.volume_decimals)
        return f"{volume} at {price} in {level.orders} order{'s' if level.orders > 1 else ''}"


def instrument_of(recorded: Recorded) -> str:
    """The instrument that an event of a book is about."""
    return recorded.stream.removeprefix(f"{Market.category}-")
