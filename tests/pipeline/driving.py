"""Pipelines that tests drive."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping
from typing import TypeVar

from headwater import Batcher, BatchInfo, Message, Pipeline, Processors, Source, Supervisor, System
from headwater.runtime.exits import Exit
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process

Data = TypeVar("Data")

Event = tuple[str, int]
"""A key, and the number of the event among those of its key."""


def events(count: int, keys: int, hot: float = 0.0) -> list[Event]:
    """Events of so many keys; a part of them of the hot one."""
    counts: dict[str, int] = {}
    made = []
    for number in range(count):
        key = "hot" if number % 100 < hot * 100 else f"key {number % keys}"
        made.append((key, counts.setdefault(key, 0)))
        counts[key] += 1
    return made


class Progress:
    """How far the events of each key were handled.

    Attributes:
        gaps: events that were handled although one before them never was.
        falls: by key, how often it began again at an event that had been handled before.
    """

    def __init__(self) -> None:
        self.gaps: list[str] = []
        self.falls: dict[str, int] = {}
        self._furthest: dict[str, int] = {}
        self._last: dict[str, int] = {}

    def advance(self, event: Event) -> None:
        key, number = event
        furthest = self._furthest.get(key, -1)
        if number > furthest + 1:
            self.gaps.append(f"{event} was handled after {furthest}")
        self._furthest[key] = max(furthest, number)
        self.falls[key] = self.falls.get(key, 0) + (number <= self._last.get(key, -1))
        self._last[key] = number


class Ledger(Pipeline[Event]):
    """Notes what it handles, in order per key, in batches or without."""

    processors = Processors(concurrency=3, max_demand=20)
    batchers: Mapping[str, Batcher] = {"default": Batcher(size=10, timeout=0.5, concurrency=2)}
    max_unacknowledged = 500
    max_restarts = 1_000_000
    resubscribe_interval = 0.01

    def __init__(self, *sources: Source[Event], slow: bool = False, slow_batches: bool = False) -> None:
        super().__init__(*sources)
        self.slow = slow
        self.seconds = 0.0  # how long a slow one takes at least for some messages
        self.slow_batches = slow or slow_batches
        self.seen = Progress()
        self.batched = Progress()
        self.times: dict[Event, int] = {}
        self.handled = 0  # how many messages, those included that were given again

    def partition_by(self, data: Event) -> Hashable:
        return data[0]

    def handle_message(self, message: Message[Event]) -> object:
        if self.slow:
            return self._handle_slowly(message)
        self._handle(message)
        return None

    def handle_batch(self, messages: list[Message[Event]], batch: BatchInfo) -> object:
        if self.slow_batches:
            return self._batch_slowly(messages)
        self._batch(messages)
        return None

    async def _handle_slowly(self, message: Message[Event]) -> None:
        await asyncio.sleep(self.seconds * (message.data[1] % 3))
        self._handle(message)

    async def _batch_slowly(self, messages: list[Message[Event]]) -> None:
        await asyncio.sleep(0.001)
        self._batch(messages)

    def _handle(self, message: Message[Event]) -> None:
        self.seen.advance(message.data)
        self.handled += 1

    def _batch(self, messages: list[Message[Event]]) -> None:
        for message in messages:
            self.batched.advance(message.data)
            self.times[message.data] = self.times.get(message.data, 0) + 1


def names(pipeline: Pipeline[Data]) -> list[str]:
    """The names of all its stages."""
    topology = pipeline.topology()
    found = [*topology.sources, *topology.processors]
    for batcher in topology.batchers.values():
        found += [batcher.batcher, *batcher.processors]
    return found


def kill(system: System, name: str) -> bool:
    """Kill a process, if it lives."""
    pid = system.whereis(name)
    if pid is not None:
        Pid[object](pid.process).exit(Exit.KILL)
    return pid is not None


async def torment(system: System, pipeline: Pipeline[Data], kills: int) -> int:
    """Kill stages at random steps. Returns how many were alive."""
    killed = 0
    for _ in range(kills):
        if system.rng.random() < 0.5:
            await asyncio.sleep(system.rng.random() * 0.05)
        for _ in range(int(system.rng.random() * 50)):
            await asyncio.sleep(0)
        if system.rng.random() < 0.9:
            stages = names(pipeline)
            killed += kill(system, stages[int(system.rng.random() * len(stages))])
        elif supervisors := _supervisors(system):
            supervisors[int(system.rng.random() * len(supervisors))].kill()
            killed += 1
    return killed


def _supervisors(system: System) -> list[Pid[object]]:
    """All supervisors but the one at the top."""
    processes = [process for process in system.node.processes if isinstance(process, Process)]
    return [Pid(process) for process in processes if type(process.server) is Supervisor]
