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

from bench import million
from bench.peers import figures
from bench.result import Result
from headwater import GenServer, Pid, System

RUNS = 5
BURST = 250
"""Casts between two turns of the event loop: about as many as a process handles in one turn."""

_SCRIPT = Path(__file__).parent / "peers" / "processes.exs"


class Tally(GenServer):
    """The same server as the peer's."""

    def init(self, total: int) -> None:
        self.total = total

    def add(self, number: int) -> int:
        self.total += number
        return self.total

    def note(self, number: int) -> None:
        self.total += number

    async def add_slowly(self, number: int) -> int:
        self.total += number
        return self.total


def run() -> list[Result]:
    beam, pykka = _beam(), figures("actors.py")
    if not beam:
        sys.stdout.write(
            "runtime: elixir is not installed (Debian's package `elixir`); the BEAM's figures are missing\n"
        )
    ours = uvloop.run(_all())
    ours["idle_bytes"] = uvloop.run(_idle_bytes())
    units = dict.fromkeys(ours, "ns") | {"idle_bytes": "bytes"}
    results = [
        _result(name, value, "beam" if name in _COMPARED else None, beam.get(name), units[name])
        for name, value in ours.items()
    ]
    results += [_result(f"{name}_pykka", ours[name], "pykka", pykka.get(name), "ns") for name in ("call", "cast")]
    return results + million.run()


_COMPARED = ("call", "cast", "start", "idle_bytes")


def _result(name: str, ours: float, peer: str | None, peers: float | None, unit: str) -> Result:
    return Result(f"runtime.{name}", peer, ours, peers, unit, None if peers is None else peers / ours, "none")


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
            "call_p99_among_10000": await _call_p99_among(system, 10_000),
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
            tally.cast(Tally.note, 1)
        await asyncio.sleep(0)
    await tally.call(Tally.add, 0)


async def _starts(system: System, count: int) -> None:
    pids = [await system.start(Tally, 0) for _ in range(count)]
    for pid in pids:
        pid.kill()


async def _call_p99_among(system: System, count: int) -> float:
    """The 99th percentile of a call while so many other processes always have something to do."""
    stop = asyncio.Event()
    pids = [await system.start(Tally, 0) for _ in range(count)]

    async def keep_busy() -> None:
        while not stop.is_set():
            for pid in pids:
                pid.cast(Tally.add, 1)
            await asyncio.sleep(0)

    load = asyncio.create_task(keep_busy())
    tally = await system.start(Tally, 0)
    times = []
    for _ in range(300):
        await asyncio.sleep(0)
        tally.cast(Tally.add, 1)  # so that the call has to queue behind it
        started = time.perf_counter()
        await tally.call(Tally.add, 1)
        times.append(time.perf_counter() - started)
    stop.set()
    await load
    for pid in pids:
        pid.kill()
    return sorted(times)[len(times) * 99 // 100] * 1e9


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
