"""Processes: call, cast, start and memory, beside the BEAM's."""

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

import uvloop

from bench.result import Result
from headwater import GenServer, Pid, System

RUNS = 5
BURST = 1_000
"""Casts between two turns of the event loop."""

_SCRIPT = Path(__file__).parent / "peers" / "processes.exs"


class Tally(GenServer):
    """The same server as the peer's."""

    def init(self, total: int) -> None:
        self.total = total

    def add(self, number: int) -> int:
        self.total += number
        return self.total

    async def add_slowly(self, number: int) -> int:
        self.total += number
        return self.total


def run() -> list[Result]:
    peer = _beam()
    if not peer:
        sys.stdout.write(
            "runtime: elixir is not installed (Debian's package `elixir`); the BEAM's figures are missing\n"
        )
    ours = uvloop.run(_all())
    ours["idle_bytes"] = uvloop.run(_idle_bytes())
    units = dict.fromkeys(ours, "ns") | {"idle_bytes": "bytes"}
    return [_result(name, value, peer.get(name), units[name]) for name, value in ours.items()]


def _result(name: str, ours: float, peer: float | None, unit: str) -> Result:
    compared = "beam" if name in ("call", "cast", "start", "idle_bytes") else None
    ratio = None if peer is None else peer / ours
    return Result(f"runtime.{name}", compared, ours, peer, unit, ratio, "none")


def _beam() -> dict[str, float]:
    if shutil.which("elixir") is None:
        return {}
    done = subprocess.run(["elixir", str(_SCRIPT)], capture_output=True, text=True, check=True, timeout=300)
    return {name: float(value) for name, value in (line.split() for line in done.stdout.splitlines())}


async def _all() -> dict[str, float]:
    async with System("bench") as system:
        tally = await system.start(Tally, 0, name="tally")
        return {
            "call": await _median(200_000, lambda count: _calls(tally, count)),
            "call_async_handler": await _median(50_000, lambda count: _async_calls(tally, count)),
            "call_by_name": await _median(100_000, lambda count: _named_calls(system, count)),
            "cast": await _median(200_000, lambda count: _casts(tally, count)),
            "start": await _median(20_000, lambda count: _starts(system, count)),
        }


async def _median(count: int, work: Callable[[int], Awaitable[None]]) -> float:
    await work(count // 10)
    times = []
    for _ in range(RUNS):
        gc.collect()
        started = time.perf_counter()
        await work(count)
        times.append(time.perf_counter() - started)
    return statistics.median(times) / count * 1e9


async def _calls(tally: Pid[Tally], count: int) -> None:
    for _ in range(count):
        await tally.call(Tally.add, 1)


async def _async_calls(tally: Pid[Tally], count: int) -> None:
    for _ in range(count):
        await tally.call(Tally.add_slowly, 1)


async def _named_calls(system: System, count: int) -> None:
    for _ in range(count):
        await system.named(Tally, "tally").call(Tally.add, 1)


async def _casts(tally: Pid[Tally], count: int) -> None:
    """Until handled: the last call comes behind all casts."""
    for _ in range(count // BURST):
        for _ in range(BURST):
            tally.cast(Tally.add, 1)
        await asyncio.sleep(0)
    await tally.call(Tally.add, 0)


async def _starts(system: System, count: int) -> None:
    pids = [await system.start(Tally, 0) for _ in range(count)]
    for pid in pids:
        pid.kill()


async def _idle_bytes(count: int = 100_000) -> float:
    async with System("bench") as system:
        gc.collect()
        tracemalloc.start()
        pids = [await system.start(Tally, 0) for _ in range(count)]
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        for pid in pids:
            pid.kill()
        return size / count
