"""The pipeline as processes: topology, restarts, rate, drain, introspection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence

import pytest

from headwater import (
    Batcher,
    BatchInfo,
    Delivery,
    Feed,
    IterableSource,
    Message,
    OrderedSource,
    Pid,
    Pipeline,
    Processors,
    RateLimit,
    Retry,
    Supervisor,
    System,
)
from headwater.errors import InvalidPipeline, PipelineDown, PipelineRunning, StartFailed
from headwater.pipeline.supervision import running_pipelines
from headwater.pipeline.topology import BatcherTopology, Topology
from headwater.runtime.exits import Exit
from headwater.runtime.process import Process
from headwater.telemetry import SpanEvent, SpanName
from headwater.testing.pipelines import ManualSource
from headwater.testing.simulation import simulate
from tests.pipeline.driving import Ledger, events, kill, names


class Rows(Pipeline[int]):
    """Notes when it handles what, in batches; may take its time."""

    processors = Processors(concurrency=2, max_demand=5)
    batchers: Mapping[str, Batcher] = {"rows": Batcher(size=4, timeout=60.0)}
    shutdown = 5.0

    def __init__(self, source: ManualSource[int] | IterableSource[int], system: System, seconds: float = 0.0) -> None:
        super().__init__(source)
        self.system = system
        self.seconds = seconds
        self.handled: list[tuple[int, float]] = []
        self.triggers: list[str] = []

    def handle_message(self, message: Message[int]) -> None:
        self.handled.append((message.data, self.system.clock.monotonic()))

    async def handle_batch(self, messages: list[Message[int]], batch: BatchInfo) -> None:
        self.triggers.append(batch.trigger)
        if self.seconds:
            await asyncio.sleep(self.seconds)


@pytest.mark.row("BW-15")
@pytest.mark.row("BW-01")
def test_the_topology_is_data_and_names_processes_that_can_be_found() -> None:
    async def scenario(system: System) -> None:
        pipeline = Rows(ManualSource(), system)
        await pipeline.start(system)
        assert pipeline.topology() == Topology(
            "Rows",
            ("Rows.source.0",),
            ("Rows.processor.0", "Rows.processor.1"),
            {"rows": BatcherTopology("Rows.batcher.rows", ("Rows.batch_processor.rows.0",))},
        )
        for name in ("Rows.source.0", "Rows.processor.1", "Rows.batcher.rows", "Rows.batch_processor.rows.0"):
            assert system.whereis(name) is not None
        assert running_pipelines(system) == [pipeline.topology()]
        await pipeline.stop()
        assert running_pipelines(system) == []
        assert system.whereis("Rows.source.0") is None

    simulate(scenario)


@pytest.mark.row("BW-15")
def test_an_application_may_name_the_processes_itself() -> None:
    class Mine(Rows):
        def process_name(self, role: str) -> str:
            return f"plant/{role}"

    async def scenario(system: System) -> None:
        await Mine(ManualSource(), system).start(system)
        assert system.whereis("plant/processor.1") is not None

    simulate(scenario)


@pytest.mark.row("BW-01")
@pytest.mark.row("BW-11")
def test_a_source_stage_comes_back_alone_and_the_others_all_together() -> None:
    async def scenario(system: System) -> None:
        source: ManualSource[int] = ManualSource()
        pipeline = Rows(source, system)
        await pipeline.start(system)
        await source.test_batch([1, 2])
        before = {name: system.whereis(name) for name in names(pipeline)}
        assert kill(system, "Rows.source.0")
        await source.test_batch([3])
        after = {name: system.whereis(name) for name in names(pipeline)}
        assert [name for name, pid in before.items() if pid != after[name]] == ["Rows.source.0"]
        assert source.opened == 2
        assert 0.1 <= system.clock.monotonic() < 0.2  # the processors have waited before they came back to it
        assert kill(system, "Rows.batch_processor.rows.0")
        await source.test_batch([4])
        last = {name: system.whereis(name) for name in names(pipeline)}
        assert [name for name, pid in last.items() if pid == after[name]] == ["Rows.source.0"]
        assert source.opened == 2

    simulate(scenario)


@pytest.mark.row("BW-01")
def test_more_restarts_than_it_bears_end_the_pipeline_and_its_supervisor_starts_it_anew() -> None:
    async def scenario(system: System) -> None:
        source: ManualSource[int] = ManualSource()
        pipeline = Rows(source, system)
        await system.start(Supervisor, [pipeline.child()])
        first = system.whereis("Rows")
        for _ in range(50):
            kill(system, "Rows.processor.0")
            await asyncio.sleep(0.01)
            if system.whereis("Rows") != first:
                break
        assert system.whereis("Rows") != first
        while not pipeline.running or system.whereis("Rows.batch_processor.rows.0") is None:
            await asyncio.sleep(0.01)
        assert (await source.test_batch([1])).successful == [1]

    simulate(scenario)


@pytest.mark.row("BW-09")
def test_the_rate_is_kept_by_all_sources_together_and_can_be_changed_while_it_runs() -> None:
    class Limited(Rows):
        rate_limit = RateLimit(10, 1.0)
        batchers: Mapping[str, Batcher] = {}

        def __init__(self, one: IterableSource[int], other: IterableSource[int], system: System) -> None:
            Pipeline.__init__(self, one, other)
            self.system = system
            self.handled = []

    async def scenario(system: System) -> None:
        pipeline = Limited(IterableSource(range(50)), IterableSource(range(50)), system)
        await pipeline.start(system)
        await asyncio.sleep(3.5)
        by_second = [sum(int(at) == second for _, at in pipeline.handled) for second in range(4)]
        assert by_second == [10, 10, 10, 10]
        pipeline.update_rate_limit(RateLimit(5, 10.0))
        await asyncio.sleep(9.0)
        assert len(pipeline.handled) == 45
        pipeline.update_rate_limit(None)
        await pipeline.finished()
        assert system.clock.monotonic() < 13.0
        assert len(pipeline.handled) == 100

    simulate(scenario)


@pytest.mark.row("BW-10")
def test_stopping_closes_open_batches_and_waits_until_everything_is_acknowledged() -> None:
    async def scenario(system: System) -> None:
        source: ManualSource[int] = ManualSource()
        pipeline = Rows(source, system, seconds=1.0)
        await pipeline.start(system)
        source.push(range(10))
        await asyncio.sleep(0.1)
        await pipeline.stop()
        assert source.unacknowledged == []
        assert "drain" in pipeline.triggers
        assert system.clock.monotonic() < 5.0  # the batch's own time would have been 60 s
        assert not pipeline.running

    for seed in range(10):
        simulate(scenario, seed=seed)


@pytest.mark.row("BW-10")
def test_what_takes_too_long_is_killed_and_given_again_at_the_next_start() -> None:
    async def scenario(system: System) -> None:
        source: ManualSource[int] = ManualSource()
        pipeline = Rows(source, system, seconds=1_000.0)
        await pipeline.start(system)
        push = source.push(range(10))
        await asyncio.sleep(0.1)
        stopped = system.clock.monotonic()
        await pipeline.stop()
        assert 5.0 <= system.clock.monotonic() - stopped < 5.5
        assert source.unacknowledged == list(range(10))
        pipeline.seconds = 0.0
        await pipeline.start(system)
        source.push([10, 11], flush=True)
        assert sorted((await source.outcome(push)).successful) == list(range(10))

    simulate(scenario)


@pytest.mark.row("BW-10")
def test_a_drain_ends_whatever_is_killed_meanwhile() -> None:
    async def scenario(system: System) -> None:
        pipeline = Ledger(IterableSource(events(5_000, keys=5)), slow=True)
        await pipeline.start(system)
        await asyncio.sleep(0.05)
        stop = asyncio.ensure_future(pipeline.stop())
        stages = names(pipeline)
        for _ in range(10):
            for _ in range(int(system.rng.random() * 30)):
                await asyncio.sleep(0)
            kill(system, stages[int(system.rng.random() * len(stages))])
        await asyncio.wait_for(stop, 100)
        assert pipeline.batched.gaps == []
        assert running_pipelines(system) == []

    for seed in range(20):
        simulate(scenario, seed=seed)


@pytest.mark.row("BW-10")
def test_closing_the_system_stops_the_pipeline_in_good_order() -> None:
    async def scenario(system: System) -> None:
        source: ManualSource[int] = ManualSource()
        async with System("inner", clock=system.clock, rng=system.rng) as inner:
            await Rows(source, inner, seconds=0.5).start(inner)
            source.push(range(3))
            await asyncio.sleep(0.1)
        assert source.unacknowledged == []

    simulate(scenario)


@pytest.mark.row("BW-14")
def test_spans_tell_of_all_that_happens() -> None:
    class Spanned(Pipeline[int]):
        processors = Processors(concurrency=1)
        batchers: Mapping[str, Batcher] = {"rows": Batcher(size=2, timeout=60.0)}
        retry = Retry(attempts=1)

        def handle_message(self, message: Message[int]) -> None:
            if message.data == 2:
                raise ValueError(message.data)

        async def handle_batch(self, messages: list[Message[int]], batch: BatchInfo) -> None:
            await asyncio.sleep(1.0)
            messages[0].fail("no")

        def handle_failed(self, messages: list[Message[int]]) -> None:
            if messages[0].data == 2:
                raise KeyError(messages[0].data)

    async def scenario(system: System) -> None:
        heard: list[SpanEvent] = []
        system.telemetry.attach(SpanName("headwater", "pipeline"), heard.append)
        source: ManualSource[int] = ManualSource()
        await Spanned(source).start(system)
        await source.outcome(source.push([1, 2, 3]))
        told = [(".".join(event.name[2:]), event.phase) for event in heard]
        assert told[0] == ("init", "start")
        assert told.count(("processor", "start")) == told.count(("processor", "stop")) >= 1
        assert told.count(("processor.message", "start")) == 3
        assert told.count(("processor.message", "stop")) == 2
        assert told.count(("processor.message", "exception")) == 1
        assert told.count(("batcher", "start")) == told.count(("batcher", "stop")) >= 1
        assert told.count(("batch_processor", "stop")) == 1
        assert told.count(("handle_failed", "start")) == 2
        assert told.count(("handle_failed", "stop")) == 1
        assert told.count(("handle_failed", "exception")) == 1
        assert ("acknowledge", "stop") in told
        [batch] = [event for event in heard if event.name[-1] == "batch_processor" and event.phase == "stop"]
        assert batch.duration == pytest.approx(1.0)
        assert batch.metadata == {
            "pipeline": "Spanned",
            "process": "BatchProcessor 'Spanned.batch_processor.rows.0'",
            "batcher": "rows",
            "count": 2,
            "trigger": "size",
            "failed": 1,
        }

    simulate(scenario)


class Journal(OrderedSource[int]):
    """A log that remembers up to where it was read."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.position = 0
        self.told: list[int] = []
        self.open_iterators = 0

    async def subscribe(self) -> AsyncIterator[int]:
        return self._read(self.position)

    async def _read(self, position: int) -> AsyncIterator[int]:
        self.open_iterators += 1
        try:
            for number in range(position + 1, self.count + 1):
                yield number
            await asyncio.Event().wait()
        finally:
            self.open_iterators -= 1

    async def acknowledge_up_to(self, item: int) -> None:
        self.told.append(item)
        self.position = item


