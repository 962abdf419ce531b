"""The rules of the exchange: which events a command brings about, and what an event does to the book.

The decisions are generators. Each one checks everything and may raise `Rejected` before it yields its first event;
after that it never fails. The caller applies each event to the book before it resumes the generator.

An order id must not be the id of an order that rests in the book. Ids of orders that have left it are not
remembered: the memory of a book is bounded by what rests in it, not by its history.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from headwater.errors import Rejected
from headwater.examples.exchange.book import Fill, OrderBook
from headwater.examples.exchange.messages import (
    BookCommand,
    BookEvent,
    BookOpened,
    Cancel,
    Halt,
    MarketOrderExpired,
    MarketOrderPlaced,
    OpenBook,
    OrderCancelled,
    OrderPlaced,
    OrderReduced,
    PlaceLimit,
    PlaceMarket,
    PriceJumped,
    Reduce,
    Resume,
    Side,
    Traded,
    TradingHalted,
    TradingResumed,
)
from headwater.examples.exchange.quantities import format_quantity

BAND: Final = 5
"""How many percent of the reference a trade's price may lie away from it without being a jump."""


def decide(book: OrderBook, command: BookCommand) -> Iterator[BookEvent]:
    """Return the events of a command, as a generator that raises `Rejected` at its first step or never."""
    match command:
        case PlaceLimit():
            return place_limit(book, command)
        case Cancel():
            return cancel(book, command)
        case Reduce():
            return reduce(book, command)
        case PlaceMarket():
            return place_market(book, command)
        case OpenBook():
            return open_book(book, command)
        case Halt():
            return halt(book, command)
        case Resume():
            return resume(book, command)


def evolve(book: OrderBook, event: BookEvent) -> None:
    """Apply an event to the book. Applying the same events to a new book gives an equal book."""
    match event:
        case OrderPlaced(order, side, price, volume):
            book.add(order, side, price, volume)
        case OrderCancelled(order):
            book.remove(order)
        case OrderReduced(order, remaining):
            book.reduce(order, remaining)
        case Traded():
            _settle(book, event)
        case BookOpened(instrument, price_decimals, volume_decimals):
            book.open(instrument, price_decimals, volume_decimals)
        case PriceJumped() | TradingHalted() | TradingResumed():
            _interrupt(book, event)
        case MarketOrderPlaced() | MarketOrderExpired():
            pass  # A market order never rests: only its trades change the book.


def open_book(book: OrderBook, command: OpenBook) -> Iterator[BookEvent]:
    """Open the book once.

    Raises:
        Rejected: ``already_open``, or ``bad_decimals`` when a number of decimals is negative.
    """
    if book.instrument is not None:
        raise Rejected(f"the book of {book.instrument} is open already", reason="already_open")
    if command.price_decimals < 0 or command.volume_decimals < 0:
        raise Rejected("a number of decimals must not be negative", reason="bad_decimals")
    yield BookOpened(command.instrument, command.price_decimals, command.volume_decimals)


def place_limit(book: OrderBook, command: PlaceLimit) -> Iterator[BookEvent]:
    """Accept a limit order, trade what crosses and let the rest wait.

    A price of nought is a price: real books hold bids there.

    Raises:
        Rejected: ``unknown_instrument``, ``halted``, ``bad_volume``, ``bad_price``, ``duplicate_order``, or
            ``would_cross`` for a post-only order that would trade.
    """
    _check_order(book, command)
    order, side, price, volume = command.order, command.side, command.price, command.volume
    if price < 0:
        raise Rejected("the price must not be negative", reason="bad_price", order=order, price=price)
    fills: list[Fill] = []
    if book.crosses(side, price):
        if command.post_only:
            raise _would_cross(book, command)
        fills = book.fills(side, volume, price)
    yield OrderPlaced(order, side, price, volume)
    for fill in fills:
        yield _traded(order, side, fill)
    if fills:
        yield from _jump(book, fills)


def place_market(book: OrderBook, command: PlaceMarket) -> Iterator[BookEvent]:
    """Trade against the book at any price; what finds no partner expires.

    Raises:
        Rejected: ``unknown_instrument``, ``halted``, ``bad_volume``, ``duplicate_order``, or ``no_liquidity`` when the
            other side is empty.
    """
    _check_order(book, command)
    order, side, volume = command.order, command.side, command.volume
    fills = book.fills(side, volume)
    if not fills:
        raise Rejected(f"nobody is there to trade with a {side} order", reason="no_liquidity", order=order)
    yield MarketOrderPlaced(order, side, volume)
    for fill in fills:
        yield _traded(order, side, fill)
        volume -= fill.volume
    if volume:
        yield MarketOrderExpired(order, volume)
    yield from _jump(book, fills)


