"""Pipelines and stages that read a store: each event at least once, in the order of its stream, whatever dies."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

import pytest

from headwater import (
    Batcher,
    BatchInfo,
    Consumer,
    EventStore,
    Exit,
    Message,
    Pipeline,
    Processors,
    Recorded,
    StageSubscription,
    SubscriptionInfo,
    SubscriptionSource,
    System,
    from_iterable,
    subscribe,
)
from headwater.clock import Clock
from headwater.codec import Codec, TypeName, TypeRegistry
from headwater.errors import InvalidSubscription, PipelineDown, UnknownType
from headwater.store.model import Undecoded
from headwater.testing.simulation import explore
from tests.pipeline.driving import Progress, kill, names, torment
from tests.store.driving import Deposited, Withdrawn, codec, scenario

STREAMS = 17


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The crashes are meant."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Bookkeeper(Pipeline[Recorded]):
    """Notes what it handles, in the order of each stream, in batches."""

    processors = Processors(concurrency=3, max_demand=20)
    batchers: Mapping[str, Batcher] = {"default": Batcher(size=10, timeout=0.02, concurrency=2)}
    max_unacknowledged = 500
    max_restarts = 1_000_000
    resubscribe_interval = 0.01

    def __init__(
        self, source: SubscriptionSource, *, name: str | None = None, progress: Sequence[Progress] = ()
    ) -> None:
        super().__init__(source, name=name)
        self.seen, self.booked = progress or (Progress(), Progress())
        self.times: Counter[int] = Counter()
        self.done = asyncio.Event()
        self.expected = 0

    def partition_by(self, data: Recorded) -> Hashable:
        return data.stream

    def handle_message(self, message: Message[Recorded]) -> None:
        self.seen.advance((message.data.stream, message.data.version - 1))

    async def handle_batch(self, messages: list[Message[Recorded]], batch: BatchInfo) -> None:
        await asyncio.sleep(0)
        for message in messages:
            self.booked.advance((message.data.stream, message.data.version - 1))
            self.times[message.data.position] += 1
        if len(self.times) >= self.expected > 0:
            self.done.set()

    async def handled(self, count: int) -> None:
        """Wait until so many different events were handled."""
        self.expected = count
        if len(self.times) < count:
            self.done.clear()
            await asyncio.wait_for(self.done.wait(), 60)

    def check_order(self, falls: int) -> None:
        """No event of a stream came without the one before it, and no stream began again more often than so."""
        for progress in (self.seen, self.booked):
            assert progress.gaps == []
            assert max(progress.falls.values()) <= falls


class Bound(Bookkeeper):
    """Ends when its source stage can't begin."""

    max_restarts = 2


async def fill(store: EventStore, count: int) -> None:
    """Append so many events, a tenth of them to each of some streams and the rest in turn."""
    for start in range(0, count, 1_000):
        amounts: dict[str, list[object]] = {}
        for number in range(start, min(start + 1_000, count)):
            stream = "hot" if number % 10 == 0 else f"stream {number % STREAMS}"
            amounts.setdefault(stream, []).append(Deposited(number))
        for stream, events in amounts.items():
            await store.append(stream, events)


async def memory(clock: Clock) -> EventStore:
    return await EventStore.open("memory://", codec(), clock=clock)


async def file(directory: Path) -> EventStore:
    return await EventStore.open(f"sqlite:///{directory}/events.db?durability=relaxed", codec())


async def info_of(store: EventStore) -> SubscriptionInfo:
    info = await store.subscription_info("books")
    assert info is not None
    return info


async def check_end(store: EventStore, pipeline: Bookkeeper, count: int) -> None:
    """Stop it: everything is acknowledged, written down and given back."""
    await asyncio.wait_for(pipeline.stop(), 60)
    info = await info_of(store)
    assert (info.checkpoint, info.lag, info.owner) == (await store.head(), 0, None)
    assert set(pipeline.times) == set(range(1, count + 1))


