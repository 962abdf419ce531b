"""What can be asked of an order book (commands) and what can happen to it (events).

Prices and volumes are integers of the instrument's smallest unit. Events leave out the instrument, except the one
that opens the book: the stream that they are stored in names it.
"""

from typing import Literal, TypeAlias

from headwater import Command, Event

Side = Literal["buy", "sell"]
"""Which way an order goes: a buy order is a bid, a sell order an ask."""


class OpenBook(Command):
    """Open trading in an instrument, with the number of decimals of its prices and volumes."""

    instrument: str
    price_decimals: int
    volume_decimals: int


class PlaceLimit(Command):
    """Buy or sell at a price or better; what finds no partner rests in the book.

    A post-only order is refused when it would trade at once.
    """

    instrument: str
    order: int
    side: Side
    price: int
    volume: int
    post_only: bool = False


class PlaceMarket(Command):
    """Buy or sell at whatever price the book offers; what finds no partner expires."""

    instrument: str
    order: int
    side: Side
    volume: int


class Cancel(Command):
    """Take a resting order out of the book."""

    instrument: str
    order: int


class Reduce(Command):
    """Lower a resting order's remaining volume to ``to``; its time priority stays. Nought takes it out."""

    instrument: str
    order: int
    to: int


class Halt(Command):
    """Let nobody trade for now. What rests may be cancelled and reduced meanwhile."""

    instrument: str
    reason: str


class Resume(Command):
    """Let everybody trade again."""

    instrument: str


BookCommand: TypeAlias = OpenBook | PlaceLimit | PlaceMarket | Cancel | Reduce | Halt | Resume
"""Everything that can be asked of an order book."""


class BookOpened(Event, name="book-opened"):
    """Trading in an instrument began."""

    instrument: str
    price_decimals: int
    volume_decimals: int


class OrderPlaced(Event, name="order-placed"):
    """A limit order entered the book with its whole volume.

    The trades that it brings about follow at once and lower its volume; what they leave rests. An order that
    meets no partner is told by this event alone.
    """

    order: int
    side: Side
    price: int
    volume: int


class MarketOrderPlaced(Event, name="market-order-placed"):
    """A market order was accepted. Its trades follow; it never rests."""

    order: int
    side: Side
    volume: int


class Traded(Event, name="traded"):
    """Two orders met, at the price of the one that rested. ``taker`` is the side of the one that came later."""

    buyer: int
    seller: int
    price: int
    volume: int
    taker: Side


class OrderReduced(Event, name="order-reduced"):
    """A resting order was lowered to ``remaining`` and kept its time priority; at nought it left the book."""

    order: int
    remaining: int


class OrderCancelled(Event, name="order-cancelled"):
    """A resting order left the book, with the ``volume`` that it still had."""

    order: int
    volume: int


class MarketOrderExpired(Event, name="market-order-expired"):
    """The book ran out of partners for a market order; ``volume`` of it was left and lapsed."""

    order: int
    volume: int


class PriceJumped(Event, name="price-jumped"):
    """An order has traded at a price far from the reference; the price that it jumped to is the reference now."""

    price: int
    reference: int


class TradingHalted(Event, name="trading-halted"):
    """Nobody may place orders until trading is resumed."""

    reason: str


class TradingResumed(Event, name="trading-resumed"):
    """Orders are taken again. The next trade's price is the reference."""


BookEvent: TypeAlias = (
    BookOpened
    | OrderPlaced
    | MarketOrderPlaced
    | Traded
    | OrderReduced
    | OrderCancelled
    | MarketOrderExpired
    | PriceJumped
    | TradingHalted
    | TradingResumed
)
"""Everything that can happen to an order book."""