def cancel(book: OrderBook, command: Cancel) -> Iterator[BookEvent]:
    """Take a resting order out of the book.

    Raises:
        Rejected: ``unknown_instrument``, or ``unknown_order`` when the order does not rest.
    """
    yield OrderCancelled(command.order, _remaining(book, command))


def reduce(book: OrderBook, command: Reduce) -> Iterator[BookEvent]:
    """Lower a resting order's volume; never raise it.

    Raises:
        Rejected: ``unknown_instrument``, ``unknown_order``, ``bad_volume`` when the wanted volume is negative, or
            ``nothing_to_reduce`` when no more than that remains.
    """
    remaining = _remaining(book, command)
    if command.to < 0:
        raise Rejected("the volume must not be negative", reason="bad_volume", order=command.order, to=command.to)
    if remaining <= command.to:
        raise Rejected(
            f"order {command.order} has no more than that already",
            reason="nothing_to_reduce",
            order=command.order,
            remaining=remaining,
        )
    yield OrderReduced(command.order, command.to)


def halt(book: OrderBook, command: Halt) -> Iterator[BookEvent]:
    """Take no more orders.

    Raises:
        Rejected: ``unknown_instrument``, or ``halted`` when that is so already.
    """
    if command.instrument != book.instrument:
        raise _unknown_instrument(command.instrument)
    if book.halted:
        raise _halted(command.instrument)
    yield TradingHalted(command.reason)


def resume(book: OrderBook, command: Resume) -> Iterator[BookEvent]:
    """Take orders again.

    Raises:
        Rejected: ``unknown_instrument``, or ``not_halted``.
    """
    if command.instrument != book.instrument:
        raise _unknown_instrument(command.instrument)
    if not book.halted:
        raise Rejected(f"{command.instrument} trades already", reason="not_halted", instrument=command.instrument)
    yield TradingResumed()


def _check_order(book: OrderBook, command: PlaceLimit | PlaceMarket) -> None:
    if command.instrument != book.instrument:
        raise _unknown_instrument(command.instrument)
    if book.halted:
        raise _halted(command.instrument)
    if command.volume <= 0:
        raise Rejected("the volume must be positive", reason="bad_volume", order=command.order, volume=command.volume)
    if command.order in book:
        raise Rejected(
            f"order {command.order} rests in the book already", reason="duplicate_order", order=command.order
        )


def _remaining(book: OrderBook, command: Cancel | Reduce) -> int:
    # A book that was never opened has no instrument, so one comparison covers both errors.
    if command.instrument != book.instrument:
        raise _unknown_instrument(command.instrument)
    remaining = book.remaining(command.order)
    if remaining is None:
        raise Rejected(f"order {command.order} does not rest in the book", reason="unknown_order", order=command.order)
    return remaining


def _unknown_instrument(instrument: str) -> Rejected:
    return Rejected(f"no book is open for {instrument}", reason="unknown_instrument", instrument=instrument)


def _halted(instrument: str) -> Rejected:
    return Rejected(f"trading in {instrument} is halted", reason="halted", instrument=instrument)


def _would_cross(book: OrderBook, command: PlaceLimit) -> Rejected:
    price = format_quantity(command.price, book.price_decimals)
    return Rejected(
        f"post-only {command.side} order {command.order} at {price} would trade at once",
        reason="would_cross",
        order=command.order,
        price=command.price,
        best=book.best_against(command.side),
    )


def _traded(taker: int, side: Side, fill: Fill) -> Traded:
    if side == "buy":
        return Traded(taker, fill.maker, fill.price, fill.volume, side)
    return Traded(fill.maker, taker, fill.price, fill.volume, side)


def _jump(book: OrderBook, fills: Sequence[Fill]) -> Iterator[BookEvent]:
    """Tell whether an order's trades, which the book has followed, lie too far from the reference."""
    reference = book.reference or 0
    price = max((fill.price for fill in fills), key=lambda price: abs(price - reference))
    if abs(price - reference) * 100 > reference * BAND:
        yield PriceJumped(price, reference)


def _interrupt(book: OrderBook, event: PriceJumped | TradingHalted | TradingResumed) -> None:
    match event:
        case PriceJumped(price):
            book.refer_to(price)
        case TradingHalted():
            book.halt()
        case TradingResumed():
            book.resume()


def _settle(book: OrderBook, trade: Traded) -> None:
    if book.reference is None:
        book.refer_to(trade.price)
    for order in (trade.buyer, trade.seller):
        if order in book:  # A market order, alone, takes part in trades without resting.
            book.fill(order, trade.volume)
