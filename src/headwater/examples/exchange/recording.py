"""Reads a recording of a market: every order event of a span of time, and the trades of the same span.

A recording is two CSV files side by side: ``NAME_orders.csv`` or ``NAME_orders.csv.gz``, and ``NAME_trades.csv``.
Reading is strict: a row is taken whole and exact, or it is a `MalformedRow` that names the field at fault.
"""

import gzip
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Literal, TextIO, TypeAlias, TypeVar, cast

import msgspec

from headwater.errors import HeadwaterError
from headwater.examples.exchange.messages import Side
from headwater.examples.exchange.quantities import PRICE_DECIMALS, VOLUME_DECIMALS, parse_quantity

Action: TypeAlias = Literal["created", "changed", "deleted"]
"""What happened to an order."""

OnError: TypeAlias = Literal["stop", "skip"]
"""What a reader does at a malformed row: raise it, or go on with the next row."""

_ORDER_FIELDS = ("id", "timestamp", "exchange_timestamp", "price", "volume", "action", "direction")
_TRADE_FIELDS = (
    "trade_id",
    "timestamp",
    "exchange_timestamp",
    "price",
    "amount",
    "buy_order_id",
    "sell_order_id",
    "side",
)
_ACTIONS = {action: action for action in ("created", "changed", "deleted")}
_DIRECTIONS: dict[str, Side] = {"bid": "buy", "ask": "sell"}
_SIDES: dict[str, Side] = {"buy": "buy", "sell": "sell"}
# Eighteen digits fit a signed 64-bit integer, which is what stores and arrays keep.
_LONGEST_NUMBER = 18
_LARGEST_QUANTITY = 10**_LONGEST_NUMBER

_Row = TypeVar("_Row")


class NotARecording(HeadwaterError):
    """A file is not, or not any more, part of a recording.

    Args:
        path: The file.
        why: What is wrong with it.
    """

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} is not a recording: {why}")
        self.path = path
        self.why = why


class MalformedRow(HeadwaterError):
    """A row of a recording cannot be read.

    Args:
        path: The file.
        line: The line in the file, counted from 1; the header is line 1.
        field: The field at fault, or ``"row"`` when the number of fields is wrong.
        value: What stands there.
        expected: What should.
    """

    def __init__(self, path: Path, line: int, field: str, value: str, expected: str) -> None:
        shown = value if len(value) <= 80 else value[:80] + "…"
        super().__init__(f"{path}, line {line}: {field} is {shown!r}, expected {expected}")
        self.path = path
        self.line = line
        self.field = field
        self.value = value
        self.expected = expected


Report: TypeAlias = Callable[[MalformedRow], object]
"""Is told of every row that was skipped."""


class OrderRow(msgspec.Struct, frozen=True, gc=False):
    """One order event.

    ``number`` counts the data rows of the file from 1. ``received`` is when the recorder got it, ``happened`` when
    the exchange says that it happened, both in milliseconds since 1970. ``volume`` is what remains after the event.
    """

    number: int
    order: int
    received: int
    happened: int
    price: int
    volume: int
    action: Action
    side: Side


class RecordedTrade(msgspec.Struct, frozen=True, gc=False):
    """One trade, as the exchange reported it. ``taker`` is the side of the order that came later."""

    trade: int
    received: int
    happened: int
    price: int
    volume: int
    buyer: int
    seller: int
    taker: Side


class _BadField(Exception):
    """A field at fault; `_rows` adds where it stands and raises a `MalformedRow`."""

    def __init__(self, field: str, value: str, expected: str) -> None:
        super().__init__(field)
        self.field = field
        self.value = value
        self.expected = expected


class Recording:
    """A recording whose two files are there and start with the right header.

    Args:
        orders: The orders file; its name ends in ``_orders.csv`` or ``_orders.csv.gz``.

    Raises:
        NotARecording: A file is missing or is something else.
    """

    def __init__(self, orders: Path) -> None:
        self.orders_path = orders
        self.trades_path = _trades_path(orders)
        for path, fields in ((orders, _ORDER_FIELDS), (self.trades_path, _TRADE_FIELDS)):
            with closing(_lines(path, fields)) as lines:
                next(lines, None)

    def orders(self, on_error: OnError = "stop", on_skip: Report | None = None) -> Iterator[OrderRow]:
        """Yield the order events in the order of the file.

        Args:
            on_error: Whether a malformed row stops the reading or is left out. A row left out keeps its number:
                those after it are numbered as if it had been read.
            on_skip: Is called with each row that is left out.

        Raises:
            MalformedRow: With ``on_error="stop"``, at the row.
            NotARecording: The file ends or breaks in the middle of its compressed data.
        """
        return _rows(self.orders_path, _ORDER_FIELDS, _order_row, on_error, on_skip)

    def trades(self, on_error: OnError = "stop", on_skip: Report | None = None) -> Iterator[RecordedTrade]:
        """Yield the trades in the order of the file; errors are treated as in `orders`."""
        return _rows(self.trades_path, _TRADE_FIELDS, _trade_row, on_error, on_skip)


