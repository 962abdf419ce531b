"""Stages: events a second from a producer to a consumer. No peer: GenStage was measured once, see the design."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence

import uvloop

from bench import pipeline
from bench.result import Result
from headwater import Consumer, Producer, StageSubscription, System, subscribe

RUNS = 5
EVENTS = 10_000_000
MAX_DEMAND = 1_000


class Numbers(Producer[int]):
    """Gives as many numbers as are asked for."""

    def init(self) -> None:
        self.numbers = list(range(MAX_DEMAND))

    def handle_demand(self, demand: int) -> Sequence[int]:
        return self.numbers[:demand]


class Counter(Consumer[int]):
    """Counts them, until there are enough."""

    def init(self, enough: asyncio.Future[None]) -> None:
        self.left = EVENTS
        self.enough = enough

    def handle_events(self, events: list[int], source: StageSubscription) -> None:
        self.left -= len(events)
        if self.left <= 0 and not self.enough.done():
            self.enough.set_result(None)
            source.cancel()


def run() -> list[Result]:
    return [
        Result(f"stages.{name}", None, uvloop.run(_median(measure)), None, "events/s", None, "none")
        for name, measure in MEASURES.items()
    ]


async def producer_consumer() -> float:
    """Events a second, with the default demand."""
    async with System("bench") as system:
        enough: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        numbers, counter = await system.start(Numbers), await system.start(Counter, enough)
        started = time.perf_counter()
        await subscribe(counter, numbers, max_demand=MAX_DEMAND)
        await enough
        return EVENTS / (time.perf_counter() - started)


MEASURES: dict[str, Callable[[], Awaitable[float]]] = {
    "producer_consumer": producer_consumer,
    "pipeline": pipeline.unordered,
    "pipeline_by_key": pipeline.by_key,
}
"""By name."""


async def _median(measure: Callable[[], Awaitable[float]]) -> float:
    rates = []
    for _ in range(RUNS + 1):
        gc.collect()
        rates.append(await measure())
    return statistics.median(rates[1:])  # the first is for warming up
