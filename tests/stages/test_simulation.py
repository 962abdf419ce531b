"""Stages in random topologies, in random orders of turns, some of them killed."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from random import Random

import pytest

from headwater import (
    BroadcastDispatcher,
    Consumer,
    DemandDispatcher,
    PartitionDispatcher,
    Pid,
    Producer,
    ProducerConsumer,
    Subscription,
    System,
    subscribe,
)
from headwater.stages.dispatchers.dispatcher import Dispatcher
from headwater.stages.emitter import Emitter
from headwater.stages.messages import Ask, Events
from headwater.stages.options import Terms
from headwater.stages.steps import Steps
from headwater.testing.simulation import explore

Event = tuple[int, int]
"""Who made it, and its number, which rises."""

MOST = 150
KILLS = 3
SEEDS = range(60)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The kills are meant."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class World:
    """What the stages of a run share.

    Attributes:
        got: the events that each consumer's process has handled, by the process's number and the stage they came from.
        asked: for each subscription, what was asked for.
        sent: for each subscription, how many events have come.
    """

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.got: dict[int, dict[int, list[Event]]] = defaultdict(lambda: defaultdict(list))
        self.asked: dict[int, int] = defaultdict(int)
        self.sent: dict[int, int] = defaultdict(int)

    def heard(self, message: object) -> None:
        """A producer has got a message."""
        if isinstance(message, Ask):
            assert message.demand > 0
            self.asked[message.subscription.number] += message.demand

    def told(self, message: object) -> None:
        """A consumer has got a message."""
        if isinstance(message, Events):
            number = message.subscription.number
            self.sent[number] += len(message.events)
            assert len(message.events) > 0
            assert self.sent[number] <= self.asked[number], "more was given than asked for"

    def everything(self) -> list[Event]:
        return [event for sources in self.got.values() for events in sources.values() for event in events]


class Maker(Producer[Event]):
    """Gives some of what it is asked for at once, some later; async or not."""

    def init(self, world: World, name: int, make: Callable[[], Dispatcher[Event]]) -> None:
        self.world, self.name, self.make = world, name, make
        self.next = 0
        self.owed = 0

    def dispatcher(self) -> Dispatcher[Event]:
        return self.make()

    def handle_demand(self, demand: int) -> Sequence[Event]:
        self.owed += demand
        if self.world.rng.random() < 0.3:
            self.send_after(self.world.rng.random(), "later")
            return ()
        return self.made()

    def handle_info(self, message: object) -> None:
        self.emit(self.made())

    def made(self) -> Sequence[Event]:
        count = min(self.owed, MOST - self.next)
        self.owed -= count
        self.next += count
        return [(self.name, number) for number in range(self.next - count, self.next)]

    def _stage_message(self, message: object) -> Steps | None:
        self.world.heard(message)
        return super()._stage_message(message)


class Middle(ProducerConsumer[Event, Event]):
    """Hands on, sync or async."""

    def init(self, world: World, slow: bool) -> None:
        self.world, self.slow = world, slow

    def handle_events(
        self, events: list[Event], source: Subscription
    ) -> Sequence[Event] | Coroutine[object, object, Sequence[Event]]:
        return self.later(events) if self.slow else events

    async def later(self, events: list[Event]) -> list[Event]:
        await asyncio.sleep(self.world.rng.random() / 10)
        return events

    def _stage_message(self, message: object) -> Steps | None:
        self.world.heard(message)
        self.world.told(message)
        return super()._stage_message(message)


class Last(Consumer[Event]):
    """Keeps what it gets."""

    def init(self, world: World, slow: bool) -> None:
        self.world, self.slow = world, slow

    def handle_events(self, events: list[Event], source: Subscription) -> object:
        sender = source.producer.process.number
        self.world.got[self.pid.process.number][sender] += events
        return asyncio.sleep(self.world.rng.random() / 10) if self.slow else None

    def _stage_message(self, message: object) -> Steps | None:
        self.world.told(message)
        return super()._stage_message(message)


class Network:
    """Makers, stages in the middle, and consumers, each layer subscribed to the one above it."""

    def __init__(self, system: System, rng: Random, make: Callable[[], Dispatcher[Event]] = DemandDispatcher) -> None:
        self.system = system
        self.rng = rng
        self.world = World(rng)
        self.make = make
        self.makers: list[Pid[Maker]] = []
        self.middles: list[Pid[Middle]] = []
        self.lasts: list[Pid[Last]] = []

    async def begin(self) -> None:
        for name in range(self.rng.randint(1, 3)):
            self.makers.append(await self.system.start(Maker, self.world, name, self.make))
        for _ in range(self.rng.randint(0, 2)):
            self.middles.append(await self.start_middle())
        for _ in range(self.rng.randint(1, 3)):
            self.lasts.append(await self.start_last())

    async def start_middle(self) -> Pid[Middle]:
        middle = await self.system.start(Middle, self.world, self.rng.random() < 0.5)
        for maker in self.makers:
            await subscribe(middle, maker, **self.terms())
        return middle

    async def start_last(self) -> Pid[Last]:
        last = await self.system.start(Last, self.world, self.rng.random() < 0.5)
        producers: list[Pid[Emitter[Event]]] = [*self.middles] if self.middles else [*self.makers]
        for producer in producers:
            await subscribe(last, producer, **self.terms())
        return last

    def terms(self) -> Terms[Event]:
        max_demand = self.rng.randint(1, 12)
        return {"max_demand": max_demand, "min_demand": self.rng.randrange(max_demand), "cancel": "temporary"}

    async def kill_one(self) -> None:
        """Kill a stage below the makers, and put another in its place."""
        await asyncio.sleep(self.rng.random())
        if self.middles and self.rng.random() < 0.4:
            index = self.rng.randrange(len(self.middles))
            self.middles[index].kill()
            self.middles[index] = await self.start_middle()
            for last in self.lasts:
                await subscribe(last, self.middles[index], **self.terms())
        else:
            index = self.rng.randrange(len(self.lasts))
            self.lasts[index].kill()
            self.lasts[index] = await self.start_last()


def check_order(world: World) -> None:
    """Of each maker, what a consumer got by way of one stage came in order."""
    for sources in world.got.values():
        for events in sources.values():
            for name in {maker for maker, _ in events}:
                numbers = [number for maker, number in events if maker == name]
                assert numbers == sorted(set(numbers))


async def quiet_down() -> None:
    await asyncio.sleep(1_000)


@pytest.mark.row("GE-02")
@pytest.mark.row("GE-13")
def test_without_kills_everything_arrives_once_and_in_order() -> None:
    async def scenario(system: System) -> None:
        network = Network(system, system.rng)  # type: ignore[arg-type]  # it is a Random
        await network.begin()
        await quiet_down()
        everything = network.world.everything()
        assert sorted(everything) == [(name, n) for name in range(len(network.makers)) for n in range(MOST)]
        check_order(network.world)

    explore(scenario, seeds=SEEDS)


@pytest.mark.row("GE-08")
@pytest.mark.row("GE-18")
def test_with_kills_nothing_stalls_and_only_what_the_killed_held_is_lost() -> None:
    async def scenario(system: System) -> None:
        network = Network(system, system.rng)  # type: ignore[arg-type]
        await network.begin()
        for _ in range(KILLS):
            await network.kill_one()
        await quiet_down()
        world = network.world
        everything = world.everything()
        assert len(everything) == len(set(everything)), "an event came twice"
        check_order(world)
        held = KILLS * 12 * 2 * (len(network.makers) + len(network.middles) + 1)
        assert len(network.makers) * MOST - len(everything) <= held
        for maker in network.makers:
            server = maker.process.server
            assert isinstance(server, Maker)
            assert server.next == MOST, "the maker was not asked for all it had"
            assert await maker.call(Maker.estimate_buffered_count) == 0

    explore(scenario, seeds=SEEDS)


@pytest.mark.row("GE-14")
def test_a_broadcast_gives_each_a_row_without_gaps_whoever_is_killed() -> None:
    async def scenario(system: System) -> None:
        network = Network(system, system.rng, BroadcastDispatcher)  # type: ignore[arg-type]
        await network.begin()
        for _ in range(KILLS):
            await network.kill_one()
        await quiet_down()
        if network.middles:
            return  # behind stages in the middle each event comes once for each of them
        for sources in network.world.got.values():
            for events in sources.values():
                first = events[0][1]
                assert [number for _, number in events] == [*range(first, first + len(events))]
        for last in network.lasts:
            for maker in network.makers:
                events = network.world.got[last.process.number][maker.process.number]
                server = maker.process.server
                assert isinstance(server, Maker)
                assert server.next == MOST
                assert not events or events[-1][1] == MOST - 1

    explore(scenario, seeds=SEEDS)


@pytest.mark.row("GE-15")
def test_partitions_keep_the_order_of_their_keys_whoever_is_killed() -> None:
    async def scenario(system: System) -> None:
        rng = system.rng
        assert isinstance(rng, Random)
        world = World(rng)
        maker = await system.start(
            Maker, world, 0, lambda: PartitionDispatcher(3, hash=lambda event: (event, event[1] % 3), limit=5)
        )

        async def start(partition: int) -> Pid[Last]:
            last = await system.start(Last, world, rng.random() < 0.5)
            await subscribe(last, maker, max_demand=rng.randint(1, 6), cancel="temporary", partition=partition)
            return last

        lasts = [await start(partition) for partition in range(3)]
        for _ in range(KILLS):
            await asyncio.sleep(rng.random())
            partition = rng.randrange(3)
            lasts[partition].kill()
            await asyncio.sleep(0.1)
            lasts[partition] = await start(partition)
        await quiet_down()
        check_order(world)
        everything = world.everything()
        assert len(everything) == len(set(everything)) >= MOST - KILLS * 6 * 2
        assert await maker.call(Maker.estimate_buffered_count) == 0
        for number, sources in world.got.items():
            assert len({n % 3 for events in sources.values() for _, n in events}) <= 1, number

    explore(scenario, seeds=SEEDS)
