"""Pipelines: messages a second through two processors and a batcher of 100, all acknowledged."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping

from headwater import Batcher, BatchInfo, IterableSource, Message, Pipeline, Processors, System

MESSAGES = 300_000
KEYS = 100


class Sums(Pipeline[int]):
    """Adds up numbers, in batches."""

    processors = Processors(concurrency=2, max_demand=1_000)
    batchers: Mapping[str, Batcher] = {"sums": Batcher(size=100)}

    def __init__(self, source: IterableSource[int]) -> None:
        super().__init__(source)
        self.total = 0

    def handle_message(self, message: Message[int]) -> None:
        message.data += 1

    def handle_batch(self, messages: list[Message[int]], batch: BatchInfo) -> None:
        self.total += sum(message.data for message in messages)


class SumsByKey(Sums):
    """The same in order per key."""

    def partition_by(self, data: int) -> Hashable:
        return data % KEYS


async def unordered() -> float:
    """Messages a second, from the start until all are acknowledged."""
    return await _rate(Sums)


async def by_key() -> float:
    """The same in order per key, with 100 keys."""
    return await _rate(SumsByKey)


async def _rate(kind: type[Sums]) -> float:
    async with System("bench") as system:
        pipeline = kind(IterableSource(range(MESSAGES)))
        started = time.perf_counter()
        await pipeline.start(system)
        await pipeline.finished()
        seconds = time.perf_counter() - started
        assert pipeline.total == sum(range(1, MESSAGES + 1))
        await pipeline.stop()
        return MESSAGES / seconds
