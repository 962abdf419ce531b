"""A million idle processes, in a Python process of their own: `python -m bench.million` prints how that went."""

from __future__ import annotations

import resource
import subprocess
import sys
import time

import msgspec
import uvloop

from bench.result import Result
from headwater import GenServer, System

COUNT = 1_000_000
MOST = 4 * 1024**3
"""Bytes of memory that it may take."""


class Idle(GenServer):
    """A server with as much state as that of the other benchmarks."""

    def init(self, total: int) -> None:
        self.total = total


class Figures(msgspec.Struct):
    """Seconds until all had started, seconds until the system had ended them all, and the most memory meanwhile."""

    start: float
    stop: float
    peak: int


def run() -> list[Result]:
    """Measure it in a fresh Python process, so that the memory is its own."""
    done = subprocess.run([sys.executable, "-m", "bench.million"], capture_output=True, check=True, timeout=600)
    figures = msgspec.json.decode(done.stdout, type=Figures)
    return [
        Result("runtime.million_start", None, figures.start, None, "s", None, "none"),
        Result("runtime.million_stop", None, figures.stop, None, "s", None, "none"),
        Result("runtime.million_peak", "limit", figures.peak, MOST, "bytes", MOST / figures.peak, "none"),
    ]


async def measure(count: int) -> Figures:
    started = time.perf_counter()
    async with System("bench") as system:
        for number in range(count):
            await system.start(Idle, number)
        all_started = time.perf_counter()
    ended = time.perf_counter()
    return Figures(all_started - started, ended - all_started, peak_memory())


def peak_memory() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # in bytes there, elsewhere in kilobytes


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(measure(COUNT))))
