"""One side of an order book: its price levels from best to worst, each a queue of orders.

The only module that touches sortedcontainers, which carries no type hints.
"""

from collections.abc import Iterator, MutableMapping

from sortedcontainers import SortedDict


class Level:
    """The orders at one price in the order of their arrival, with their volumes, and the sum of these.

    Two levels are equal when the same orders wait with the same volumes in the same order.
    """

    __slots__ = ("orders", "total")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self) -> None:
        self.orders: dict[int, int] = {}
        self.total = 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Level):
            return NotImplemented
        # Two dicts are equal in any order of insertion, and that order is the time priority.
        return self.total == other.total and [*self.orders.items()] == [*other.orders.items()]


class PriceLevels:
    """The price levels of one side. No level is ever empty.

    Levels are filed under a key that is lowest for the best price, so that both sides run the same code.

    Args:
        descending: True for bids, where the highest price is the best.
    """

    __slots__ = ("_best", "_levels", "_sign")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, *, descending: bool) -> None:
        self._sign = -1 if descending else 1
        self._levels: MutableMapping[int, Level] = SortedDict()
        # Kept beside the levels because every order asks for it and few change it.
        self._best: int | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PriceLevels):
            return NotImplemented
        return self._sign == other._sign and self._levels == other._levels

    def __iter__(self) -> Iterator[tuple[int, Level]]:
        """Yield each price with its level, best first."""
        for key, level in self._levels.items():
            yield self._sign * key, level

    @property
    def best(self) -> int | None:
        """The best price; None when the side is empty."""
        return None if self._best is None else self._sign * self._best

    def reaches(self, price: int) -> bool:
        """Tell whether an order of the other side at this limit would trade with the best level."""
        return self._best is not None and self._best <= self._sign * price

    def add(self, price: int, order: int, volume: int) -> None:
        """Put an order at the end of its price's queue."""
        key = self._sign * price
        level = self._levels.get(key)
        if level is None:
            level = self._levels[key] = Level()
            if self._best is None or key < self._best:
                self._best = key
        level.orders[order] = volume
        level.total += volume

    def volume(self, price: int, order: int) -> int:
        """Return the remaining volume of an order that waits at this price."""
        return self._levels[self._sign * price].orders[order]

    def lower(self, price: int, order: int, to: int) -> None:
        """Lower an order's remaining volume; it keeps its place in the queue."""
        level = self._levels[self._sign * price]
        level.total -= level.orders[order] - to
        level.orders[order] = to

    def remove(self, price: int, order: int) -> None:
        """Take an order out, and its level with it when it was the last one there."""
        key = self._sign * price
        level = self._levels[key]
        level.total -= level.orders.pop(order)
        if not level.orders:
            self._drop(key)

    def _drop(self, key: int) -> None:
        del self._levels[key]
        if key == self._best:
            self._best = next(iter(self._levels), None)
