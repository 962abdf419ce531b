"""What the demo shows while it runs, and at its end."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import TracebackType
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from headwater.app import Application
from headwater.examples.exchange.proofs import Proof
from headwater.examples.exchange.report import Report, describe_top
from headwater.examples.exchange.run import Run
from headwater.examples.exchange.sources import INSTRUMENT
from headwater.examples.exchange.venue import DEMO_FILE
from headwater.examples.exchange.views import TopOf

_PERIOD: Final = 1.0


class Display:
    """A progress bar, and a line of figures once a second. Without a terminal only the lines.

    Args:
        console: where to show it.
        total: how many commands there will be.
    """

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("commands"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("commands", total=total)

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    async def follow(self, application: Application, run: Run) -> None:
        """Show the run's figures once a second, until cancelled."""
        seen, moment = 0, time.perf_counter()
        while True:
            await asyncio.sleep(_PERIOD)
            top = await application.query(TopOf(INSTRUMENT), timeout=None)
            now, commands = time.perf_counter(), run.figures.commands
            latency = run.figures.latency(commands - seen)
            self._progress.update(self._task, completed=commands)
            self._console.print(
                f"{(commands - seen) / (now - moment):>8,.0f} commands/s  {run.figures.events:>9,} events  "
                f"p50 {latency.median:5.1f} ms  p99 {latency.p99:5.1f} ms  {describe_top(top)}",
                highlight=False,
                soft_wrap=True,
            )
            seen, moment = commands, now


def print_report(report: Report, path: Path) -> None:
    """Print the report to standard output, and what to do next."""
    console = Console(highlight=False, markup=False)
    for heading, lines in report.sections:
        console.print(f"\n{heading}", style="bold")
        width = max(len(label) for label, _ in lines)
        for label, value in lines:
            console.print(f"  {label:<{width}}  {value}", soft_wrap=True)
    console.print("\nProofs", style="bold")
    for proof in report.proofs:
        _print_proof(console, proof)
    _print_next_steps(console, path)


def _print_proof(console: Console, proof: Proof) -> None:
    verdict, style = ("holds ", "green") if proof.holds else ("FAILED", "bold red")
    console.print(f"  {verdict}  ", style=style, end="")
    console.print(f"{proof.claim}: {proof.detail}", soft_wrap=True)


def _print_next_steps(console: Console, path: Path) -> None:
    elsewhere = "" if path == Path(DEMO_FILE) else f" --database {path}"
    application = "--app headwater.examples.exchange.venue:exchange"
    console.print("\nLook into it", style="bold")
    for command in (
        f"headwater streams {path}",
        f"headwater events {path} --limit 5",
        f"headwater state Market {INSTRUMENT} {application}{elsewhere} --at version:50000",
        f"headwater tail {path}",
    ):
        console.print(f"  {command}", soft_wrap=True)
