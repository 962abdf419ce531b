"""A named subscription on SQLite: how fast it catches up, and how soon it is woken.

The log is that of the reads: event ids, metadata and tags in it, the hash chain on. Checkpoints are durable.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path

import uvloop

from bench.result import Result
from bench.store import LOG, METADATA, RUNS, Deposited
from headwater import Codec, EventStore

BATCH = 1_000
WAKES = 300


def run() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.db"
        uvloop.run(_fill(path))
        results = [
            _rate("subscribe", path, _in_batches),
            _rate("subscribe_each", path, _one_by_one),
            _rate("subscribe_partitioned", path, _partitioned),
            _rate("subscribe_transient", path, _transient),
        ]
        command = [sys.executable, "-c", _APPENDER, str(path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as appender:
            times = sorted(uvloop.run(_wakes(path, appender)))
            appender.communicate()
    p50, p99 = (times[len(times) * percent // 100] * 1e3 for percent in (50, 99))
    wake = Result(
        "store.sqlite.subscribe_wake", None, statistics.median(times) * 1e6, None, "us", None, "full", p50, p99
    )
    return [*results, wake]


async def _open(path: Path) -> EventStore:
    return await EventStore.open(f"sqlite:///{path}", Codec.of(Deposited))


async def _fill(path: Path) -> None:
    async with await _open(path) as store:
        for start in range(0, LOG, BATCH):
            events = [Deposited(f"a-{number % 100}", number) for number in range(start, start + BATCH)]
            await store.append(f"s-{start % 97}", events, metadata=METADATA)


def _rate(name: str, path: Path, work: Callable[[EventStore, str], Awaitable[int]]) -> Result:
    rates = [uvloop.run(_timed(path, f"{name}-{number}", work)) for number in range(RUNS)]
    return Result(f"store.sqlite.{name}", None, statistics.median(rates), None, "events/s", None, "full")


async def _timed(path: Path, name: str, work: Callable[[EventStore, str], Awaitable[int]]) -> float:
    async with await _open(path) as store:
        started = time.perf_counter()
        count = await work(store, name)
        return count / (time.perf_counter() - started)


async def _in_batches(store: EventStore, name: str) -> int:
    async with store.subscription(name, max_unacknowledged=2 * BATCH, checkpoint_every=10 * BATCH) as events:
        async for batch in events.batches(BATCH):
            await events.ack_many(batch)
            if batch[-1].position == LOG:
                break
    return LOG


async def _one_by_one(store: EventStore, name: str) -> int:
    async with store.subscription(name, max_unacknowledged=2 * BATCH, checkpoint_every=10 * BATCH) as events:
        async for event in events:
            await events.ack(event)
            if event.position == LOG:
                break
    return LOG


async def _partitioned(store: EventStore, name: str) -> int:
    """Four consumers of one name, in order by stream."""
    done = asyncio.Event()
    left = LOG

    async def consume() -> None:
        nonlocal left
        async with store.subscription(
            name,
            max_unacknowledged=2 * BATCH,
            max_consumers=4,
            partition_by=lambda event: event.stream,
            checkpoint_every=10 * BATCH,
        ) as events:
            async for batch in events.batches(BATCH):
                await events.ack_many(batch)
                left -= len(batch)
                if not left:
                    done.set()

    consumers = [asyncio.create_task(consume()) for _ in range(4)]
    await done.wait()
    for consumer in consumers:
        consumer.cancel()
    await asyncio.gather(*consumers, return_exceptions=True)
    return LOG


async def _transient(store: EventStore, _: str) -> int:
    async with aclosing(store.subscribe()) as events:
        async for event in events:
            if event.position == LOG:
                break
    return LOG


# --- from another process -----------------------------------------------------------------------------------

_APPENDER = """
import asyncio, sys, time
from pathlib import Path
from bench.store_subscribe import Deposited, _open

async def main():
    async with await _open(Path(sys.argv[1])) as store:
        for line in sys.stdin:
            await store.append("wakes", [Deposited("a", 1)])
            print(time.monotonic_ns(), flush=True)

asyncio.run(main())
"""


async def _wakes(path: Path, appender: subprocess.Popen[str]) -> list[float]:
    """Seconds from the answer of an append in another process to its event in this one."""
    times = []
    ask = partial(_ask, appender)
    await asyncio.to_thread(ask)
    async with (
        await EventStore.open(f"sqlite:///{path}", Codec.of(Deposited), read_only=True) as store,
        aclosing(store.subscribe(await store.head())) as events,
    ):
        for _ in range(WAKES):
            coming = asyncio.ensure_future(_arrival(anext(events)))
            answered = await asyncio.to_thread(ask)
            times.append(max(0, await coming - answered) / 1e9)
    return times


def _ask(appender: subprocess.Popen[str]) -> int:
    assert appender.stdin is not None
    assert appender.stdout is not None
    appender.stdin.write("go on\n")
    appender.stdin.flush()
    return int(appender.stdout.readline())


async def _arrival(event: Awaitable[object]) -> int:
    await event
    return time.monotonic_ns()
