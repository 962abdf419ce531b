"""From iterators to producers, and from producers to iterators."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import cast

import pytest

from headwater import BroadcastDispatcher, Consumer, Exit, Pid, System, from_iterable, stream, subscribe
from headwater.errors import InvalidDemand, InvalidSubscription, ProcessDown, ProducerDown, StartFailed
from headwater.stages.iterable import IterableProducer
from tests.runtime.driving import run, settle
from tests.stages.driving import Gate, Ints, Numbers, Sink, Taps


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The crashes are meant."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Well:
    """An async iterator that gives what it is told to, and knows what was taken."""

    def __init__(self, count: int = 100, waits: bool = True) -> None:
        self.count = count
        self.taken = 0
        self.closed = False
        self.error: Exception | None = None
        self._level = asyncio.Semaphore(0 if waits else count)

    def fill(self, count: int) -> None:
        for _ in range(count):
            self._level.release()

    async def items(self) -> AsyncIterator[int]:
        try:
            for number in range(self.count):
                await self._level.acquire()
                if self.error is not None:
                    raise self.error
                self.taken += 1
                yield number
        finally:
            self.closed = True


@pytest.mark.row("GE-12")
def test_an_iterable_is_a_producer_that_ends_with_it() -> None:
    async def scenario(system: System) -> None:
        numbers = await from_iterable(system, range(25))
        ints = await system.start(Ints)
        await subscribe(ints, numbers, max_demand=4, cancel="transient")
        assert await numbers.wait() is Exit.NORMAL
        await settle()
        assert await ints.call(Ints.events) == [*range(25)]

    run(scenario)


@pytest.mark.row("GE-12")
def test_it_ends_only_when_all_was_asked_for() -> None:
    async def scenario(system: System) -> None:
        numbers = await from_iterable(system, [1, 2, 3])
        one = await system.start(Ints)
        subscription = await subscribe(one, numbers, mode="manual", cancel="temporary")
        subscription.ask(10)
        await settle()
        assert not numbers.alive
        assert await one.call(Ints.events) == [1, 2, 3]

    run(scenario)


@pytest.mark.row("GE-12")
def test_items_are_taken_only_when_asked_for() -> None:
    async def scenario(system: System) -> None:
        well = Well(waits=False)
        taken: list[int] = []

        def plain() -> Iterator[int]:
            for number in range(100):
                taken.append(number)
                yield number

        for producer in (await from_iterable(system, well.items()), await from_iterable(system, plain)):
            ints = await system.start(Ints)
            subscription = await subscribe(ints, producer, mode="manual")
            await settle()
            subscription.ask(3)
            await settle()
            assert await ints.call(Ints.events) == [0, 1, 2]
        assert (well.taken, len(taken)) == (3, 3)

    run(scenario)


@pytest.mark.row("GE-12")
def test_items_go_out_as_they_come_and_the_producer_stays_responsive() -> None:
    async def scenario(system: System) -> None:
        well = Well()
        producer = await from_iterable(system, well.items())
        ints = await system.start(Ints)
        await subscribe(ints, producer, max_demand=10)
        well.fill(2)
        await settle()
        assert await ints.call(Ints.events) == [0, 1]
        assert await producer.call(IterableProducer.estimate_buffered_count) == 0
        well.fill(98)
        assert await producer.wait() is Exit.NORMAL
        await settle()
        assert not ints.alive
        assert well.closed

    run(scenario)


@pytest.mark.row("GE-12")
def test_an_iterators_error_ends_the_producer_after_its_items() -> None:
    async def scenario(system: System) -> None:
        well = Well()
        producer = await from_iterable(system, well.items())
        log: list[object] = []
        sink = cast("Pid[Consumer[int]]", await system.start(Sink, log))
        await subscribe(sink, producer, cancel="temporary")
        well.fill(1)
        await settle()
        well.error = ValueError("dry")
        well.fill(1)
        assert await producer.wait() is well.error
        await settle()
        assert log == ["subscribed", [0], ("cancelled", well.error)]

    run(scenario)


@pytest.mark.row("GE-12")
def test_the_iterator_is_closed_when_the_producer_ends() -> None:
    async def scenario(system: System) -> None:
        well = Well()
        producer = await from_iterable(system, well.items())
        await subscribe(await system.start(Ints), producer, cancel="temporary")
        await settle()
        producer.kill()
        await settle()
        assert well.closed

    run(scenario)


@pytest.mark.row("GE-12")
def test_the_iterator_is_closed_also_if_nothing_is_asked_of_it() -> None:
    async def scenario(system: System) -> None:
        well = Well(waits=False)
        producer = await from_iterable(system, well.items())
        subscription = await subscribe(await system.start(Ints), producer, mode="manual", cancel="temporary")
        subscription.ask(1)
        await settle()
        producer.kill()
        await settle()
        assert (well.taken, well.closed) == (1, True)

    run(scenario)


@pytest.mark.row("GE-12")
def test_the_last_items_wait_for_the_next_consumer() -> None:
    async def scenario(system: System) -> None:
        well = Well(count=3)
        producer = await from_iterable(system, well.items())
        first, second = await system.start(Ints), await system.start(Ints)
        await subscribe(first, producer)
        first.kill()
        well.fill(4)
        await settle()
        assert await producer.call(IterableProducer.estimate_buffered_count) == 3
        await subscribe(second, producer, cancel="temporary")
        assert await producer.wait() is Exit.NORMAL
        await settle()
        assert await second.call(Ints.events) == [0, 1, 2]

    run(scenario)


@pytest.mark.row("GE-12")
def test_on_cancel_decides_what_the_last_consumers_leaving_means() -> None:
    async def scenario(system: System) -> None:
        going = await from_iterable(system, range(1_000_000))
        stopping = await from_iterable(system, range(1_000_000), on_cancel="stop")
        for producer in (going, stopping):
            first, second = await system.start(Ints), await system.start(Ints)
            for pid in (first, second):
                await subscribe(pid, producer, mode="manual", cancel="temporary")
            first.kill()
            await settle()
            assert producer.alive
            second.kill()
            await settle()
        assert going.alive
        assert not stopping.alive
        with pytest.raises(StartFailed):
            await from_iterable(system, [], on_cancel="wait")  # type: ignore[arg-type]

    run(scenario)


@pytest.mark.row("GE-12")
def test_a_stream_gives_everything_in_order_and_ends() -> None:
    async def scenario(system: System) -> None:
        numbers = await from_iterable(system, range(100))
        async with stream(numbers, max_demand=7) as events:
            assert [event async for event in events] == [*range(100)]
        gate, source = await system.start(Gate, 2), await from_iterable(system, range(5))
        async with stream(gate) as events:
            await subscribe(gate, source)
            assert [event async for event in events] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]

    run(scenario)


@pytest.mark.row("GE-12")
def test_a_stream_of_several_producers_ends_with_the_last() -> None:
    async def scenario(system: System) -> None:
        sources = [await from_iterable(system, range(first, first + 10)) for first in (0, 100)]
        async with stream(*sources, max_demand=4) as events:
            got = [event async for event in events]
        assert sorted(got) == [*range(10), *range(100, 110)]
        assert [event for event in got if event < 100] == [*range(10)]

    run(scenario)


@pytest.mark.row("GE-12")
def test_a_stream_that_is_not_read_asks_for_no_more() -> None:
    async def scenario(system: System) -> None:
        numbers = await system.start(Numbers)
        async with stream(numbers, max_demand=10) as events:
            await settle()
            assert await numbers.call(Numbers.asked) == [10]
            assert [await anext(events) for _ in range(6)] == [*range(6)]
            await settle()
            assert await numbers.call(Numbers.asked) == [10, 5]
        await settle()
        assert await numbers.call(Numbers.consumers) == []

    run(scenario)


@pytest.mark.row("GE-12")
def test_a_stream_raises_when_a_producer_ends_badly_after_what_came_before() -> None:
    async def scenario(system: System) -> None:
        taps = await system.start(Taps)
        async with stream(taps) as events:
            taps.cast(Taps.give, 1, 2)
            await settle()
            taps.kill()
            assert [await anext(events), await anext(events)] == [1, 2]
            with pytest.raises(ProducerDown, match="killed"):
                await anext(events)

    run(scenario)


@pytest.mark.row("GE-12")
def test_a_stream_whose_reader_is_killed_says_so() -> None:
    async def scenario(system: System) -> None:
        taps = await system.start(Taps)
        async with stream(taps) as events:
            (subscription,) = await taps.call(Taps.consumers)
            subscription.consumer.kill()
            with pytest.raises(ProcessDown):
                await anext(events)

    run(scenario)


def test_a_stream_that_cannot_begin_leaves_nothing_behind() -> None:
    async def scenario(system: System) -> None:
        with pytest.raises(InvalidSubscription):
            stream()
        taps, dead = await system.start(Taps), await system.start(Taps)
        dead.kill()
        with pytest.raises(ProducerDown):
            async with stream(taps, dead):
                pass
        with pytest.raises(InvalidDemand):
            async with stream(taps, max_demand=0):
                pass
        await settle()
        assert await taps.call(Taps.consumers) == []

    run(scenario)


@pytest.mark.row("GE-12")
def test_streams_of_a_broadcast() -> None:
    async def scenario(system: System) -> None:
        taps = await system.start(Taps, BroadcastDispatcher)
        async with stream(taps) as one, stream(taps, selector=lambda event: event == 2) as two:
            await settle()
            await taps.call(Taps.give, 1, 2)
            assert [await anext(one), await anext(one), await anext(two)] == [1, 2, 2]

    run(scenario)