@pytest.mark.row("BG-01")
@pytest.mark.row("BW-06")
def test_a_log_is_acknowledged_up_to_a_place_below_which_nothing_is_unhandled() -> None:
    class Numbers(Pipeline[int]):
        processors = Processors(concurrency=3, max_demand=4)
        max_restarts = 1_000

        def __init__(self, journal: Journal) -> None:
            super().__init__(journal)
            self.journal = journal
            self.handled: set[int] = set()

        async def handle_message(self, message: Message[int]) -> None:
            assert message.data > self.journal.position or message.data in self.handled
            await asyncio.sleep(message.data % 7 / 100)
            self.handled.add(message.data)

    async def scenario(system: System) -> None:
        journal = Journal(300)
        pipeline = Numbers(journal)
        await pipeline.start(system)
        for _ in range(10):
            await asyncio.sleep(system.rng.random() / 10)
            assert pipeline.handled >= set(range(1, journal.position + 1))
            kill(system, "Numbers.source.0" if system.rng.random() < 0.5 else "Numbers.processor.1")
        while journal.position < 300:
            await asyncio.sleep(0.1)
        assert pipeline.handled == set(range(1, 301))
        assert len(journal.told) < 300  # several at once
        await pipeline.stop()
        assert journal.open_iterators == 0

    for seed in range(10):
        simulate(scenario, seed=seed)


