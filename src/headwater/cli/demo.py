"""`headwater demo`: something to watch, and to look into afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console

from headwater.app import Application
from headwater.cli.demo_database import check_demo, check_room, make_room
from headwater.cli.demo_display import Display, print_report
from headwater.cli.loop import run_fast
from headwater.cli.output import complain, note, program
from headwater.errors import StorageFailed
from headwater.examples.exchange.recording import MalformedRow
from headwater.examples.exchange.report import Report, make_report
from headwater.examples.exchange.run import IN_FLIGHT, Run
from headwater.examples.exchange.sources import Source, find_source
from headwater.examples.exchange.venue import DEMO_FILE, venue

demo = typer.Typer(help="Run a demo.", no_args_is_help=True, rich_markup_mode=None)

_SIGNALLED = 128
_REPORTED_ROWS = 5


class End(NamedTuple):
    """How a run ended: with which exit code, and whether it can be gone on with."""

    code: int
    unfinished: bool = False


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
    path, replace = database or Path(DEMO_FILE), database is None
    asyncio.run(check_demo(path) if resume else check_room(path, replace=replace))  # before a long reading
    source = find_source(input, "stop" if on_error == "stop" else "skip", SkippedRows().add, tell=note)
    if not resume:
        asyncio.run(make_room(path, replace=replace))
    elif not path.exists():
        note(f"There is no {path} to go on with: the run begins at the beginning.")
    end = run_fast(lambda: _run(source, path, limit=limit, resume=resume, in_flight=in_flight))
    if end.unfinished:
        note(f"Go on with: {_resuming(input, database, on_error)}")
    raise typer.Exit(end.code)


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


async def _run(source: Source, path: Path, *, limit: int | None, resume: bool, in_flight: int) -> End:
    """Run the demo and print its report."""
    application = venue(f"sqlite:///{path.absolute()}")
    async with application:
        outcome = await _outcome(application, Run(application, source, in_flight), source, limit=limit, resume=resume)
    if isinstance(outcome, StorageFailed):  # said last, behind what the application tells of while it closes
        complain(str(outcome))
        return End(1, unfinished=True)
    if isinstance(outcome, End):
        return outcome
    print_report(outcome, path)
    return End(_verdict(outcome))


async def _outcome(
    application: Application, run: Run, source: Source, *, limit: int | None, resume: bool
) -> Report | End | StorageFailed:
    """What a run has come to: its report, or why there is none."""
    after = await run.resume_after() if resume else -1
    started = time.perf_counter()
    try:
        stopped = await _drive(application, source, run, after, limit)
    except StorageFailed as error:
        return error
    if stopped is not None:
        where = f"behind row {run.row:,}" if run.row >= 0 else "before the first command"
        note(f"Stopped {where}. All that was answered is durable.")
        return End(_SIGNALLED + stopped, unfinished=True)
    seconds = time.perf_counter() - started
    note("Reading the log again, to prove what it says …")
    return await make_report(application, source, run, seconds, after)


def _verdict(report: Report) -> int:
    if report.proven:
        return 0
    complain("a proof failed: see above")
    return 1


async def _drive(
    application: Application, source: Source, run: Run, after: int, limit: int | None
) -> signal.Signals | None:
    """Hand in the commands, and show how it goes. Returns the signal that stopped it, if one did."""
    with _stopped_by_signals(run) as stopped:
        async with _displayed(application, run, _total(source, after, limit)):
            await run.drive(after, limit)
    return stopped[0] if stopped else None


def _total(source: Source, after: int, limit: int | None) -> int:
    """How many commands there will be."""
    left = source.commands_in_all if after < 0 else sum(1 for _ in source.commands(after))
    return left if limit is None else min(left, limit)


@contextlib.contextmanager
def _stopped_by_signals(run: Run) -> Iterator[list[signal.Signals]]:
    """Let Ctrl-C end the run in good order; a second one ends the program at once. Gives the signals that came."""
    came: list[signal.Signals] = []
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        came.append(number)
        run.stop()
        loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        yield came
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def _displayed(application: Application, run: Run, total: int) -> AsyncIterator[None]:
    with Display(Console(stderr=True), total) as display:
        task = asyncio.create_task(display.follow(application, run))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _resuming(given: Path | None, database: Path | None, on_error: str) -> str:
    """The command that goes on with a run."""
    words = [program(), "demo", "exchange", "--resume"]
    words += [] if given is None else ["--input", str(given)]
    words += [] if database is None else ["--database", str(database)]
    words += [] if on_error == "stop" else ["--on-error", on_error]
    return shlex.join(words)
