"""The read side of the exchange: five views, each with its own position in the log."""

from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Final

import msgspec

from headwater import Prefix, Projection, Query, Recorded, TableProjection, answer, project
from headwater.examples.exchange import matching
from headwater.examples.exchange.book import DepthLevel, OrderBook
from headwater.examples.exchange.market import instrument_of
from headwater.examples.exchange.messages import BookEvent, Side, Traded

TAPE_LENGTH = 1_000
"""How many trades the tape shows; older ones are in the log."""

TOP_TOPIC = "exchange.top"
"""Under which each new top of a book is broadcast, as the `TableChanged` of a `Top`."""

TAPE_TOPIC = "exchange.tape"
"""Under which each trade is broadcast, as the `TableChanged` of a `Print`."""


class Quote(msgspec.Struct, frozen=True):
    """The best price of one side, and what waits there."""

    price: int
    volume: int
    orders: int


class Top(msgspec.Struct, frozen=True):
    """The top of an instrument's book; None for a side without orders."""

    instrument: str
    bid: Quote | None
    ask: Quote | None


class TopOf(Query[Top]):
    """What are the best bid and ask?"""

    instrument: str


class Depth(msgspec.Struct, frozen=True):
    """An instrument's price levels, best first, and how many orders rest on each side."""

    instrument: str
    bids: tuple[DepthLevel, ...]
    asks: tuple[DepthLevel, ...]
    resting_bids: int
    resting_asks: int


class DepthOf(Query[Depth]):
    """What waits at the best so many prices of each side? None for all prices."""

    instrument: str
    levels: int | None = 10


class Print(msgspec.Struct, frozen=True):
    """A trade on the tape."""

    position: int
    instrument: str
    time: datetime
    price: int
    volume: int
    buyer: int
    seller: int
    taker: Side


class LastTrades(Query[list[Print]]):
    """What were the last trades? Oldest first."""

    instrument: str
    count: int = 20


class Candle(msgspec.Struct, frozen=True):
    """The trades of one minute in one instrument."""

    key: tuple[str, datetime]
    open: int
    high: int
    low: int
    close: int
    volume: int
    trades: int


class CandlesOf(Query[list[Candle]]):
    """What happened in each minute? Minutes without a trade have no candle."""

    instrument: str


class SideVolume(msgspec.Struct, frozen=True):
    """What takers of one side have traded in one instrument."""

    key: tuple[str, Side]
    volume: int
    trades: int


class VolumeOf(Query[SideVolume]):
    """How much did the takers of one side trade?"""

    instrument: str
    side: Side


_NO_BOOK: Final = OrderBook()


class Books(dict[str, OrderBook]):
    """Books by instrument, for the views that need every order: they follow the same events as the market."""

    def follow(self, instrument: str, event: BookEvent) -> OrderBook:
        """Let the instrument's book follow what happened, and return it."""
        book = self.get(instrument)
        if book is None:
            book = self[instrument] = OrderBook()
        matching.evolve(book, event)
        return book


class TopOfBook(TableProjection[Top], key="instrument", topic=TOP_TOPIC):
    """The best bid and ask of each instrument, also for those who want to hear of each change."""

    def __init__(self) -> None:
        super().__init__()
        self._books = Books()

    @project
    def happened(self, event: BookEvent, recorded: Recorded) -> None:
        """Follow what happened; most of it happens away from the top."""
        instrument = instrument_of(recorded)
        book = self._books.follow(instrument, event)
        top = Top(instrument, _quote(book, "buy"), _quote(book, "sell"))
        if top != self.table.lookup(instrument):
            self.table.insert(top)

    @answer
    def top_of(self, query: TopOf) -> Top:
        """The best price of each side."""
        return self.table.lookup(query.instrument) or Top(query.instrument, None, None)


class MarketDepth(Projection):
    """The price levels of each instrument."""

    def __init__(self) -> None:
        self._books = Books()

    @project
    def happened(self, event: BookEvent, recorded: Recorded) -> None:
        """Follow what happened."""
        self._books.follow(instrument_of(recorded), event)

    @answer
    def depth_of(self, query: DepthOf) -> Depth:
        """The best levels of each side."""
        book = self._books.get(query.instrument, _NO_BOOK)
        return Depth(
            query.instrument,
            tuple(book.depth("buy", query.levels)),
            tuple(book.depth("sell", query.levels)),
            sum(1 for _ in book.resting("buy")),
            sum(1 for _ in book.resting("sell")),
        )


class Tape(TableProjection[Print], key="position", max_rows=TAPE_LENGTH, topic=TAPE_TOPIC):
    """The last trades of all instruments, in order."""

    @project
    def traded(self, event: Traded, recorded: Recorded) -> None:
        """Add the trade."""
        self.table.insert(
            Print(
                position=recorded.position,
                instrument=instrument_of(recorded),
                time=market_time(recorded),
                price=event.price,
                volume=event.volume,
                buyer=event.buyer,
                seller=event.seller,
                taker=event.taker,
            )
        )

    @answer
    def last_trades(self, query: LastTrades) -> list[Print]:
        """The last trades of an instrument, oldest first."""
        prints = self.table.match(instrument=query.instrument)
        return prints[max(0, len(prints) - query.count) :]


class Candles(TableProjection[Candle], key="key"):
    """Open, high, low, close and volume of each minute."""

    @project
    def traded(self, event: Traded, recorded: Recorded) -> None:
        """Let the minute's candle follow the trade."""
        key = (instrument_of(recorded), _minute(market_time(recorded)))
        old = self.table.lookup(key)
        self.table.insert(
            Candle(
                key=key,
                open=event.price if old is None else old.open,
                high=event.price if old is None else max(old.high, event.price),
                low=event.price if old is None else min(old.low, event.price),
                close=event.price,
                volume=event.volume + (0 if old is None else old.volume),
                trades=1 + (0 if old is None else old.trades),
            )
        )

    @answer
    def candles_of(self, query: CandlesOf) -> list[Candle]:
        """The candles of an instrument, oldest first."""
        found = self.table.match(key=Prefix((query.instrument,)))
        return sorted(found, key=attrgetter("key"))  # the market's times may step back from one event to the next


class Volumes(TableProjection[SideVolume], key="key"):
    """How much the takers of each side have traded."""

    @project
    def traded(self, event: Traded, recorded: Recorded) -> None:
        """Add the trade to its taker's side."""
        old = self._volume(instrument_of(recorded), event.taker)
        self.table.insert(SideVolume(old.key, old.volume + event.volume, old.trades + 1))

    @answer
    def volume_of(self, query: VolumeOf) -> SideVolume:
        """The takers' volume of one side."""
        return self._volume(query.instrument, query.side)

    def _volume(self, instrument: str, side: Side) -> SideVolume:
        return self.table.lookup((instrument, side)) or SideVolume((instrument, side), 0, 0)


def market_time(recorded: Recorded) -> datetime:
    """When it happened in the market: what the feed said, or when it was recorded if nobody said."""
    told = recorded.metadata.get("time")
    if isinstance(told, int):
        return datetime.fromtimestamp(told // 1000, UTC) + timedelta(milliseconds=told % 1000)
    return recorded.recorded_at


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _quote(book: OrderBook, side: Side) -> Quote | None:
    for level in book.depth(side, 1):
        return Quote(level.price, level.volume, level.orders)
    return None
