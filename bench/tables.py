"""Tables: one row at a time, batches, and an order, beside ETS."""

from __future__ import annotations

import gc
import random
import shutil
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from bench.result import Result
from headwater import OrderedTable, Table

RUNS = 5
ROWS = 100_000
BATCH = 1_000
RANGES = 10_000

_SCRIPT = Path(__file__).parent / "peers" / "tables.exs"


class Row(msgspec.Struct, frozen=True, gc=False):
    """The same row as the peer's `{integer, string, integer}`, declared as the guide advises for rows that change."""

    key: int
    name: str
    number: int


def run() -> list[Result]:
    beam = _beam()
    if not beam:
        sys.stdout.write(
            "tables: elixir is not installed (Debian's package `elixir`); the BEAM's figures are missing\n"
        )
    keys = list(range(ROWS))
    random.Random(1).shuffle(keys)
    rows = [Row(key, f"row {key}", key) for key in keys]
    ours = _plain(keys, rows) | _ordered(keys, rows)
    results = [
        _result(name, value, "beam", beam.get(name.removesuffix("_by_name")), "ns") for name, value in ours.items()
    ]
    table, bare = _bytes(lambda: _filled(Table(Row, "key"), rows)), _bytes(lambda: {row.key: row for row in rows})
    return [
        *results,
        _result("row_bytes", table, "dict", bare, "bytes"),
        _result("row_bytes_with_values", table + _value_bytes(rows), "beam", beam.get("row_bytes"), "bytes"),
    ]


def _result(name: str, ours: float, peer: str, peers: float | None, unit: str) -> Result:
    return Result(f"tables.{name}", peer, ours, peers, unit, None if peers is None else peers / ours, "none")


def _beam() -> dict[str, float]:
    if shutil.which("elixir") is None:
        return {}
    done = subprocess.run(["elixir", str(_SCRIPT)], capture_output=True, text=True, check=True, timeout=300)
    return {name: float(value) for name, value in (line.split() for line in done.stdout.splitlines())}


def _plain(keys: Sequence[int], rows: Sequence[Row]) -> dict[str, float]:
    table = _filled(Table(Row, "key"), rows)
    key_batches = [keys[start : start + BATCH] for start in range(0, ROWS, BATCH)]
    row_batches = [rows[start : start + BATCH] for start in range(0, ROWS, BATCH)]
    return {
        "lookup": _median(ROWS, lambda: _lookups(table, keys)),
        "insert": _median(ROWS, lambda: _inserts(Table(Row, "key"), rows)),
        "counter": _median(ROWS, lambda: _counters(table, keys)),
        "counter_by_name": _median(ROWS, lambda: _updates(table, keys)),
        "lookup_many": _median(ROWS, lambda: _lookup_batches(table, key_batches)),
        "insert_many": _median(ROWS, lambda: _insert_batches(Table(Row, "key"), row_batches)),
    }


def _ordered(keys: Sequence[int], rows: Sequence[Row]) -> dict[str, float]:
    table: OrderedTable[Row] = OrderedTable(Row, "key")
    table.insert_many(rows)
    lows = [key for key in keys if key <= ROWS - 100][:RANGES]
    return {
        "ordered_insert": _median(ROWS, lambda: _ordered_inserts(rows)),
        "ordered_lookup": _median(ROWS, lambda: _lookups(table, keys)),
        "ordered_range_100": _median(RANGES, lambda: _ranges(table, lows)),
    }


def _median(count: int, work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(RUNS):
        gc.collect()
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times) / count * 1e9


def _filled(table: Table[Row], rows: Sequence[Row]) -> Table[Row]:
    table.insert_many(rows)
    return table


def _lookups(table: Table[Row], keys: Sequence[int]) -> None:
    for key in keys:
        table.lookup(key)


def _inserts(table: Table[Row], rows: Sequence[Row]) -> None:
    for row in rows:
        table.insert(row)


def _counters(table: Table[Row], keys: Sequence[int]) -> None:
    count = table.counter("number")
    for key in keys:
        count(key, 1)


def _updates(table: Table[Row], keys: Sequence[int]) -> None:
    for key in keys:
        table.update_counter(key, "number", 1)


def _lookup_batches(table: Table[Row], batches: Sequence[Sequence[int]]) -> None:
    for keys in batches:
        table.lookup_many(keys)


def _insert_batches(table: Table[Row], batches: Sequence[Sequence[Row]]) -> None:
    for rows in batches:
        table.insert_many(rows)


def _ordered_inserts(rows: Sequence[Row]) -> None:
    """Until they are in order: new keys are sorted in when the order is first asked for."""
    table: OrderedTable[Row] = OrderedTable(Row, "key")
    for row in rows:
        table.insert(row)
    table.first()


def _ranges(table: OrderedTable[Row], lows: Sequence[int]) -> None:
    for low in lows:
        table.range(low, low + 100)


def _bytes(fill: Callable[[], object]) -> float:
    """Of the structure alone, for each row: the rows are there already."""
    gc.collect()
    tracemalloc.start()
    kept = fill()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return size / ROWS


def _value_bytes(rows: Sequence[Row]) -> float:
    """Of a row with its values."""
    return sum(sys.getsizeof(row) + sum(map(sys.getsizeof, msgspec.structs.astuple(row))) for row in rows) / len(rows)
