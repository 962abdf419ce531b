"""Nothing is lost, and the order of each key is kept, whatever stage is killed, and whenever."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress

import pytest

from headwater import (
    Backoff,
    Batcher,
    BatchInfo,
    IterableSource,
    Message,
    Pipeline,
    Processors,
    Retry,
    System,
)
from headwater.clock import Rng
from headwater.pipeline.fair_queue import FairQueue
from headwater.pipeline.source_stage import SourceStage
from headwater.testing.pipelines import ManualSource
from headwater.testing.simulation import explore, simulate
from tests.pipeline.driving import Event, Ledger, events, kill, torment


def lanes(system: System, pipeline: Pipeline[Event]) -> int:
    """For how many keys the source stages keep something."""
    queues = []
    for name in pipeline.topology().sources:
        pid = system.whereis(name)
        assert pid is not None
        stage = pid.process.server
        assert isinstance(stage, SourceStage)
        assert not stage._kept
        queues.append(stage._dispatcher._queue)
    return sum(len(queue._lanes) for queue in queues if isinstance(queue, FairQueue))


async def survive(system: System, pipeline: Ledger, source: IterableSource[Event], kills: int) -> None:
    """Kill stages, and see that nothing is lost, nothing is out of order, and the drain ends."""
    await pipeline.start(system)
    killed = await torment(system, pipeline, kills)
    assert killed > kills // 4
    await asyncio.wait_for(pipeline.finished(), 10_000)
    for progress in (pipeline.seen, pipeline.batched):
        assert progress.gaps == []
        assert max(progress.falls.values()) <= killed  # what was under way at a kill comes before what is given again
    assert lanes(system, pipeline) == 0
    assert source.unacknowledged == []
    await pipeline.stop()
    assert not pipeline.running


@pytest.mark.row("BG-01")
@pytest.mark.row("BW-08")
@pytest.mark.row("BW-12")
@pytest.mark.parametrize("slow", [True, False])
def test_whatever_is_killed_each_event_is_handled_at_least_once_in_the_order_of_its_key(slow: bool) -> None:
    async def scenario(system: System) -> None:
        made = events(600, keys=17, hot=0.3)
        source = IterableSource(made)
        pipeline = Ledger(source, slow=slow)
        await survive(system, pipeline, source, kills=12)
        assert set(pipeline.times) == set(made)

    assert explore(scenario, seeds=range(25)) == 25


@pytest.mark.row("BG-01")
@pytest.mark.timeout(120)
def test_a_hundred_thousand_events_survive_a_hundred_kills() -> None:
    async def scenario(system: System) -> None:
        made = events(100_000, keys=17, hot=0.3)
        source = IterableSource(made)
        pipeline = Ledger(source, slow_batches=True)
        await survive(system, pipeline, source, kills=100)
        assert set(pipeline.times) == set(made)
        assert pipeline.handled > 101_000  # many were given again

    simulate(scenario, seed=4, steps=20_000_000)


class Flaky(Ledger):
    """Two batchers; now and then it raises."""

    batchers: Mapping[str, Batcher] = {
        "a": Batcher(size=10, timeout=0.5, concurrency=2),
        "b": Batcher(size=3, timeout=0.1, concurrency=3),
    }
    retry = Retry(attempts=1_000, backoff=Backoff(0.01, 0.1))

    def __init__(self, *sources: IterableSource[Event], rng: Rng) -> None:
        super().__init__(*sources)
        self.rng = rng
        self.raised = 0

    def handle_message(self, message: Message[Event]) -> object:
        message.batcher = "b" if message.key == "hot" else "a"
        self._raise_sometimes(0.02)
        return super().handle_message(message)

    def handle_batch(self, messages: list[Message[Event]], batch: BatchInfo) -> object:
        self._raise_sometimes(0.1)
        return super().handle_batch(messages, batch)

    def _raise_sometimes(self, chance: float) -> None:
        if self.rng.random() < chance:
            self.raised += 1
            raise OSError("not now")


@pytest.mark.row("BG-01")
@pytest.mark.row("BG-02")
@pytest.mark.row("BW-08")
def test_order_and_completeness_hold_also_while_handlers_raise_and_stages_are_killed() -> None:
    async def scenario(system: System) -> None:
        made = events(600, keys=17, hot=0.3)
        one = [event for event in made if event[0] < "key 5"]
        other = [event for event in made if event[0] >= "key 5"]
        pipeline = Flaky(IterableSource(one), IterableSource(other), rng=system.rng)
        await pipeline.start(system)
        await torment(system, pipeline, 8)
        await pipeline.finished()
        assert pipeline.raised > 5
        assert set(pipeline.times) == set(made)
        assert pipeline.seen.gaps == []
        assert pipeline.batched.gaps == []
        assert lanes(system, pipeline) == 0
        await pipeline.stop()

    explore(scenario, seeds=[*range(25), 1170])  # that one once met a processor that had died before it was subscribed


class Stubborn(Pipeline[int]):
    """Its first batch goes on when it is killed."""

    batchers: Mapping[str, Batcher] = {"default": Batcher(size=1)}

    def __init__(self, source: ManualSource[int]) -> None:
        super().__init__(source)
        self.handled: list[int] = []
        self.ghosts: list[asyncio.Future[None]] = []

    def handle_message(self, message: Message[int]) -> None:
        pass

    async def handle_batch(self, messages: list[Message[int]], batch: BatchInfo) -> None:
        if not self.ghosts:
            self.ghosts.append(asyncio.get_running_loop().create_future())
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(1_000)
            await self.ghosts[0]
        self.handled.append(messages[0].data)


@pytest.mark.row("BG-01")
def test_a_handler_that_goes_on_after_its_process_was_killed_acknowledges_nothing() -> None:
    async def scenario(system: System) -> None:
        source: ManualSource[int] = ManualSource()
        pipeline = Stubborn(source)
        await pipeline.start(system)
        source.push([1])
        while not pipeline.ghosts:
            await asyncio.sleep(0)
        source_stage = system.whereis("Stubborn.source.0")
        assert source_stage is not None
        await asyncio.sleep(0.01)
        kill(system, "Stubborn.processor.0")
        source_stage.process.suspend()  # so that the message isn't given again yet
        pipeline.ghosts[0].set_result(None)
        await asyncio.sleep(0.01)
        source_stage.process.resume()
        await asyncio.sleep(0.5)
        assert pipeline.handled == [1, 1]
        assert source.unacknowledged == []

    simulate(scenario)


@pytest.mark.row("BW-08")
@pytest.mark.row("BW-11")
def test_what_a_dead_source_stage_had_given_is_over_before_any_of_it_is_given_again() -> None:
    async def scenario(system: System) -> None:
        pipeline = Ledger(IterableSource(events(150, keys=3)), slow=True)
        pipeline.seconds = 0.02
        await pipeline.start(system)
        await asyncio.sleep(0.5 * system.rng.random())
        for _ in range(int(system.rng.random() * 200)):
            await asyncio.sleep(0)
        kill(system, "Ledger.source.0")
        await pipeline.finished()
        for progress in (pipeline.seen, pipeline.batched):
            assert progress.gaps == []
            assert max(progress.falls.values()) <= 1

    explore(scenario, seeds=range(30))


class Careful(Pipeline[int]):
    """Counts how often it handles what; the first is slow, alone or in its batch."""

    processors = Processors(concurrency=1, max_demand=4, min_demand=2)
    batchers: Mapping[str, Batcher] = {"default": Batcher(size=2, timeout=0.1)}

    def __init__(self, source: IterableSource[int], slow: str) -> None:
        super().__init__(source)
        self.slow = slow
        self.counts = {"message": Counter[int](), "batch": Counter[int]()}

    async def handle_message(self, message: Message[int]) -> None:
        self.counts["message"][message.data] += 1
        if self.slow == "message":
            await asyncio.sleep(1.0)

    async def handle_batch(self, messages: list[Message[int]], batch: BatchInfo) -> None:
        self.counts["batch"].update(message.data for message in messages)
        if self.slow == "batch":
            await asyncio.sleep(1.0)


@pytest.mark.row("BW-11")
@pytest.mark.parametrize("slow", ["message", "batch"])
def test_what_a_dead_source_stage_had_given_and_nobody_has_begun_with_is_dropped(slow: str) -> None:
    async def scenario(system: System) -> None:
        pipeline = Careful(IterableSource(range(8)), slow)
        await pipeline.start(system)
        await asyncio.sleep(0.5)
        begun = set(pipeline.counts[slow])
        assert begun == ({0} if slow == "message" else {0, 1})
        kill(system, "Careful.source.0")
        await pipeline.finished()
        assert {number for number, count in pipeline.counts["batch"].items() if count != 1} <= begun
        assert {number for number, count in pipeline.counts[slow].items() if count != 1} <= {0, 1}

    simulate(scenario)


class Hesitant(Pipeline[int]):
    """Its first batch never ends by itself."""

    processors = Processors(concurrency=1, max_demand=2, min_demand=1)
    batchers: Mapping[str, Batcher] = {"default": Batcher(size=2, timeout=0.01)}

    def __init__(self, source: ManualSource[int]) -> None:
        super().__init__(source)
        self.begun = asyncio.Event()

    def handle_message(self, message: Message[int]) -> None:
        pass

    async def handle_batch(self, messages: list[Message[int]], batch: BatchInfo) -> None:
        if not self.begun.is_set():
            self.begun.set()
            await asyncio.Event().wait()


@pytest.mark.row("BG-01")
def test_what_a_killed_processor_had_asked_for_is_not_owed_to_it_for_ever() -> None:
    async def scenario(system: System) -> None:
        source: ManualSource[int] = ManualSource()
        pipeline = Hesitant(source)
        await pipeline.start(system)
        pushed = source.push([1, 2])  # the last ones: nothing that is fetched later sets anything going
        await pipeline.begun.wait()
        await asyncio.sleep(1)  # the processor has asked for as much again as it may
        assert kill(system, pipeline.topology().batchers["default"].processors[0])
        assert sorted((await source.outcome(pushed)).successful) == [1, 2]
        await pipeline.stop()

    assert explore(scenario, seeds=range(10)) == 10
