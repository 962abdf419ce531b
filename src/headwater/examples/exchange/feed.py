"""Turns a recording into commands for an order book, one command for each row that means one.

The recording tells what an exchange did, not what its customers asked for. Some of that is put right here, by rules
that look at the whole recording first:

- An order that is taken back whole as its very next event, and that never traded, is placed post-only. If it crosses
  the book, the exchange refused it for that; if it does not, post-only makes no difference.
- A sell order at price nought, or a buy order at the highest price there is, is a market order. Without a volume it
  was given as an amount of money, which the recording does not hold: all its rows are left out.
- An order of the opening book that no live row touches, and through whose price a trade went, was not really there.
- The last rows take out all that rests. The recorder wrote them, not the market.
"""

from array import array
from collections import Counter
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, Literal, NamedTuple, TypeAlias

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
from headwater.examples.exchange.recording import MalformedRow, OnError, OrderRow, RecordedTrade, Recording, Report

LeftOut: TypeAlias = Literal["malformed", "funds_order", "stale_order", "closing_delete"]
"""Why a row became no command."""

_MARKET_BUY_PRICE: Final = 999_999_999 * 10**PRICE_DECIMALS
_MARKET_SELL_PRICE: Final = 0
_SIDES: tuple[Side, Side] = ("buy", "sell")


class FeedCounts(NamedTuple):
    """What the order rows of a recording amount to: each is a command, or is left out for a reason.

    ``rows == sum(commands.values()) + sum(left_out.values())``. Commands are counted by name, without the `OpenBook`
    that comes first: it is no row's.
    """

    rows: int
    commands: dict[str, int]
    left_out: dict[LeftOut, int]


class _Kind(IntEnum):
    """What a row became; the plan keeps one byte of it for each row."""

    LIMIT = 0
    POST_ONLY = 1
    MARKET = 2
    CANCEL = 3
    REDUCE = 4
    FUNDS_ORDER = 5
    STALE_ORDER = 6
    CLOSING_DELETE = 7


_COMMANDS: Final = {
    _Kind.LIMIT: "PlaceLimit",
    _Kind.POST_ONLY: "PlaceLimit",
    _Kind.MARKET: "PlaceMarket",
    _Kind.CANCEL: "Cancel",
    _Kind.REDUCE: "Reduce",
}
_LEFT_OUT: Final[dict[_Kind, LeftOut]] = {
    _Kind.FUNDS_ORDER: "funds_order",
    _Kind.STALE_ORDER: "stale_order",
    _Kind.CLOSING_DELETE: "closing_delete",
}


class Feed:
    """The commands of a recording.

    The recording is read once, when the feed is made, and kept as 42 bytes a row. Iterating costs no reading and
    gives the same pairs each time.

    Args:
        recording: What to read.
        instrument: The name that the commands carry.
        on_error: Whether a malformed row stops the reading, before there is any command, or is left out.
        on_skip: Is called with each row that is left out as malformed, of the orders and of the trades.

    Raises:
        MalformedRow: With ``on_error="stop"``.
        NotARecording: A file turned out to be damaged.
    """

    def __init__(
        self, recording: Recording, instrument: str, *, on_error: OnError = "stop", on_skip: Report | None = None
    ) -> None:
        self.instrument = instrument
        self._malformed = 0
        self._on_skip = on_skip
        trades = list(recording.trades(on_error, on_skip))
        planner = _Planner(trades)
        for row in recording.orders(on_error, self._skip):
            planner.read(row)
        self._plan = planner.finish()
        self.counts = self._plan.counts(self._malformed)

    def __iter__(self) -> Iterator[FeedCommand]:
        """Yield all commands from the start; see `commands`."""
        return self.commands()

    def commands(self, after: int = -1) -> Iterator[FeedCommand]:
        """Yield the commands of the rows after a row, each with its row's number.

        The numbers rise strictly. Row 0 is the `OpenBook`, so a run that has done all up to and including row
        ``n`` goes on with ``commands(after=n)``, and one that has done nothing with ``commands()``.
        """
        if after < 0:
            opening = OpenBook(self.instrument, PRICE_DECIMALS, VOLUME_DECIMALS)
            yield FeedCommand(0, self._plan.begins, opening)
        yield from self._plan.commands(self.instrument, after)

    def _skip(self, row: MalformedRow) -> None:
        self._malformed += 1
        if self._on_skip is not None:
            self._on_skip(row)


class _Plan:
    """One entry a row, in flat arrays: a third of a million rows as objects would take ten times the memory."""

    def __init__(self) -> None:
        self.kinds = bytearray()
        self.sides = bytearray()
        self.numbers = array("q")
        self.orders = array("q")
        self.times = array("q")
        self.prices = array("q")
        self.volumes = array("q")

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def begins(self) -> int:
        return self.times[0] if self.times else 0

    def append(self, row: OrderRow, kind: _Kind) -> None:
        self.kinds.append(kind)
        self.sides.append(row.side == "sell")
        self.numbers.append(row.number)
        self.orders.append(row.order)
        self.times.append(row.happened)
        self.prices.append(row.price)
        self.volumes.append(row.volume)

    def counts(self, malformed: int) -> FeedCounts:
        kinds = Counter(map(_Kind, self.kinds))
        commands: Counter[str] = Counter()
        left_out: dict[LeftOut, int] = {"malformed": malformed}
        for kind, count in kinds.items():
            if kind in _COMMANDS:
                commands[_COMMANDS[kind]] += count
            else:
                left_out[_LEFT_OUT[kind]] = count
        return FeedCounts(len(self) + malformed, dict(commands), left_out)

    def commands(self, instrument: str, after: int) -> Iterator[FeedCommand]:
        columns = zip(
            self.numbers, self.times, self.kinds, self.orders, self.sides, self.prices, self.volumes, strict=True
        )
        for number, time, kind, order, side, price, volume in columns:
            if number <= after:
                continue
            command = _command(kind, instrument, order, _SIDES[side], price, volume)
            if command is not None:
                yield FeedCommand(number, time, command)