def test_a_pipeline_runs_once_at_a_time() -> None:
    async def scenario(system: System) -> None:
        pipeline = Rows(ManualSource(), system)
        with pytest.raises(PipelineDown, match="does not run"):
            await pipeline.stop()
        with pytest.raises(PipelineDown):
            pipeline.topology()
        top: Pid[object] = await pipeline.start(system)
        with pytest.raises(PipelineRunning, match="'Rows' runs already"):
            await pipeline.start(system)
        with pytest.raises(StartFailed):
            await system.start(Supervisor, [pipeline.child().override(name="again")])
        assert pipeline.running
        finished = asyncio.ensure_future(pipeline.finished())
        await asyncio.sleep(0)
        top.exit(Exit.KILL)
        with pytest.raises(PipelineDown, match="has ended before"):
            await finished
        await asyncio.sleep(10)
        assert [process for process in system.node.processes if isinstance(process, Process)] == []
        await pipeline.start(system)

    simulate(scenario)


class Nothing(Pipeline[int]):
    """Lacks its handlers."""


class NoBatches(Pipeline[int]):
    """Has a batcher, but doesn't handle batches."""

    batchers: Mapping[str, Batcher] = {"rows": Batcher()}

    def handle_message(self, message: Message[int]) -> None:
        pass