@pytest.mark.row("BG-01")
@scenario
async def test_while_nothing_dies_each_event_is_handled_once(tmp_path: Path) -> None:
    async with await file(tmp_path) as store, System("test") as system:
        await fill(store, 2_000)
        pipeline = Bookkeeper(SubscriptionSource(store, "books"))
        await pipeline.start(system)
        await pipeline.handled(2_000)
        await store.append("later", [Deposited(1)])
        await pipeline.handled(2_001)
        await check_end(store, pipeline, 2_001)
        assert set(pipeline.times.values()) == {1}
        pipeline.check_order(falls=0)


@pytest.mark.row("BG-01", "BW-08")
def test_whatever_dies_each_event_is_handled_in_the_order_of_its_stream() -> None:
    async def story(system: System) -> None:
        async with await memory(system.clock) as store:
            await fill(store, 300)
            pipeline = Bookkeeper(SubscriptionSource(store, "books"))
            await pipeline.start(system)
            appending = asyncio.ensure_future(_append_slowly(store, 100))
            killed = await torment(system, pipeline, 12)
            await appending
            await pipeline.handled(400)
            await check_end(store, pipeline, 400)
            pipeline.check_order(killed)

    assert explore(story, seeds=range(20)) == 20


async def _append_slowly(store: EventStore, count: int) -> None:
    for number in range(count):
        await store.append(f"late {number % 3}", [Deposited(number)])
        await asyncio.sleep(0.002)


@pytest.mark.row("BG-01", "BW-11")
def test_the_drain_ends_whatever_dies_meanwhile_and_the_next_start_goes_on() -> None:
    async def story(system: System) -> None:
        async with await memory(system.clock) as store:
            pipeline = Bookkeeper(SubscriptionSource(store, "books"))
            for _ in range(3):
                await fill(store, 200)
                await pipeline.start(system)
                await torment(system, pipeline, 2)
                stopping = asyncio.ensure_future(pipeline.stop())
                await _torment_until(stopping, system, pipeline)
                info = await info_of(store)
                assert set(range(1, info.checkpoint + 1)) <= set(pipeline.times), "never past one that wasn't handled"
            await pipeline.start(system)
            await pipeline.handled(600)
            await check_end(store, pipeline, 600)
            pipeline.check_order(falls=20)

    assert explore(story, seeds=range(20)) == 20


async def _torment_until(over: asyncio.Future[None], system: System, pipeline: Bookkeeper) -> None:
    for _ in range(4):
        for _ in range(int(system.rng.random() * 30)):
            await asyncio.sleep(0)
        if pipeline.running:
            stages = names(pipeline)
            kill(system, stages[int(system.rng.random() * len(stages))])
    await asyncio.wait_for(over, 1_000)


ROLES: dict[str, Callable[[str], bool]] = {
    "source": lambda name: ".source." in name,
    "processor": lambda name: ".processor." in name,
    "batcher": lambda name: ".batcher." in name,
    "batch processor": lambda name: ".batch_processor." in name,
    "any": lambda name: True,
}