def _command(kind: int, instrument: str, order: int, side: Side, price: int, volume: int) -> BookCommand | None:
    if kind <= _Kind.POST_ONLY:
        return PlaceLimit(instrument, order, side, price, volume, kind == _Kind.POST_ONLY)
    if kind == _Kind.CANCEL:
        return Cancel(instrument, order)
    if kind == _Kind.REDUCE:
        return Reduce(instrument, order, volume)
    if kind == _Kind.MARKET:
        return PlaceMarket(instrument, order, side, volume)
    return None


class _Planner:
    """Reads the rows once, in order, and settles what each one means.

    A row's meaning can depend on later rows. So it is entered with its usual meaning, and changed when they come.
    """

    def __init__(self, trades: list[RecordedTrade]) -> None:
        self._plan = _Plan()
        self._trades = trades
        self._traded = {order for trade in trades for order in (trade.buyer, trade.seller)}
        # The entry of each order whose next event is still to come.
        self._fresh: dict[int, int] = {}
        self._funds_orders: set[int] = set()
        self._opening = _Opening()
        self._closing = _Closing()

    def read(self, row: OrderRow) -> None:
        for settled in self._closing.hold(row):
            self._enter(settled)

    def finish(self) -> _Plan:
        for row in self._closing.held:
            self._plan.append(row, _Kind.CLOSING_DELETE)
        for entry in self._opening.stale(self._trades):
            self._plan.kinds[entry] = _Kind.STALE_ORDER
        return self._plan

    def _enter(self, row: OrderRow) -> None:
        entry = len(self._plan)
        self._opening.see(row, entry)
        self._plan.append(row, self._kind(row, entry))

    def _kind(self, row: OrderRow, entry: int) -> _Kind:
        if row.order in self._funds_orders:
            return _Kind.FUNDS_ORDER
        if row.action == "created":
            return self._created(row, entry)
        self._settle_post_only(row)
        if row.action == "deleted" and row.volume:
            return _Kind.CANCEL
        return _Kind.REDUCE

    def _created(self, row: OrderRow, entry: int) -> _Kind:
        market = _MARKET_BUY_PRICE if row.side == "buy" else _MARKET_SELL_PRICE
        if row.price == market:
            if row.volume:
                return _Kind.MARKET
            self._funds_orders.add(row.order)
            return _Kind.FUNDS_ORDER
        if row.order not in self._traded:
            self._fresh[row.order] = entry
        return _Kind.LIMIT

    def _settle_post_only(self, row: OrderRow) -> None:
        entry = self._fresh.pop(row.order, None)
        if entry is not None and row.action == "deleted" and row.volume == self._plan.volumes[entry]:
            self._plan.kinds[entry] = _Kind.POST_ONLY


class _Opening:
    """The opening book: the leading rows that are all created and bear the same times."""

    def __init__(self) -> None:
        self._first: OrderRow | None = None
        self._reading = True
        self._untouched: dict[int, tuple[OrderRow, int]] = {}

    def see(self, row: OrderRow, entry: int) -> None:
        self._first = self._first or row
        self._reading = self._reading and row.action == "created" and _same_times(row, self._first)
        if self._reading:
            self._untouched[row.order] = (row, entry)
        else:
            self._untouched.pop(row.order, None)

    def stale(self, trades: list[RecordedTrade]) -> Iterator[int]:
        """Yield the entries of the orders that later trades went through, although nothing ever touched them."""
        if self._first is None:
            return
        prices = [trade.price for trade in trades if trade.happened > self._first.happened]
        if not prices:
            return
        lowest, highest = min(prices), max(prices)
        for row, entry in self._untouched.values():
            if row.price > lowest if row.side == "buy" else row.price < highest:
                yield entry


class _Closing:
    """The trailing rows with which a recorder takes out all that rests.

    They are deletes that bear one time, as the time of the exchange as well: a live row always took some time to
    arrive. Only the end of the recording shows that a run of such rows was the last one, so they are held back.
    """

    def __init__(self) -> None:
        self.held: list[OrderRow] = []

    def hold(self, row: OrderRow) -> list[OrderRow]:
        """Take a row in, and return those that can no longer belong to the end."""
        if row.action != "deleted" or row.received != row.happened:
            settled, self.held = [*self.held, row], []
        elif self.held and not _same_times(row, self.held[0]):
            settled, self.held = self.held, [row]
        else:
            self.held.append(row)
            settled = []
        return settled


def _same_times(row: OrderRow, other: OrderRow) -> bool:
    return row.received == other.received and row.happened == other.happened
