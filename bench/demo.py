"""The demo: the whole recording through one hot order book, every command durable before it is answered."""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import apsw
import uvloop

from bench.result import Result
from headwater import StoredEvent
from headwater.examples.exchange.figures import Latency
from headwater.examples.exchange.run import Run
from headwater.examples.exchange.sources import Source, find_source
from headwater.examples.exchange.venue import venue

RUNS = 3


class Measured(NamedTuple):
    """One run of the demo."""

    seconds: float
    commands: int
    events: int
    latency: Latency
    batches: list[list[StoredEvent]]


def run() -> list[Result]:
    source = find_source(None, "stop")
    sys.stdout.write(f"demo: {source.description}; {RUNS} runs\n")
    ours, bare = [], []
    for number in range(RUNS):
        measured = _demo(source)
        bare.append(_bare_sqlite(measured.batches))
        ours.append(measured)
        sys.stdout.write(
            f"  run {number + 1}: {measured.seconds:.2f} s, {measured.commands / measured.seconds:,.0f} commands/s, "
            f"{len(measured.batches):,} commits; bare SQLite: {bare[-1]:.2f} s; peak memory {_peak():.0f} MB\n"
        )
    return _results(ours, bare)


def _results(ours: Sequence[Measured], bare: Sequence[float]) -> list[Result]:
    commands = statistics.median(run.commands / run.seconds for run in ours)
    events = statistics.median(run.events / run.seconds for run in ours)
    peer = statistics.median(run.events / seconds for run, seconds in zip(ours, bare, strict=True))
    p50 = statistics.median(run.latency.median for run in ours)
    p99 = statistics.median(run.latency.p99 for run in ours)
    return [
        Result("demo.commands", None, commands, None, "commands/s", None, "full", p50, p99),
        Result("demo.events", "bare-sqlite", events, peer, "events/s", events / peer, "full", p50, p99),
    ]


def _demo(source: Source) -> Measured:
    """The run itself, without the report: what a user of `headwater demo exchange` waits for."""
    with tempfile.TemporaryDirectory() as folder:
        return uvloop.run(_drive(source, Path(folder)))


async def _drive(source: Source, folder: Path) -> Measured:
    async with venue(f"sqlite:///{folder}/exchange.db") as exchange:
        run = Run(exchange, source)
        started = time.perf_counter()
        await run.drive(-1)
        seconds = time.perf_counter() - started
        events = [stored async for stored in exchange.store.raw_all()]
    figures = run.figures
    return Measured(seconds, figures.commands, figures.events, figures.latency(), _batches(events))


def _batches(events: Sequence[StoredEvent]) -> list[list[StoredEvent]]:
    """The events by the transaction that they were committed in: each has a time of its own."""
    batches: dict[int, list[StoredEvent]] = {}
    for event in events:
        batches.setdefault(event.microseconds, []).append(event)
    return list(batches.values())


def _bare_sqlite(batches: Sequence[Sequence[StoredEvent]]) -> float:
    """Seconds that SQLite alone takes for the same rows, indexes, batches and durability."""
    with tempfile.TemporaryDirectory() as folder:
        database = apsw.Connection(f"{folder}/bare.db")
        database.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000")
        database.execute(
            "CREATE TABLE events (position INTEGER PRIMARY KEY, stream INTEGER, version INTEGER, type INTEGER, id BLOB,"
            " recorded_at INTEGER, causation BLOB, correlation BLOB, data TEXT, metadata TEXT) STRICT;"
            "CREATE UNIQUE INDEX by_version ON events (stream, version);"
            "CREATE UNIQUE INDEX by_id ON events (id)"
        )
        rows = [[_row(event) for event in batch] for batch in batches]
        started = time.perf_counter()
        for batch in rows:
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?,?)", batch)
            database.execute("COMMIT")
        seconds = time.perf_counter() - started
        database.close()
        return seconds


def _row(event: StoredEvent) -> tuple[apsw.SQLiteValue, ...]:
    return (
        event.position,
        1,
        event.version,
        1,
        event.id_bytes,
        event.microseconds,
        event.causation_bytes,
        event.correlation_bytes,
        event.data,
        event.metadata_json,
    )


def _peak() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (peak if sys.platform == "darwin" else peak * 1024) / 1e6