async def survive(directory: Path, role: str, count: int, kills: int) -> None:
    """Kill stages of a role while a pipeline works through a file, spread over all of its events."""
    rng = Random(count + len(role))
    async with await file(directory) as store, System("test") as system:
        await fill(store, count)
        pipeline = Bookkeeper(SubscriptionSource(store, "books"))
        await pipeline.start(system)
        stages = list(filter(ROLES[role], names(pipeline)))
        killed = 0
        for number in range(kills):
            await pipeline.handled(count * number // kills + 1)
            for _ in range(rng.randrange(30)):
                await asyncio.sleep(0)
            killed += kill(system, rng.choice(stages))
        await pipeline.handled(count)
        assert killed >= kills // 2
        await check_end(store, pipeline, count)
        pipeline.check_order(killed)


@pytest.mark.row("BG-01", "BW-08", "BW-12")
@pytest.mark.parametrize("role", ROLES)
@scenario
async def test_stages_of_each_kind_die_while_a_file_is_read(tmp_path: Path, role: str) -> None:
    await survive(tmp_path, role, 3_000, kills=15)


@pytest.mark.row("BG-01", "BW-08", "BW-12")
@scenario
async def test_a_hundred_thousand_events_of_a_file_survive_a_hundred_kills(tmp_path: Path) -> None:
    await survive(tmp_path, "any", 100_000, kills=100)


@pytest.mark.row("BG-01", "ES-12")
@scenario
async def test_a_new_process_goes_on_behind_what_was_acknowledged(tmp_path: Path) -> None:
    progress = Progress(), Progress()
    handled: Counter[int] = Counter()
    for life in range(4):
        async with await file(tmp_path) as store, System("test") as system:
            await fill(store, 1_000)
            before = await store.subscription_info("books")
            pipeline = Bookkeeper(SubscriptionSource(store, "books", checkpoint_every=50), progress=progress)
            pid = await pipeline.start(system)
            await pipeline.handled(700)
            if life < 3:
                pid.kill()
            else:
                await pipeline.handled(1_000)
                await pipeline.handled(await store.head() - (before.checkpoint if before else 0))
                await pipeline.stop()
            assert min(pipeline.times) == (before.checkpoint if before else 0) + 1
            assert set(pipeline.times.values()) == {1}
            handled += pipeline.times
        async with await file(tmp_path) as store:
            assert set(range(1, (await info_of(store)).checkpoint + 1)) <= set(handled)
    assert set(handled) == set(range(1, 4_001))
    assert [found.gaps for found in progress] == [[], []]


@scenario
async def test_a_query_a_start_and_a_stream() -> None:
    async with await EventStore.open("memory://", codec()) as store, System("test") as system:
        for number in range(10):
            await store.append("a", [Deposited(number), Withdrawn(number)])
            await store.append("b", [Deposited(number)])
        query = store.query(Withdrawn)
        for options, expected in (
            (SubscriptionSource(store, "query", query=query, start_from=14), {17, 20, 23, 26, 29}),
            (SubscriptionSource(store, "stream", stream="b", start_from=7), {24, 27, 30}),
        ):
            pipeline = Bookkeeper(options)
            await pipeline.start(system)
            await pipeline.handled(len(expected))
            await pipeline.stop()
            assert set(pipeline.times) == expected


@pytest.mark.parametrize(
    "options", [{"max_unacknowledged": 0}, {"lease": -1.0}, {"wait": -1.0}, {"start_from": -1}, {"name": ""}]
)
@scenario
async def test_what_cannot_be_is_refused_when_the_source_is_made(options: dict[str, object]) -> None:
    async with await EventStore.open("memory://", codec()) as store:
        with pytest.raises(InvalidSubscription):
            SubscriptionSource(store, **{"name": "books", **options})  # type: ignore[arg-type]


def test_a_second_pipeline_of_a_source_waits_until_the_first_has_stopped() -> None:
    async def story(system: System) -> None:
        async with await memory(system.clock) as store:
            await fill(store, 50)
            source = SubscriptionSource(store, "books")
            first, second, third = [Bound(source, name=name) for name in ("first", "second", "third")]
            await first.start(system)
            await first.handled(50)
            await second.start(system)
            await asyncio.sleep(100)
            await store.append("s", [Deposited(1)])
            await first.handled(51)
            await first.stop()
            await store.append("s", [Deposited(2)])
            await second.handled(1)
            assert (max(first.times), set(second.times)) == (51, {52})
            await third.start(system)
            await asyncio.sleep(100)
            await asyncio.wait_for(third.stop(), 1)  # although it still waits
            await second.stop()

    explore(story, seeds=range(5))


@scenario
async def test_another_source_of_the_name_is_refused() -> None:
    async with await EventStore.open("memory://", codec()) as store, System("test") as system:
        await fill(store, 50)
        first = Bookkeeper(SubscriptionSource(store, "books"))
        second = Bound(SubscriptionSource(store, "books"), name="second")
        await first.start(system)
        await first.handled(50)
        await second.start(system)
        with pytest.raises(PipelineDown):
            await second.finished()
        assert first.running
        await first.stop()


@pytest.mark.row("BG-01")
@scenario
async def test_a_subscription_that_was_reset_goes_on_from_there() -> None:
    async with await EventStore.open("memory://", codec()) as store, System("test") as system:
        await fill(store, 50)
        pipeline = Bookkeeper(SubscriptionSource(store, "books"))
        await pipeline.start(system)
        await pipeline.handled(50)
        await store.reset_subscription("books", 20, force=True)
        while pipeline.times[50] < 2:
            await asyncio.sleep(0)
        await pipeline.stop()
        assert {position for position, count in pipeline.times.items() if count == 2} == set(range(21, 51))
        assert (await info_of(store)).checkpoint == 50


@scenario
async def test_when_the_store_is_closed_the_source_is_over() -> None:
    async with System("test") as system:
        store = await EventStore.open("memory://", codec())
        await fill(store, 50)
        pipeline = Bookkeeper(SubscriptionSource(store, "books"))
        await pipeline.start(system)
        await pipeline.handled(50)
        await store.close()
        await asyncio.wait_for(pipeline.finished(), 60)
        await asyncio.wait_for(pipeline.stop(), 60)


class Failing(Bound):
    """Fails what could not be decoded."""

    def __init__(self, source: SubscriptionSource) -> None:
        super().__init__(source)
        self.failed: list[int] = []

    def handle_message(self, message: Message[Recorded]) -> None:
        super().handle_message(message)
        if isinstance(message.data.event, Undecoded):
            message.fail(message.data.event.error, retry=False)

    def handle_failed(self, messages: list[Message[Recorded]]) -> None:
        self.failed += [message.data.position for message in messages]


async def store_with_one_unknown(directory: Path) -> EventStore:
    """The third of five events has a type that nobody knows."""
    async with await file(directory) as store:
        await store.append("s", [Deposited(1), Deposited(2), Withdrawn(3), Deposited(4), Deposited(5)])
    url = f"sqlite:///{directory}/events.db"
    return await EventStore.open(url, Codec(TypeRegistry([(Deposited, TypeName("Deposited", 1))])))


@scenario
async def test_an_event_that_cannot_be_decoded_is_failed_or_ends_the_pipeline(tmp_path: Path) -> None:
    async with await store_with_one_unknown(tmp_path) as store, System("test") as system:
        strict = Bound(SubscriptionSource(store, "strict"))
        await strict.start(system)
        with pytest.raises(PipelineDown):
            await strict.finished()
        kept = Failing(SubscriptionSource(store, "books", undecodable="keep"))
        await kept.start(system)
        await kept.handled(4)
        await kept.stop()
        assert (set(kept.times), kept.failed) == ({1, 2, 4, 5}, [3])
        assert (await info_of(store)).checkpoint == 5


@scenario
async def test_what_comes_before_an_event_that_cannot_be_decoded_is_taken(tmp_path: Path) -> None:
    async with await store_with_one_unknown(tmp_path) as store, store.subscription("books") as events:
        assert [event.position for event in await events.take()] == [1, 2]
        for _ in range(2):
            with pytest.raises(UnknownType):
                await events.take()


@scenario
async def test_a_take_that_is_cancelled_has_taken_nothing() -> None:
    store = await EventStore.open("memory://", codec())
    async with store.subscription("books") as events:
        waiting = asyncio.ensure_future(events.take())
        await asyncio.sleep(0)
        await store.append("s", [Deposited(1), Deposited(2), Deposited(3)])
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert [event.position for event in await events.take(2)] == [1, 2]
        assert [event.position for event in await events.take(2)] == [3]
        await store.close()
        assert await events.take() == []


class Taker(Consumer[Recorded]):
    def init(self, count: int, done: asyncio.Event) -> None:
        self.count, self.done = count, done
        self.positions: list[int] = []

    def handle_events(self, events: Sequence[Recorded], source: StageSubscription) -> None:
        self.positions += [event.position for event in events]
        if len(self.positions) >= self.count:
            self.done.set()

    def taken(self) -> list[int]:
        return self.positions


@pytest.mark.row("GE-12")
@scenario
async def test_a_transient_subscription_is_a_producer_of_stages(tmp_path: Path) -> None:
    store = await file(tmp_path)
    async with System("test") as system:
        await fill(store, 2_000)
        producer = await from_iterable(system, store.subscribe(after=500))
        done = asyncio.Event()
        taker = await system.start(Taker, 1_501, done)
        await subscribe(taker, producer, max_demand=50, cancel="temporary")
        await store.append("s", [Deposited(1)])
        await done.wait()
        assert await taker.call(Taker.taken) == [*range(501, 2_002)]
        await store.close()
        assert await producer.wait() is Exit.NORMAL
