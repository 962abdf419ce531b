"""Streams of tasks: order, bounds, and what a failure does."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import System
from headwater.errors import DeadlineExceeded, DefinitionError, ProcessDown
from headwater.runtime.task_outcome import Ended, Returned
from headwater.testing.clock import VirtualClock

from .driving import run, settle
from .owners import Gate, Owner, start_tasks, triple


class Load:
    """Counts how many run at the same time, and how far the items were taken."""

    def __init__(self) -> None:
        self.running = self.peak = self.taken = 0

    def items(self, count: int) -> Iterator[int]:
        for number in range(count):
            self.taken += 1
            yield number

    async def work(self, number: int) -> int:
        self.running += 1
        self.peak = max(self.peak, self.running)
        for _ in range(number % 5 + 1):
            await asyncio.sleep(0)
        self.running -= 1
        return number


@pytest.mark.row("TS-05")
def test_a_stream_gives_results_in_order_with_bounded_concurrency() -> None:
    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        load = Load()
        results = [result async for result in tasks.stream(load.items(100), load.work, max_concurrency=7)]
        assert results == list(range(100))
        assert load.peak == 7

    run(scenario)


@pytest.mark.row("TS-05")
@settings(max_examples=40, deadline=None)
@given(
    turns=st.lists(st.integers(0, 6), max_size=25),
    concurrency=st.integers(1, 8),
    ordered=st.booleans(),
)
def test_a_stream_loses_and_doubles_nothing_in_any_schedule(turns: list[int], concurrency: int, ordered: bool) -> None:
    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        running = peak = 0

        async def work(item: tuple[int, int]) -> int:
            nonlocal running, peak
            running += 1
            peak = max(peak, running)
            for _ in range(item[1]):
                await asyncio.sleep(0)
            running -= 1
            return item[0]

        stream = tasks.stream(enumerate(turns), work, max_concurrency=concurrency, ordered=ordered)
        results = [result async for result in stream]
        expected = list(range(len(turns)))
        assert (results if ordered else sorted(results)) == expected
        assert peak <= concurrency
        await settle()
        assert await tasks.children() == []

    run(scenario)


@pytest.mark.row("TS-05")
def test_an_unordered_stream_gives_results_as_they_are_ready() -> None:
    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        gates = [Gate() for _ in range(3)]

        async def work(number: int) -> int:
            await gates[number].wait()
            return number

        stream = tasks.stream(range(3), work, max_concurrency=3, ordered=False)
        for number in (2, 0, 1):
            gates[number].event.set()
            assert await anext(stream) == number
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    run(scenario)


@pytest.mark.row("TS-05")
@pytest.mark.parametrize("ordered", [True, False])
def test_a_stream_is_lazy_and_waits_for_its_consumer(ordered: bool) -> None:
    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        load = Load()
        stream = tasks.stream(load.items(10**9), load.work, max_concurrency=3, ordered=ordered)
        await settle()
        assert load.taken == 0
        async with aclosing(stream):
            for asked in range(1, 20):
                await anext(stream)
                await settle()
                assert load.taken == asked + 2  # what was given, and at most three that were not
        assert await tasks.children() == []

    run(scenario)


@pytest.mark.row("TS-05")
def test_a_stream_that_is_closed_early_kills_what_runs() -> None:
    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        gates = [Gate() for _ in range(4)]
        gates[0].event.set()
        async with aclosing(tasks.stream(gates, Gate.wait, max_concurrency=4)) as stream:
            assert await anext(stream) == "through"
        await settle()
        assert [gate.log[1:] for gate in gates] == [[], ["cancelled"], ["cancelled"], ["cancelled"]]
        assert await tasks.children() == []

    run(scenario)


@pytest.mark.row("TS-05")
def test_a_stream_in_which_a_task_takes_too_long_ends() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        gates = [Gate() for _ in range(3)]
        gates[1].event.set()
        stream = tasks.stream(gates, Gate.wait, max_concurrency=2)
        waiting = asyncio.ensure_future(anext(stream))
        await settle()
        clock.advance(5.0)
        with pytest.raises(DeadlineExceeded, match=r"within 5\.0 s"):
            await waiting
        assert await tasks.children() == []

    run(scenario, clock)


@pytest.mark.row("TS-05")
def test_an_unlinked_stream_gives_failures_and_late_tasks_as_outcomes() -> None:
    clock = VirtualClock()

    async def work(number: int) -> int:
        if number == 1:
            raise ValueError("one")
        if number == 2:
            await asyncio.Event().wait()
        return number

    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        stream = tasks.stream_nolink(range(4), work, max_concurrency=2, timeout=1.0, on_timeout="kill_task")
        assert await anext(stream) == Returned(0)
        match await anext(stream):
            case Ended(ValueError(), item):
                assert item == 1
            case other:
                pytest.fail(f"unexpected: {other}")
        waiting = asyncio.ensure_future(anext(stream))
        await settle()
        clock.advance(1.0)
        match await waiting:
            case Ended(DeadlineExceeded(), item):
                assert item == 2
            case other:
                pytest.fail(f"unexpected: {other}")
        assert [outcome async for outcome in stream] == [Returned(3)]

    run(scenario, clock)


@pytest.mark.row("TS-05")
def test_an_unlinked_stream_ends_at_a_late_task_if_it_is_to() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        stream = tasks.stream_nolink([Gate()], Gate.wait, timeout=1.0)
        waiting = asyncio.ensure_future(anext(stream))
        await settle()
        clock.advance(1.0)
        with pytest.raises(DeadlineExceeded):
            await waiting

    run(scenario, clock)


@pytest.mark.row("TS-05")
def test_a_failure_in_a_linked_stream_ends_the_process_that_consumes_it() -> None:
    class Consumer(Owner):
        async def consume(self) -> None:
            assert self.tasks is not None

            async def work(number: int) -> int:
                if number == 3:
                    raise ValueError("three")
                return number

            async for _ in self.tasks.stream(range(10), work, max_concurrency=2):
                pass

    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        consumer = await system.start(Consumer, system, tasks)
        with pytest.raises(ProcessDown, match="three"):
            await consumer.call(Consumer.consume)
        await settle()
        assert await tasks.children() == []

        async def consume_outside() -> AsyncGenerator[int, None]:
            async for number in tasks.stream([1], lambda _: 1 // 0):
                yield int(number)

        with pytest.raises(ProcessDown, match="division"):
            await anext(consume_outside())

    run(scenario)


@pytest.mark.row("TS-05")
def test_a_process_survives_a_stream_in_which_a_task_takes_too_long_if_it_handles_that() -> None:
    clock = VirtualClock()

    class Consumer(Owner):
        async def consume(self) -> str:
            assert self.tasks is not None
            try:
                async for _ in self.tasks.stream([Gate(), Gate()], Gate.wait, timeout=1.0):
                    pass
            except DeadlineExceeded:
                return "late"
            return "in time"

    async def scenario(system: System) -> None:
        consumer = await system.start(Consumer, system, await start_tasks(system))
        consuming = asyncio.create_task(consumer.call(Consumer.consume))
        await settle()
        clock.advance(1.0)
        assert await consuming == "late"
        assert await consumer.call(Owner.ping) == "pong"

    run(scenario, clock)


def test_a_stream_refuses_settings_that_make_no_sense() -> None:
    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        with pytest.raises(DefinitionError):
            tasks.stream([1], triple, max_concurrency=0)
        with pytest.raises(DefinitionError):
            tasks.stream([1], triple, timeout=0)
        with pytest.raises(DefinitionError):
            tasks.stream_nolink([1], triple, on_timeout="never")  # type: ignore[call-overload]  # that is the point

    run(scenario)
