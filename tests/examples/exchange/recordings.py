"""Writes small recordings by hand, and finds the real one."""

import gzip
from collections.abc import Iterable
from pathlib import Path

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
