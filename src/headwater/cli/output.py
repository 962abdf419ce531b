"""A table on a terminal, JSON lines in a pipe."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

Record = Mapping[str, object]

_ENCODER: Final = msgspec.json.Encoder(enc_hook=str)


def wants_json(json: bool) -> bool:
    """Whether to print JSON lines: when asked, or when standard output is no terminal."""
    return json or not sys.stdout.isatty()


def program() -> str:
    """What the user has to type to run this program again: its path, if the shell doesn't find it by name."""
    started = Path(sys.argv[0])
    if started.name != "headwater" or shutil.which("headwater") is not None:
        return "headwater"
    return os.path.relpath(started)


def complain(message: str) -> None:
    """Tell the user what is wrong, on standard error."""
    Console(stderr=True, highlight=False, markup=False).print(f"headwater: {message}", soft_wrap=True)


def note(message: str) -> None:
    """Tell the user something that is not part of the output, on standard error."""
    Console(stderr=True, highlight=False, markup=False).print(message, soft_wrap=True)


def json_line(record: Record) -> str:
    """The record as one line of JSON."""
    return _ENCODER.encode(record).decode()


def print_json(records: Iterable[Record]) -> None:
    """Print each record as one line of JSON."""
    for record in records:
        sys.stdout.write(json_line(record) + "\n")
    sys.stdout.flush()


def print_answer(record: Record, sentence: str, *, json: bool) -> None:
    """Print what a command has done: a sentence on a terminal, a line of JSON in a pipe or when asked."""
    if wants_json(json):
        print_json([record])
    else:
        sys.stdout.write(sentence + "\n")


class TablePrinter:
    """Prints rows as they come, under one header. Columns widen when wider cells come; the last one is cut to fit.

    Args:
        columns: their names.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._widths = [len(name) for name in columns]
        self._console = Console(highlight=False, markup=False)
        self._started = False

    def print(self, rows: Sequence[Sequence[object]]) -> None:
        """Print rows, with equal widths; before the first ones, the header."""
        for row in rows:
            self._widths = [max(width, len(str(cell))) for width, cell in zip(self._widths, row, strict=True)]
        if rows and not self._started:
            self._started = True
            self._line(self._columns, style="bold")
        for row in rows:
            self._line([str(cell) for cell in row], style=None)

    def _line(self, cells: Sequence[str], style: str | None) -> None:
        *columns, last = cells
        shown = [cell.ljust(width) for cell, width in zip(columns, self._widths[:-1], strict=True)]
        self._console.print("  ".join([*shown, last]), style=style, no_wrap=True, overflow="ellipsis", crop=True)


def print_table(columns: Sequence[tuple[str, bool]], rows: Iterable[Sequence[object]]) -> None:
    """Print a whole table. Each column has a name, and whether it holds numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, number in columns:
        table.add_column(name, justify="right" if number else "left", overflow="ellipsis", no_wrap=True)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console(highlight=False, markup=False).print(table)