class TooBig(Rows):
    """Its batches would never be full."""

    max_unacknowledged = 3


class Strange(Rows):
    """One of its settings is a number."""

    def __init__(self, source: ManualSource[int], system: System, setting: str, value: object = 5) -> None:
        setattr(self, setting, value)
        super().__init__(source, system)


class Unbounded(Rows):
    """Allows nothing."""

    max_unacknowledged = 0


def test_what_is_put_together_wrongly_is_refused_with_what_would_be_right() -> None:
    source: ManualSource[int] = ManualSource()
    for make, message in (
        (lambda: Nothing(source), "Nothing needs a method handle_message"),
        (lambda: NoBatches(source), "NoBatches needs a method handle_batch"),
        (lambda: Nothing(), "has no source"),
        (lambda: Nothing("text"), "a source has a method `open`"),  # type: ignore[arg-type]
        (lambda: TooBig(source, _NOWHERE), "would never be full"),
        (lambda: Unbounded(source, _NOWHERE), "max_unacknowledged is a whole number, 1 or more, not 0"),
        (lambda: Strange(source, _NOWHERE, "processors"), "processors takes a Processors, not 5"),
        (lambda: Strange(source, _NOWHERE, "batchers"), "batchers takes a Mapping, not 5"),
        (lambda: Strange(source, _NOWHERE, "batchers", {"rows": 5}), "batcher 'rows' takes a Batcher, not 5"),
        (lambda: Strange(source, _NOWHERE, "retry"), "retry takes a Retry, not 5"),
        (lambda: Strange(source, _NOWHERE, "rate_limit"), "rate_limit takes a RateLimit, not 5"),
        (lambda: Strange(source, _NOWHERE, "max_restarts", "often"), "max_restarts is 0 or more, not 'often'"),
        (lambda: Processors(concurrency=0), "concurrency of processors is a whole number, 1 or more, not 0"),
        (lambda: Processors(max_demand=-1), "max_demand"),
        (lambda: Processors(max_demand=5, min_demand=5), "min_demand is from 0 to"),
        (lambda: Processors(min_demand="few"), "min_demand is from 0 to"),  # type: ignore[arg-type]
        (lambda: Retry(attempts=0), "attempts"),
        (lambda: RateLimit(0), "rate limit"),
        (lambda: RateLimit(5, -1.0), "interval of a rate limit is a positive number of seconds, not -1.0"),
        (lambda: IterableSource(5), "needs an iterable"),  # type: ignore[arg-type]
        (lambda: IterableSource([], prefetch=0), "at least 1"),
    ):
        with pytest.raises(InvalidPipeline, match=message):
            make()


_NOWHERE = System("nowhere")


class Silent(Feed[int]):
    """Gives one number, and hangs in whatever else it is asked for."""

    def __init__(self) -> None:
        self.given = False

    async def fetch(self, demand: int) -> Sequence[Delivery[int]]:
        if self.given:
            await asyncio.Event().wait()
        self.given = True
        return [Delivery(1)]

    async def acknowledge(
        self, reference: Hashable, successful: Sequence[Delivery[int]], failed: Sequence[Delivery[int]]
    ) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        await asyncio.Event().wait()


class SilentSource:
    """Where it comes from."""

    async def open(self) -> Feed[int]:
        return Silent()


@pytest.mark.row("BW-10")
def test_a_source_that_hangs_in_whatever_it_is_asked_for_cannot_keep_a_pipeline_from_ending() -> None:
    class Patient(Pipeline[int]):
        shutdown = 2.0

        def handle_message(self, message: Message[int]) -> None:
            pass

    async def scenario(system: System) -> None:
        pipeline = Patient(SilentSource())
        await pipeline.start(system)
        await asyncio.sleep(1.0)
        await pipeline.stop()
        assert system.clock.monotonic() <= 1.0 + 2.0 + 5.0

    simulate(scenario)
