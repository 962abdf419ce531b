"""`headwater demo`: something to watch, and to look into afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from headwater.app import Application
from headwater.cli.demo_display import Display, print_report
from headwater.cli.loop import run_fast
from headwater.cli.output import complain, note
from headwater.codec import Codec
from headwater.errors import HeadwaterError
from headwater.examples.exchange.recording import MalformedRow
from headwater.examples.exchange.report import Report, make_report
from headwater.examples.exchange.run import IN_FLIGHT, Run
from headwater.examples.exchange.sources import Source, find_source
from headwater.examples.exchange.venue import DEMO_FILE, venue
from headwater.store.store import EventStore

demo = typer.Typer(help="Run a demo.", no_args_is_help=True, rich_markup_mode=None)

_INTERRUPTED = 130
_REPORTED_ROWS = 5


class FileInTheWay(HeadwaterError):
    """The database file exists, and nobody said what to do with it."""


@demo.callback()
def demos() -> None:
    """Run a demo."""


@demo.command()
def exchange(
    input: Annotated[  # noqa: A002 - the option's name
        Path | None, typer.Option("--input", help="A recording: NAME_orders.csv or .csv.gz, NAME_trades.csv beside it.")
    ] = None,
    database: Annotated[Path | None, typer.Option(help=f"Where the events go; {DEMO_FILE}, if not given.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many commands.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an earlier run ended.")] = False,
    on_error: Annotated[
        str, typer.Option(metavar="[stop|skip]", help="At a malformed row: stop before anything runs, or leave it out.")
    ] = "stop",
    in_flight: Annotated[int, typer.Option(min=1, help="How many commands are under way at a time.")] = IN_FLIGHT,
) -> None:
    """Run a trading venue on half an hour of recorded order flow.

    Commands go in, events are durable on the disk before they are answered, views follow, and at the end the
    past is replayed and proven. Without --input, the recording is looked for nearby, then fetched from the package
    index; without a network, order flow is generated.
    """
    if on_error not in ("stop", "skip"):
        raise typer.BadParameter(f"--on-error is stop or skip, not {on_error}")
    skipped = SkippedRows()
    source = find_source(input, "stop" if on_error == "stop" else "skip", skipped.add)
    path = database or Path(DEMO_FILE)
    if not resume:
        asyncio.run(make_room(path, replace=database is None))
    raise typer.Exit(run_fast(_run(source, path, limit=limit, resume=resume, in_flight=in_flight)))


class SkippedRows:
    """Tells the user of malformed rows: the first few in full, then how many."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, row: MalformedRow) -> None:
        """Tell of one."""
        self._count += 1
        if self._count <= _REPORTED_ROWS:
            complain(f"left out: {row}")
        elif self._count == _REPORTED_ROWS + 1:
            complain("left out: more rows, counted in the report")


async def make_room(path: Path, *, replace: bool) -> None:
    """Remove the file that an earlier demo left, if that is what it is and nobody uses it.

    Args:
        path: the database file.
        replace: whether a demo's file may be removed.

    Raises:
        FileInTheWay: there is a file, and it may not be removed.
        NotAStore, NewerSchema: there is a file, and it is something else; it is not touched.
        StoreLocked: another process uses it.
    """
    if not path.exists():
        return
    store = await EventStore.open(f"sqlite:///{path.absolute()}", Codec(), create=False)
    await store.close()
    if not replace:
        raise FileInTheWay(f"{path} exists already: go on with it (--resume), or name another file (--database)")
    note(f"Replacing {path}, which an earlier demo left behind.")
    for ending in ("", "-wal", "-shm", ".lock"):
        Path(f"{path}{ending}").unlink(missing_ok=True)


async def _run(source: Source, path: Path, *, limit: int | None, resume: bool, in_flight: int) -> int:
    """Run the demo and print its report. Returns the exit code."""
    application = venue(f"sqlite:///{path.absolute()}")
    async with application:
        run = Run(application, source, in_flight)
        after = await run.resume_after() if resume else -1
        async with _stopped_by_signals(run) as stopped:
            started = time.perf_counter()
            async with _displayed(application, source, run, limit):
                await run.drive(after, limit)
            seconds = time.perf_counter() - started
        if stopped.is_set():
            note(f"Stopped behind row {run.row:,}; all that was answered is durable. Go on with --resume.")
            return _INTERRUPTED
        report = await make_report(application, source, run, seconds, after)
    print_report(report, path)
    return _verdict(report)


def _verdict(report: Report) -> int:
    if report.proven:
        return 0
    complain("a proof failed: see above")
    return 1


@contextlib.asynccontextmanager
async def _stopped_by_signals(run: Run) -> AsyncIterator[asyncio.Event]:
    """Let Ctrl-C end the run in good order; a second one ends the program at once."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        stopped.set()
        run.stop()
        loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        yield stopped
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def _displayed(application: Application, source: Source, run: Run, limit: int | None) -> AsyncIterator[None]:
    total = min(source.commands_in_all, limit) if limit else source.commands_in_all
    with Display(Console(stderr=True), total) as display:
        task = asyncio.create_task(display.follow(application, run))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
