"""Writes small recordings by hand, and finds the real one."""

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path

from headwater.examples.exchange.messages import BookCommand, Cancel, PlaceLimit, PlaceMarket, Reduce, Side
from headwater.examples.exchange.orderflow import OrderFlow
from headwater.examples.exchange.quantities import format_quantity

ORDERS_HEADER = "id,timestamp,exchange_timestamp,price,volume,action,direction"
TRADES_HEADER = "trade_id,timestamp,exchange_timestamp,price,amount,buy_order_id,sell_order_id,side"

REAL = Path(__file__).parents[3].parent / "shared" / "data" / "trading" / "bitstamp_btcusd_2026-05-02_orders.csv.gz"


def write_recording(
    folder: Path, orders: Iterable[str], trades: Iterable[str] = (), *, compressed: bool = False
) -> Path:
    """Write both files from their data rows and return the path of the orders file."""
    text = "".join(f"{line}\n" for line in (ORDERS_HEADER, *orders))
    path = folder / ("small_orders.csv.gz" if compressed else "small_orders.csv")
    path.write_bytes(gzip.compress(text.encode()) if compressed else text.encode())
    (folder / "small_trades.csv").write_text("".join(f"{line}\n" for line in (TRADES_HEADER, *trades)))
    return path


def write_generated_recording(folder: Path, rows: int, *, seed: int = 1, compressed: bool = False) -> Path:
    """Write a recording of so many order rows, drawn like real ones: orders come, shrink, go, and meet."""
    commands = (found.command for found in OrderFlow("btcusd", rows, seed=seed).commands(0))
    return write_recording(folder, _Recorder().rows(commands), compressed=compressed)


class _Recorder:
    """Writes down commands as a recorder would have seen them."""

    def __init__(self) -> None:
        self._placed: dict[int, tuple[Side, int, int]] = {}
        self._time = 1_777_689_380_000

    def rows(self, commands: Iterable[BookCommand]) -> Iterator[str]:
        for command in commands:
            self._time += 7
            match command:
                case PlaceLimit(order=order, side=side, price=price, volume=volume):
                    self._placed[order] = side, price, volume
                    yield self._row(order, side, price, volume, "created")
                case PlaceMarket(order=order, side=side, volume=volume):
                    yield self._row(order, side, 99_999_999_900 if side == "buy" else 0, volume, "created")
                case Cancel(order=order):
                    yield self._row(order, *self._placed[order], "deleted")
                case Reduce(order=order, to=volume):
                    side, price, _ = self._placed[order]
                    yield self._row(order, side, price, volume, "changed")

    def _row(self, order: int, side: Side, price: int, volume: int, action: str) -> str:
        shown = f"{format_quantity(price, 2)},{format_quantity(volume, 8)}"
        return f"{order},{self._time + 3},{self._time},{shown},{action},{'bid' if side == 'buy' else 'ask'}"
