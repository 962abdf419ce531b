"""Synthetic order flow, for a machine that has no recording: a price that walks, and customers around it."""

from collections.abc import Iterator
from random import Random

from headwater.examples.exchange.feed_command import FeedCommand
from headwater.examples.exchange.messages import (
    BookCommand,
    Cancel,
    OpenBook,
    PlaceLimit,
    PlaceMarket,
    Reduce,
    Side,
)
from headwater.examples.exchange.quantities import PRICE_DECIMALS, VOLUME_DECIMALS

_BEGINS = 1_767_225_600_000  # 2026-01-01 UTC, in milliseconds
_PACE = 6  # milliseconds from one command to the next
_TICK: int = 10**PRICE_DECIMALS
_LOT: int = 10 ** (VOLUME_DECIMALS - 3)
_FIRST_PRICE = 78_000 * _TICK
_LOWEST_PRICE = 1_000 * _TICK
_DEEPEST = 40
_LARGEST = 500
_SIDES: tuple[Side, Side] = ("buy", "sell")
# How often each kind of command comes, out of a hundred.
_MIX = {"limit": 42, "post_only": 16, "cancel": 34, "reduce": 4, "market": 4}


class OrderFlow:
    """A number of commands for one order book, the same ones for the same seed.

    Commands are drawn without looking at a book, as customers send them: some name orders that are filled or were
    refused. No more than ``live_orders`` orders ever rest at once.

    Args:
        instrument: The name that the commands carry.
        rows: How many commands follow the `OpenBook`.
        seed: Chooses the flow.
        live_orders: How many orders may wait at most.
    """

    def __init__(self, instrument: str, rows: int, *, seed: int = 1, live_orders: int = 1_000) -> None:
        self.instrument = instrument
        self.rows = rows
        self.seed = seed
        self.live_orders = live_orders

    def __iter__(self) -> Iterator[FeedCommand]:
        """Yield all commands from the start; see `commands`."""
        return self.commands()

    def commands(self, after: int = -1) -> Iterator[FeedCommand]:
        """Yield the commands after a row, each with its row's number, which rises by one.

        Row 0 is the `OpenBook`. The commands of a row are the same wherever the iteration starts.
        """
        if after < 0:
            yield FeedCommand(0, _BEGINS, OpenBook(self.instrument, PRICE_DECIMALS, VOLUME_DECIMALS))
        market = _Market(self.instrument, Random(self.seed), self.live_orders)
        for row in range(1, self.rows + 1):
            command = market.next(row)
            if row > after:
                yield FeedCommand(row, _BEGINS + row * _PACE, command)


class _Market:
    """Where the price stands, and which orders may still rest."""

    def __init__(self, instrument: str, rng: Random, live_orders: int) -> None:
        self._instrument = instrument
        self._rng = rng
        self._live_orders = live_orders
        self._price = _FIRST_PRICE
        # An order stays here until it is cancelled, so the book never holds one that is not here.
        self._live: list[int] = []

    def next(self, row: int) -> BookCommand:
        """Draw the next command; the row's number is the id of an order that it places."""
        self._walk()
        match self._kind():
            case "cancel":
                return Cancel(self._instrument, self._take())
            case "reduce":
                return Reduce(self._instrument, self._rng.choice(self._live), self._volume() // 2)
            case "market":
                return PlaceMarket(self._instrument, row, self._rng.choice(_SIDES), self._volume())
            case "post_only":
                return self._limit(row, post_only=True)
            case _:
                return self._limit(row, post_only=False)

    def _kind(self) -> str:
        (kind,) = self._rng.choices([*_MIX], [*_MIX.values()])
        if kind in {"limit", "post_only"} and len(self._live) >= self._live_orders:
            return "cancel"
        if kind in {"cancel", "reduce"} and not self._live:
            return "limit"
        return kind

    def _walk(self) -> None:
        self._price = max(_LOWEST_PRICE, self._price + self._rng.choice((-1, 0, 0, 0, 1)) * _TICK)

    def _limit(self, row: int, *, post_only: bool) -> PlaceLimit:
        side = self._rng.choice(_SIDES)
        # Post-only customers quote at the very front, where some of them come too late and would cross.
        away = self._rng.randrange(-2, 4) if post_only else self._rng.randrange(-1, _DEEPEST)
        price = self._price - away * _TICK if side == "buy" else self._price + away * _TICK
        self._live.append(row)
        return PlaceLimit(self._instrument, row, side, price, self._volume(), post_only)

    def _take(self) -> int:
        index = self._rng.randrange(len(self._live))
        self._live[index], self._live[-1] = self._live[-1], self._live[index]
        return self._live.pop()

    def _volume(self) -> int:
        return self._rng.randint(1, _LARGEST) * _LOT
