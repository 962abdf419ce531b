"""How messages go through: processors, batchers, acknowledgements."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Hashable, Iterator, Mapping, Sequence

import pytest

from headwater import (
    Batcher,
    BatchInfo,
    Delivery,
    Feed,
    IterableSource,
    Message,
    Pipeline,
    Processors,
    System,
)
from headwater.errors import InvalidAcknowledgement, MessageAlreadyAcknowledged
from headwater.testing.pipelines import ManualSource, Outcome
from headwater.testing.simulation import simulate


class Doubling(Pipeline[int]):
    """Doubles numbers and notes the batches; odd ones go to another batcher."""

    processors = Processors(concurrency=2, max_demand=4)
    batchers: Mapping[str, Batcher] = {"even": Batcher(size=3, timeout=0.5), "odd": Batcher(size=2, timeout=2.0)}

    def __init__(self, source: ManualSource[int]) -> None:
        super().__init__(source)
        self.batches: list[tuple[str, Hashable, str, list[int]]] = []
        self.prepared: list[list[int]] = []

    def prepare_messages(self, messages: list[Message[int]]) -> None:
        self.prepared.append([message.data for message in messages])

    def handle_message(self, message: Message[int]) -> None:
        message.batcher = "odd" if message.data % 2 else "even"
        message.batch_key = message.data // 100
        message.data *= 2

    def handle_batch(self, messages: list[Message[int]], batch: BatchInfo) -> None:
        self.batches.append((batch.batcher, batch.key, batch.trigger, sorted(message.data for message in messages)))


class Plain(Pipeline[int]):
    """Without batchers: notes what it handles."""

    def __init__(self, *sources: ManualSource[int] | IterableSource[int]) -> None:
        super().__init__(*sources)
        self.handled: list[int] = []

    def handle_message(self, message: Message[int]) -> object:
        self.handled.append(message.data)
        return None


@pytest.mark.row("BW-03")
@pytest.mark.row("BW-04")
def test_messages_are_prepared_together_handled_alone_and_put_into_batches_by_batcher_and_key() -> None:
    async def scenario(system: System) -> None:
        source: ManualSource[int] = ManualSource()
        pipeline = Doubling(source)
        await pipeline.start(system)
        push = source.push([0, 2, 4, 1, 3, 102, 5])
        assert sorted((await source.outcome(push)).successful) == [0, 1, 2, 3, 4, 5, 102]
        assert 2.0 <= system.clock.monotonic() < 2.1  # the last one was alone in its batch
        assert sorted(number for numbers in pipeline.prepared for number in numbers) == [0, 1, 2, 3, 4, 5, 102]
        assert max(len(numbers) for numbers in pipeline.prepared) > 1
        ended = [(batcher, key, trigger) for batcher, key, trigger, _ in pipeline.batches]
        assert ended.count(("even", 0, "size")) == 1
        assert ended.count(("even", 1, "timeout")) == 1
        assert ended.count(("odd", 0, "size")) == 1
        assert ended.count(("odd", 0, "timeout")) == 1
        assert ("even", 0, "size", [0, 4, 8]) in pipeline.batches
        assert ("even", 1, "timeout", [204]) in pipeline.batches

    simulate(scenario, seed=1)


@pytest.mark.row("BW-05")
@pytest.mark.row("BW-13")
def test_a_message_that_asks_for_it_closes_its_batch_at_once() -> None:
    async def scenario(system: System) -> None:
        source: ManualSource[int] = ManualSource()
        pipeline = Doubling(source)
        await pipeline.start(system)
        assert await source.test_message(7) == Outcome([7], [])
        assert await source.test_batch([2]) == Outcome([2], [])
        assert system.clock.monotonic() == 0.0
        assert [trigger for _, _, trigger, _ in pipeline.batches] == ["flush", "flush"]
        assert await source.test_batch([]) == Outcome([], [])

    simulate(scenario)


@pytest.mark.row("BW-06")
def test_without_batchers_messages_are_acknowledged_after_the_processor_grouped_by_reference() -> None:
    async def scenario(system: System) -> None:
        source: ManualSource[int] = ManualSource()
        pipeline = Plain(source)
        await pipeline.start(system)
        pushes = [source.push([1, 2, 3]), source.push([4, 5])]
        outcomes = [await source.outcome(push) for push in pushes]
        assert [sorted(outcome.successful) for outcome in outcomes] == [[1, 2, 3], [4, 5]]
        assert {reference for reference, _ in source.acknowledgements} == set(pushes)
        for reference, outcome in source.acknowledgements:
            assert set(outcome.successful) <= ({1, 2, 3} if reference == pushes[0] else {4, 5})

    simulate(scenario)


@pytest.mark.row("BW-02")
def test_several_sources_feed_one_pipeline_and_each_hears_of_its_own() -> None:
    async def scenario(system: System) -> None:
        one, other = ManualSource[int](), ManualSource[int]()
        pipeline = Plain(one, other)
        await pipeline.start(system)
        mine, theirs = one.push([1, 2]), other.push([3])
        assert sorted((await one.outcome(mine)).successful) == [1, 2]
        assert await other.outcome(theirs) == Outcome([3], [])
        one.finish()
        other.finish()
        await pipeline.finished()

    simulate(scenario)


class Early(Pipeline[int]):
    """Acknowledges in `handle_message`, and never gets through `handle_batch`."""

    batchers: Mapping[str, Batcher] = {"default": Batcher(size=1)}

    def __init__(self, source: ManualSource[int]) -> None:
        super().__init__(source)
        self.twice: Exception | None = None
        self.hang = asyncio.Event()

    def handle_message(self, message: Message[int]) -> None:
        message.acknowledge()
        try:
            message.acknowledge()
        except MessageAlreadyAcknowledged as error:
            self.twice = error

    async def handle_batch(self, messages: list[Message[int]], batch: BatchInfo) -> None:
        await self.hang.wait()


@pytest.mark.row("BW-06")
def test_a_message_can_be_acknowledged_before_its_batch_and_only_once() -> None:
    async def scenario(system: System) -> None:
        source: ManualSource[int] = ManualSource()
        pipeline = Early(source)
        await pipeline.start(system)
        assert await source.outcome(source.push([1])) == Outcome([1], [])
        assert isinstance(pipeline.twice, MessageAlreadyAcknowledged)
        pipeline.hang.set()
        await pipeline.stop()
        assert len(source.acknowledgements) == 1

    simulate(scenario)


class Receipts(Feed[int]):
    """Numbers whose acknowledgement can be configured, and can fail."""

    def __init__(self, log: list[object]) -> None:
        self.log = log
        self.given = 0

    async def fetch(self, demand: int) -> Sequence[Delivery[int]]:
        if self.given == 6:
            return []
        self.given += 1
        return [Delivery(self.given, "requeue", "even" if self.given % 2 == 0 else "odd", {"n": self.given})]

    async def acknowledge(
        self, reference: Hashable, successful: Sequence[Delivery[int]], failed: Sequence[Delivery[int]]
    ) -> None:
        if any(delivery.item == 3 for delivery in successful):
            raise OSError("the broker is away")
        self.log += [(reference, delivery.item, delivery.token) for delivery in successful]

    def configure(self, delivery: Delivery[int], options: Mapping[str, object]) -> Delivery[int]:
        if set(options) != {"on_failure"}:
            return super().configure(delivery, options)
        return Delivery(delivery.item, options["on_failure"], delivery.reference, delivery.metadata)

    async def close(self) -> None:
        self.log.append("closed")


class Broker:
    """Where they come from."""

    def __init__(self) -> None:
        self.log: list[object] = []

    async def open(self) -> Feed[int]:
        return Receipts(self.log)


class Configuring(Pipeline[int]):
    """Configures the acknowledgement of the even ones."""

    def __init__(self, source: Broker) -> None:
        super().__init__(source)
        self.refused = 0

    def handle_message(self, message: Message[int]) -> None:
        assert message.metadata == {"n": message.data}
        if message.data % 2 == 0:
            message.configure_ack(on_failure="discard")
        try:
            message.configure_ack(colour="red")
        except InvalidAcknowledgement:
            self.refused += 1


@pytest.mark.row("BW-06")
def test_acknowledgements_can_be_configured_and_one_that_raises_is_logged_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario(system: System) -> None:
        broker = Broker()
        pipeline = Configuring(broker)
        await pipeline.start(system)
        source = system.whereis("Configuring.source.0")
        await pipeline.finished()
        assert source == system.whereis("Configuring.source.0")  # it lives
        assert pipeline.refused == 6
        told = [("odd", n, "requeue") if n % 2 else ("even", n, "discard") for n in (1, 2, 4, 5, 6)]
        assert sorted(broker.log, key=str) == sorted(told, key=str)
        await pipeline.stop()
        assert broker.log[-1] == "closed"
        assert broker.log.count("closed") == 1

    with caplog.at_level(logging.ERROR, "headwater.pipeline"):
        simulate(scenario)
    assert "could not acknowledge 1 messages" in caplog.text


class Slow(Plain):
    """Takes a second for each."""

    processors = Processors(concurrency=1)

    async def handle_message(self, message: Message[int]) -> None:
        await asyncio.sleep(1.0)


@pytest.mark.row("BW-06")
def test_what_a_slow_handler_has_handled_does_not_wait_for_what_it_got_together_with_it() -> None:
    async def scenario(system: System) -> None:
        source: ManualSource[int] = ManualSource()
        await Slow(source).start(system)
        source.push(range(10))
        await asyncio.sleep(3.5)
        assert source.unacknowledged == list(range(3, 10))

    simulate(scenario)


class Blocking(Pipeline[int]):
    """Waits with everything that it gets."""

    processors = Processors(concurrency=3, max_demand=5)
    max_unacknowledged = 20
    batchers: Mapping[str, Batcher] = {"default": Batcher(size=7, timeout=0.5)}

    def __init__(self, source: IterableSource[int], gate: asyncio.Event) -> None:
        super().__init__(source)
        self.gate = gate

    def handle_message(self, message: Message[int]) -> None:
        pass

    async def handle_batch(self, messages: list[Message[int]], batch: BatchInfo) -> None:
        await self.gate.wait()


@pytest.mark.row("BW-12")
def test_no_more_is_read_than_may_be_unacknowledged_however_slow_it_is() -> None:
    async def scenario(system: System) -> None:
        read = 0

        def numbers() -> Iterator[int]:
            nonlocal read
            for number in range(100):
                read += 1
                yield number

        source: IterableSource[int] = IterableSource(numbers())
        gate = asyncio.Event()
        pipeline = Blocking(source, gate)
        await pipeline.start(system)
        await asyncio.sleep(100)
        assert read == len(source.unacknowledged) == 20
        gate.set()
        await pipeline.finished()
        assert read == 100

    simulate(scenario)


@pytest.mark.row("BW-02")
def test_an_async_iterable_is_read_ahead_as_far_as_allowed_and_its_error_ends_the_source_stage() -> None:
    async def scenario(system: System) -> None:
        read: list[int] = []

        async def numbers() -> AsyncIterator[int]:
            for number in range(30):
                await asyncio.sleep(0.1)
                read.append(number)
                yield number
            raise OSError("the line is dead")

        source: IterableSource[int] = IterableSource(numbers(), prefetch=5)
        pipeline = Plain(source)
        await pipeline.start(system)
        await asyncio.sleep(1.05)
        assert sorted(pipeline.handled) == list(range(10))
        while pipeline.running:
            await asyncio.sleep(0.1)
        assert sorted(pipeline.handled) == list(range(30))
        assert source.unacknowledged == []

    simulate(scenario)
