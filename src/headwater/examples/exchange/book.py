"""An order book with price-time priority, as plain data: the state that the matching rules look at.

It changes only by the methods that stand for events (`open`, `add`, `fill`, `reduce`, `remove`, `refer_to`, `halt`,
`resume`). They trust their caller: the rules in `matching` have checked everything before an event exists.
"""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from headwater.examples.exchange.levels import PriceLevels
from headwater.examples.exchange.messages import Side


class RestingOrder(NamedTuple):
    """An order that waits in the book, with what remains of its volume."""

    order: int
    side: Side
    price: int
    remaining: int


class Fill(NamedTuple):
    """What an incoming order would get from one resting order, at that one's price."""

    maker: int
    price: int
    volume: int


class DepthLevel(NamedTuple):
    """A price with the volume and the number of orders that wait there."""

    price: int
    volume: int
    orders: int


class OrderBook:
    """The resting orders of one instrument.

    Two books are equal when they are open for the same instrument and hold the same orders with the same
    remaining volumes in the same time priority; and both or neither are halted, with the same reference.

    Attributes:
        instrument: what is traded; None before the book is open.
        price_decimals: of its prices.
        volume_decimals: of its volumes.
        halted: whether nobody may place orders.
        reference: the price that a jump is measured from; None as long as nothing was traded.
    """

    __slots__ = (
        "_asks",
        "_bids",
        "_places",
        "halted",
        "instrument",
        "price_decimals",
        "reference",
        "volume_decimals",
    )
    __hash__ = None  # type: ignore[assignment]

    def __init__(self) -> None:
        self.instrument: str | None = None
        self.price_decimals = 0
        self.volume_decimals = 0
        self.halted = False
        self.reference: int | None = None
        self._bids = PriceLevels(descending=True)
        self._asks = PriceLevels(descending=False)
        # Where each order waits. A shared object per side costs less than looking the side up by name.
        self._places: dict[int, tuple[PriceLevels, int]] = {}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OrderBook):
            return NotImplemented
        return self._identity() == other._identity() and self._bids == other._bids and self._asks == other._asks

    def __contains__(self, order: int) -> bool:
        return order in self._places

    def __len__(self) -> int:
        return len(self._places)

    # Changes, one for each kind of event.

    def open(self, instrument: str, price_decimals: int, volume_decimals: int) -> None:
        """Begin trading in an instrument."""
        self.instrument = instrument
        self.price_decimals = price_decimals
        self.volume_decimals = volume_decimals

    def add(self, order: int, side: Side, price: int, volume: int) -> None:
        """Put an order behind all others at its price."""
        levels = self._bids if side == "buy" else self._asks
        levels.add(price, order, volume)
        self._places[order] = (levels, price)

    def fill(self, order: int, volume: int) -> None:
        """Take traded volume off a resting order; a filled one leaves the book."""
        levels, price = self._places[order]
        self.reduce(order, levels.volume(price, order) - volume)

    def reduce(self, order: int, to: int) -> None:
        """Lower a resting order to a volume; it keeps its time priority, and leaves the book at nought."""
        if not to:
            self.remove(order)
            return
        levels, price = self._places[order]
        levels.lower(price, order, to)

    def remove(self, order: int) -> None:
        """Take a resting order out of the book."""
        levels, price = self._places.pop(order)
        levels.remove(price, order)

    def refer_to(self, price: int) -> None:
        """Measure jumps of the price from here."""
        self.reference = price

    def halt(self) -> None:
        """Take no more orders."""
        self.halted = True

    def resume(self) -> None:
        """Take orders again; the price begins anew."""
        self.halted = False
        self.reference = None

    # Questions.

    @property
    def best_bid(self) -> int | None:
        """The highest price that a buyer waits at; None when there is none."""
        return self._bids.best

    @property
    def best_ask(self) -> int | None:
        """The lowest price that a seller waits at; None when there is none."""
        return self._asks.best

    def best_against(self, side: Side) -> int | None:
        """Return the best price that an incoming order of this side would meet; None when nobody waits."""
        return self._against(side).best

    def crosses(self, side: Side, price: int) -> bool:
        """Tell whether a limit order would trade at once."""
        return self._against(side).reaches(price)

    def fills(self, side: Side, volume: int, limit: int | None = None) -> list[Fill]:
        """List what an incoming order would get, by price-time priority: best price first, oldest first.

        The sum of the fills is never more than ``volume``, and no fill is worse than ``limit``.
        """
        return list(self._matches(side, volume, limit))

    def remaining(self, order: int) -> int | None:
        """Return what remains of a resting order; None when it does not rest here."""
        place = self._places.get(order)
        return None if place is None else place[0].volume(place[1], order)

    def get(self, order: int) -> RestingOrder | None:
        """Return a resting order; None when it does not rest here."""
        place = self._places.get(order)
        if place is None:
            return None
        levels, price = place
        side: Side = "buy" if levels is self._bids else "sell"
        return RestingOrder(order, side, price, levels.volume(price, order))

    def depth(self, side: Side, levels: int | None = None) -> list[DepthLevel]:
        """List the best price levels of a side, best first: ``levels`` of them, or all."""
        best = islice(self._own(side), levels)
        return [DepthLevel(price, level.total, len(level.orders)) for price, level in best]

    def resting(self, side: Side) -> Iterator[RestingOrder]:
        """Yield a side's orders by price-time priority; adding them to an empty book in this order rebuilds it."""
        for price, level in self._own(side):
            for order, remaining in level.orders.items():
                yield RestingOrder(order, side, price, remaining)

    def _identity(self) -> tuple[object, ...]:
        return self.instrument, self.price_decimals, self.volume_decimals, self.halted, self.reference

    def _own(self, side: Side) -> PriceLevels:
        return self._bids if side == "buy" else self._asks

    def _against(self, side: Side) -> PriceLevels:
        return self._asks if side == "buy" else self._bids

    def _matches(self, side: Side, volume: int, limit: int | None) -> Iterator[Fill]:
        for price, level in self._against(side):
            if limit is not None and (price > limit if side == "buy" else price < limit):
                return
            for maker, available in level.orders.items():
                matched = min(volume, available)
                yield Fill(maker, price, matched)
                volume -= matched
                if not volume:
                    return
