"""PubSub on one node: broadcasts until they are handled, and what a subscription costs, beside the BEAM's.

Phoenix.PubSub can't be taken from Debian's packages. On one node it is Elixir's own Registry with duplicate keys: a
dispatch in the caller, and a send to each process. The peer is that, without what Phoenix adds to it.

- `broadcast_1000`: 200 broadcasts to 1,000 processes that count, until each has told its count; nanoseconds a delivery.
  Our broadcaster lets the event loop run after each broadcast; the BEAM's has a core of its own.
- `broadcast_1000_one_by_one`: the next begins when all 1,000 have handled the last, which they count down in common.
- `broadcast_1000_fastlane`: as the first, but encoded as JSON once and handed to 1,000 transports.
- `subscribe`, `subscription_bytes`: one process subscribes 100,000 times, to 1,000 topics; for each time.
- `subscribe_each`, `subscription_each_bytes`: 100,000 processes subscribe once, to 1,000 topics; for each.
"""

from __future__ import annotations

import asyncio
import gc
import shutil
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import uvloop

from bench.result import Result
from headwater import Fastlane, GenServer, Pid, PubSub, System, fastlane

RUNS = 9
SUBSCRIBERS = 1_000
BROADCASTS = 200
MANY = 100_000
TOPICS = 1_000

_SCRIPT = Path(__file__).parent / "peers" / "pubsub.exs"


class News(msgspec.Struct, frozen=True):
    number: int


class Counter(GenServer):
    """The same server as the peer's."""

    def init(self) -> None:
        self.seen = 0

    def handle_info(self, message: object) -> None:
        self.seen += 1

    def count(self) -> int:
        return self.seen


class Latch:
    """Opens when it has been counted down."""

    def __init__(self) -> None:
        self.left = 0
        self.opened: asyncio.Future[None]

    def close(self, count: int) -> None:
        self.left = count
        self.opened = asyncio.get_running_loop().create_future()


class Latched(GenServer):
    """Tells the broadcaster when it was the last of all to handle a message."""

    def init(self, latch: Latch) -> None:
        self.seen = 0
        self.latch = latch

    def handle_info(self, message: object) -> None:
        self.seen += 1
        latch = self.latch
        latch.left -= 1
        if not latch.left:
            latch.opened.set_result(None)


def run() -> list[Result]:
    beam = _beam()
    if not beam:
        sys.stdout.write(
            "pubsub: elixir is not installed (Debian's package `elixir`); the BEAM's figures are missing\n"
        )
    ours = uvloop.run(_all())
    return [_result(name, value, beam.get(name)) for name, value in ours.items()]


_COMPARED = ("broadcast_1000", "broadcast_1000_one_by_one", "subscribe", "subscription_bytes")


def _result(name: str, ours: float, peers: float | None) -> Result:
    unit = "bytes" if name.endswith("bytes") else "ns"
    peer = "beam" if name in _COMPARED else None
    return Result(f"pubsub.{name}", peer, ours, peers, unit, None if peers is None else peers / ours, "none")


def _beam() -> dict[str, float]:
    if shutil.which("elixir") is None:
        return {}
    done = subprocess.run(["elixir", str(_SCRIPT)], capture_output=True, text=True, check=True, timeout=300)
    return {name: float(value) for name, value in (line.split() for line in done.stdout.splitlines())}


async def _all() -> dict[str, float]:
    return {
        "broadcast_1000": await _broadcasts(),
        "broadcast_1000_one_by_one": await _one_by_one(),
        "broadcast_1000_fastlane": await _fastlane(),
        "subscribe": await _subscribe(1),
        "subscribe_each": await _subscribe(MANY),
        "subscription_bytes": await _bytes(1),
        "subscription_each_bytes": await _bytes(MANY),
    }


async def _median(work: Callable[[], Awaitable[None]]) -> float:
    """Nanoseconds a delivery."""
    await work()
    times = []
    for _ in range(RUNS):
        gc.collect()
        started = time.perf_counter()
        await work()
        times.append(time.perf_counter() - started)
    return statistics.median(times) / (SUBSCRIBERS * BROADCASTS) * 1e9


async def _broadcasts() -> float:
    pubsub = PubSub()
    async with System("bench") as system:
        pids = [await system.start(Counter) for _ in range(SUBSCRIBERS)]
        for pid in pids:
            pubsub.subscribe("topic", pid)

        async def work() -> None:
            for number in range(BROADCASTS):
                pubsub.broadcast("topic", News(number))
                await asyncio.sleep(0)
            await _counted(pids)

        return await _median(work)


async def _counted(pids: list[Pid[Counter]]) -> None:
    """A call comes behind all that was broadcast before."""
    counts = {await pid.call(Counter.count) for pid in pids}
    assert len(counts) == 1
    assert counts.pop() % BROADCASTS == 0


async def _one_by_one() -> float:
    pubsub, latch = PubSub(), Latch()
    async with System("bench") as system:
        for _ in range(SUBSCRIBERS):
            pubsub.subscribe("topic", await system.start(Latched, latch))

        async def work() -> None:
            for number in range(BROADCASTS):
                latch.close(SUBSCRIBERS)
                pubsub.broadcast("topic", News(number))
                await latch.opened

        return await _median(work)


async def _fastlane() -> float:
    pubsub = PubSub(dispatchers={"fastlane": fastlane})
    async with System("bench") as system:
        channel = await system.start(Counter)
        transports = [await system.start(Counter) for _ in range(SUBSCRIBERS)]
        for transport in transports:
            pubsub.subscribe("topic", channel, Fastlane(transport, msgspec.json.encode))

        async def work() -> None:
            for number in range(BROADCASTS):
                pubsub.broadcast("topic", News(number), dispatcher="fastlane")
                await asyncio.sleep(0)
            await _counted(transports)

        return await _median(work)


async def _subscribe(processes: int) -> float:
    """Nanoseconds a subscription."""
    async with System("bench") as system:
        pids = [await system.start(Counter) for _ in range(processes)]
        names = [f"topic {number}" for number in range(TOPICS)]
        times = []
        for _ in range(RUNS):
            pubsub = PubSub()
            gc.collect()
            started = time.perf_counter()
            for number in range(MANY):
                pubsub.subscribe(names[number % TOPICS], pids[number % processes])
            times.append(time.perf_counter() - started)
            await pubsub.stop()
        return statistics.median(times) / MANY * 1e9


async def _bytes(processes: int) -> float:
    pubsub = PubSub()
    async with System("bench") as system:
        pids = [await system.start(Counter) for _ in range(processes)]
        names = [f"topic {number}" for number in range(TOPICS)]
        gc.collect()
        tracemalloc.start()
        for number in range(MANY):
            pubsub.subscribe(names[number % TOPICS], pids[number % processes])
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return size / MANY