def _trades_path(orders: Path) -> Path:
    for ending in ("_orders.csv.gz", "_orders.csv"):
        if orders.name.endswith(ending):
            return orders.with_name(orders.name.removesuffix(ending) + "_trades.csv")
    raise NotARecording(orders, "its name does not end in _orders.csv or _orders.csv.gz")


def _rows(
    path: Path,
    fields: tuple[str, ...],
    build: Callable[[int, list[str]], _Row],
    on_error: OnError,
    on_skip: Report | None,
) -> Iterator[_Row]:
    width = len(fields)
    for number, line in enumerate(_lines(path, fields), 1):
        texts = line.rstrip("\n").split(",")
        try:
            if len(texts) != width:
                raise _BadField("row", line.rstrip("\n"), f"{width} fields")
            row = build(number, texts)
        except _BadField as error:
            malformed = MalformedRow(path, number + 1, error.field, error.value, error.expected)
            if on_error == "stop":
                raise malformed from None
            if on_skip is not None:
                on_skip(malformed)
        else:
            yield row


def _lines(path: Path, fields: tuple[str, ...]) -> Generator[str, None, None]:
    """Yield the lines after the header, as text; turn all that a file can be wrong in into NotARecording."""
    try:
        with _open(path) as file:
            _check_header(path, file.readline(500), fields)
            yield from file
    except FileNotFoundError:
        raise NotARecording(path, "there is no such file") from None
    except EOFError:
        raise NotARecording(path, "its compressed data end too early") from None
    except zlib.error as error:
        raise NotARecording(path, f"its compressed data are damaged: {error}") from None
    except gzip.BadGzipFile as error:
        raise NotARecording(path, f"it is not a gzip file: {error}") from None
    except OSError as error:
        raise NotARecording(path, f"it cannot be read: {error.strerror or error}") from None


def _open(path: Path) -> TextIO:
    # A byte that is not text becomes a sign that no field allows, so it costs one row and not the whole file.
    if path.suffix == ".gz":
        return cast("TextIO", gzip.open(path, "rt", encoding="ascii", errors="replace"))
    return path.open(encoding="ascii", errors="replace")


def _check_header(path: Path, line: str, fields: tuple[str, ...]) -> None:
    if not line:
        raise NotARecording(path, "it is empty")
    if line.rstrip("\n") != ",".join(fields):
        raise NotARecording(path, f"its first line is {line.rstrip()[:80]!r}, expected {','.join(fields)!r}")


def _order_row(number: int, texts: list[str]) -> OrderRow:
    order, received, happened, price, volume, action, direction = texts
    return OrderRow(
        number,
        _number("id", order),
        _moment("timestamp", received),
        _moment("exchange_timestamp", happened),
        _price(price),
        _volume("volume", volume),
        _action(action),
        _side("direction", direction, _DIRECTIONS),
    )


def _trade_row(_: int, texts: list[str]) -> RecordedTrade:
    trade, received, happened, price, amount, buyer, seller, side = texts
    return RecordedTrade(
        _number("trade_id", trade),
        _moment("timestamp", received),
        _moment("exchange_timestamp", happened),
        _price(price),
        _volume("amount", amount),
        _number("buy_order_id", buyer),
        _number("sell_order_id", seller),
        _side("side", side, _SIDES),
    )


def _number(field: str, text: str) -> int:
    # isdigit() keeps out what int() takes beside digits: signs, spaces, underscores. The file is read as ASCII.
    if text.isdigit() and len(text) <= _LONGEST_NUMBER:
        return int(text)
    raise _BadField(field, text, f"up to {_LONGEST_NUMBER} digits")


@lru_cache(maxsize=1024)
def _moment(field: str, text: str) -> int:
    # Neighbouring rows share their times, so most of these are not read twice.
    return _number(field, text)


@lru_cache(maxsize=16_384)
def _price(text: str) -> int:
    return _quantity("price", text, PRICE_DECIMALS, scientific=False)


@lru_cache(maxsize=65_536)
def _volume(field: str, text: str) -> int:
    return _quantity(field, text, VOLUME_DECIMALS, scientific=True)


def _quantity(field: str, text: str, decimals: int, *, scientific: bool) -> int:
    try:
        value = parse_quantity(text, decimals, scientific=scientific)
    except ValueError:
        raise _BadField(field, text, f"digits with at most {decimals} decimals") from None
    if value >= _LARGEST_QUANTITY:
        raise _BadField(field, text, f"less than {_LARGEST_QUANTITY // 10**decimals}")
    return value


def _action(text: str) -> Action:
    if text in _ACTIONS:
        return cast("Action", _ACTIONS[text])
    raise _BadField("action", text, "created, changed or deleted")


def _side(field: str, text: str, sides: dict[str, Side]) -> Side:
    side = sides.get(text)
    if side is None:
        raise _BadField(field, text, " or ".join(sides))
    return side
