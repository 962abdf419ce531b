"""The event store on SQLite, beside bare SQLite with the same rows, and beside UmaDB.

Everything that a user has on is on: full durability, event ids, metadata, a tag for each event, the hash chain. Each
benchmark has a file of its own, on the disk that the temporary directory lies on.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import msgspec
import uvloop

from bench.peers import figures
from bench.peers.bare_sqlite import STREAMS, BareSqlite
from bench.result import Result
from headwater import Codec, Event, EventStore
from headwater.store.sqlite.connection import open_reader

RUNS = 3
METADATA = {"user": "u-1"}
LOG = 200_000
"""Events in the log that is read."""

Times = list[float]
Work = Callable[[EventStore], Awaitable[tuple[float, Times]]]


class Deposited(Event, tags=("account",)):
    account: str
    amount: int
    note: str = "hello world, this is a payload"


def run() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        uma = figures("umadb_store.py", folder)
        if not uma:
            sys.stdout.write("store: umadb is missing\n")
        return [*_appends(Path(folder), uma), *_reads(Path(folder), uma), *_growth(Path(folder))]


def _appends(folder: Path, uma: dict[str, float]) -> list[Result]:
    results = []
    for name, transactions, size in (("append_1", 2_000, 1), ("append_batch_1000", 100, 1_000)):
        ours, times = _median(folder, name, partial(one_client, count=transactions, size=size))
        bare = _bare(folder, name, transactions, size)
        results += _beside(name, ours, times, {"bare-sqlite": bare, "umadb": uma.get(name)})
    ours, times = _median(folder, "append_500", partial(many_clients, clients=500, count=100))
    return results + _beside("append_500", ours, times, {"umadb": uma.get("append_500")})


def _beside(name: str, ours: float, times: Times, peers: dict[str, float | None]) -> list[Result]:
    """One line for each peer; the first one carries the plain name."""
    p50, p99 = percentiles(times)
    lines = []
    for number, (peer, value) in enumerate(peers.items()):
        full = f"store.sqlite.{name}" + (f"_{peer}" if number else "")
        ratio = None if value is None else ours / value
        lines.append(Result(full, peer, ours, value, "events/s", ratio, "full", p50, p99))
    return lines


def percentiles(times: Times) -> tuple[float, float]:
    """The median and the 99th percentile, in milliseconds."""
    ordered = sorted(times)
    return ordered[len(ordered) // 2] * 1e3, ordered[len(ordered) * 99 // 100] * 1e3


# --- appending ----------------------------------------------------------------------------------------------


def _median(
    folder: Path, name: str, work: Callable[[EventStore], Awaitable[tuple[float, Times]]]
) -> tuple[float, Times]:
    found = [uvloop.run(_on_store(folder / f"{name}-{number}.db", work)) for number in range(RUNS)]
    return statistics.median(rate for rate, _ in found), [one for _, times in found for one in times]


async def _on_store(path: Path, work: Work) -> tuple[float, Times]:
    async with await _open(path) as store:
        await store.append("warm-up", [Deposited("a-0", 1)], metadata=METADATA)
        found = await work(store)
        events = await store.head()
    sys.stdout.write(f"store: {path.stem}: {path.stat().st_size / events:.0f} bytes an event on disk\n")
    return found


async def _open(path: Path) -> EventStore:
    return await EventStore.open(f"sqlite:///{path}", Codec.of(Deposited))


async def one_client(store: EventStore, count: int, size: int) -> tuple[float, Times]:
    times = []
    for number in range(count):
        account = f"a-{number % STREAMS}"
        events = [Deposited(account, 1) for _ in range(size)]
        started = time.perf_counter()
        await store.append(f"account-{account}", events, metadata=METADATA)
        times.append(time.perf_counter() - started)
    return count * size / sum(times), times


async def many_clients(store: EventStore, clients: int, count: int) -> tuple[float, Times]:
    started = time.perf_counter()
    found = await asyncio.gather(*(_client(store, f"a-{number}", count) for number in range(clients)))
    return clients * count / (time.perf_counter() - started), [one for times in found for one in times]


async def _client(store: EventStore, account: str, count: int) -> Times:
    times = []
    for number in range(count):
        started = time.perf_counter()
        await store.append(f"account-{account}", [Deposited(account, number)], metadata=METADATA)
        times.append(time.perf_counter() - started)
    return times


def _bare(folder: Path, name: str, transactions: int, size: int) -> float:
    rates = []
    for number in range(RUNS):
        bare = BareSqlite(folder / f"bare-{name}-{number}.db")
        bare.append(1, 1)
        rates.append(bare.append(transactions, size)[0])
        bare.close()
    return statistics.median(rates)


# --- reading ------------------------------------------------------------------------------------------------


def _reads(folder: Path, uma: dict[str, float]) -> list[Result]:
    path = folder / "read.db"
    uvloop.run(_fill(path))
    everything, stream = uvloop.run(_read(path))
    sql = (
        "SELECT position, streams.name, version, types.name, schema, events.id, recorded_at, causation, correlation, "
        "metadata, tags, remaining, data "
        "FROM events JOIN streams ON streams.id = stream JOIN types ON types.id = type {} ORDER BY {}"
    )
    bare_all = _bare_read(path, sql.format("", "position"))
    bare_stream = _bare_read(path, sql.format("WHERE streams.name = 'account-long'", "version"))
    return [
        _line("read_all", everything, "bare-sqlite", bare_all),
        _line("read_all_umadb", everything, "umadb", uma.get("read_all")),
        _line("read_stream", stream, "bare-sqlite", bare_stream),
    ]


def _line(name: str, ours: float, peer: str, value: float | None) -> Result:
    ratio = None if value is None else ours / value
    return Result(f"store.sqlite.{name}", peer, ours, value, "events/s", ratio, "none")


async def _fill(path: Path) -> None:
    async with await _open(path) as store:
        for number in range(LOG // 1_000):
            account = "long" if number % 4 == 0 else f"a-{number}"
            events = [Deposited(account, n) for n in range(1_000)]
            await store.append(f"account-{account}", events, metadata=METADATA)


async def _read(path: Path) -> tuple[float, float]:
    """Typed events a second: of the whole log, and of one stream."""
    async with await _open(path) as store:
        return await _rate(lambda: _count(store, None)), await _rate(lambda: _count(store, "account-long"))


async def _count(store: EventStore, stream: str | None) -> int:
    count = 0
    async with store.read_all() if stream is None else store.read_stream(stream) as events:
        async for recorded in events:
            assert isinstance(recorded.event, Deposited)
            count += 1
    return count


async def _rate(work: Callable[[], Awaitable[int]]) -> float:
    rates = []
    for _ in range(RUNS):
        started = time.perf_counter()
        count = await work()
        rates.append(count / (time.perf_counter() - started))
    return statistics.median(rates)


def _bare_read(path: Path, sql: str) -> float:
    """The same columns, row by row, the data decoded by msgspec to the same class."""
    decode = msgspec.json.Decoder(Deposited).decode
    rates = []
    for _ in range(RUNS):
        connection = open_reader(path)
        started = time.perf_counter()
        count = 0
        for *_, data in connection.execute(sql):
            assert isinstance(data, str)
            decode(data)
            count += 1
        rates.append(count / (time.perf_counter() - started))
        connection.close()
    return statistics.median(rates)


# --- growing ------------------------------------------------------------------------------------------------


def _growth(folder: Path) -> list[Result]:
    """How fast appends are in a log of ten thousand events, and in one of a million."""
    small, large = uvloop.run(_grow(folder / "growth.db"))
    return [
        Result(name, "itself", now, then, "events/s", now / then, "full")
        for name, now, then in zip(("store.sqlite.growth", "store.sqlite.growth_500"), large, small, strict=True)
    ]


async def _grow(path: Path) -> tuple[tuple[float, float], tuple[float, float]]:
    async with await _open(path) as store:
        await one_client(store, 10, 1_000)
        small = await _both(store)
        await one_client(store, 960, 1_000)
        return small, await _both(store)


async def _both(store: EventStore) -> tuple[float, float]:
    """Events a second: of one client, and of 500."""
    return (await one_client(store, 1_500, 1))[0], (await many_clients(store, 500, 30))[0]
