"""What a benchmark found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table


class Result(msgspec.Struct, frozen=True):
    """One line of the table.

    Attributes:
        name: what was measured.
        peer: what it is compared with, or None.
        ours_value: ours, the median of the runs.
        peer_value: the peer's, the median of the runs, or None when there is no peer or it isn't installed.
        unit: of both.
        ratio: how many times better ours is; above 1 is better, whatever the unit.
        durability: `full`, `relaxed` or `none`: what an answer meant.
        p50_ms: the median latency, in milliseconds, where there is one.
        p99_ms: the 99th percentile.
    """

    name: str
    peer: str | None
    ours_value: float
    peer_value: float | None
    unit: str
    ratio: float | None
    durability: str
    p50_ms: float | None = None
    p99_ms: float | None = None


def print_table(results: Sequence[Result]) -> None:
    table = Table(box=None, header_style="bold")
    for column in ("name", "ours", "unit", "peer", "peer's", "ratio", "durability", "p50 ms", "p99 ms"):
        text = column in ("name", "unit", "peer", "durability")
        table.add_column(column, justify="left" if text else "right", no_wrap=True)
    for result in results:
        table.add_row(
            result.name,
            f"{result.ours_value:,.0f}",
            result.unit,
            result.peer or "–",
            _number(result.peer_value, ",.0f"),
            _number(result.ratio, ".2f"),
            result.durability,
            _number(result.p50_ms, ".1f"),
            _number(result.p99_ms, ".1f"),
        )
    Console(width=max(140, Console().width)).print(table)


def write_json(results: Sequence[Result], path: Path) -> None:
    """Write the results; those of other benchmarks that are in the file already stay."""
    fresh = {result.name for result in results}
    kept = [result for result in _read(path) if result.name not in fresh]
    merged = sorted([*kept, *results], key=lambda result: result.name)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(merged)) + b"\n")


def _read(path: Path) -> list[Result]:
    return msgspec.json.decode(path.read_bytes(), type=list[Result]) if path.exists() else []


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
