"""What the demo shows while it runs, and at its end."""

from __future__ import annotations

import asyncio
import time
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from headwater.app import Application
from headwater.cli.output import program
from headwater.examples.exchange.figures import Figures
from headwater.examples.exchange.proofs import Proof
from headwater.examples.exchange.report import Report, describe_log, describe_top
from headwater.examples.exchange.run import Run
from headwater.examples.exchange.sources import INSTRUMENT
from headwater.examples.exchange.venue import DEMO_FILE
from headwater.examples.exchange.views import TopOf

_BAR_SECONDS: Final = 0.1
_BARS_PER_LINE: Final = 10
_VERDICTS: Final = {True: ("holds ", "green"), False: ("FAILED", "bold red"), None: ("–     ", "dim")}


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
        """Show how far the run is, and its figures once a second, until cancelled."""
        seen, moment = 0, time.perf_counter()
        for tick in count(1):
            await asyncio.sleep(_BAR_SECONDS)
            commands = run.figures.commands
            self._progress.update(self._task, completed=commands)
            if tick % _BARS_PER_LINE == 0:
                now = time.perf_counter()
                await self._print_figures(application, run.figures, commands - seen, now - moment)
                seen, moment = commands, now

    async def _print_figures(self, application: Application, figures: Figures, commands: int, seconds: float) -> None:
        """One line of at most 80 characters about the last commands."""
        top = await application.query(TopOf(INSTRUMENT), timeout=None)
        latency = figures.latency(commands)
        self._console.print(
            f"{commands / seconds:>6,.0f} commands/s {figures.events:>7,} events "
            f"p50/p99 {latency.median:.0f}/{latency.p99:.0f} ms {describe_top(top)}",
            highlight=False,
            soft_wrap=True,
        )


def print_report(report: Report, path: Path) -> None:
    """Print the report to standard output, and what to do next."""
    console = Console(highlight=False, markup=False)
    for heading, lines in (*report.sections, describe_log(path, report.events)):
        console.print(f"\n{heading}", style="bold")
        width = max(len(label) for label, _ in lines)
        for label, value in lines:
            console.print(f"  {label:<{width}}  {value}", soft_wrap=True)
    console.print("\nProofs", style="bold")
    for proof in report.proofs:
        _print_proof(console, proof)
    _print_next_steps(console, path, report.events // 2)


def _print_proof(console: Console, proof: Proof) -> None:
    verdict, style = _VERDICTS[proof.holds]
    console.print(f"  {verdict}  ", style=style, end="")
    console.print(proof.claim, soft_wrap=True)
    console.print(f"          {proof.detail}", soft_wrap=True)


def _print_next_steps(console: Console, path: Path, version: int) -> None:
    elsewhere = "" if path == Path(DEMO_FILE) else f" --database {path}"
    application = "--app headwater.examples.exchange.venue:exchange"
    console.print("\nLook into it", style="bold")
    for command in (
        f"{program()} streams {path}",
        f"{program()} events {path} --limit 5",
        f"{program()} state Market {INSTRUMENT} {application}{elsewhere} --at version:{version}",
        f"{program()} handlers status {application}{elsewhere}",
        f"{program()} tail {path}",
    ):
        console.print(f"  {command}", soft_wrap=True)
