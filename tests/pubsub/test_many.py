"""Many subscriptions: nothing that is done to one costs more for the others. Costs are counted, not timed."""

import gc
import sys
import tracemalloc
from collections.abc import Callable
from functools import partial
from types import FrameType

import pytest

from headwater import Pid, PubSub, System
from tests.pubsub.driving import Listener, history, run

MANY = 100_000


def calls(action: Callable[[], object]) -> int:
    """How many Python functions an action calls."""
    counted = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal counted
        del frame, argument
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(None)
    return counted


async def fill(system: System, pubsub: PubSub, count: int, processes: int) -> list[Pid[Listener]]:
    """So many subscriptions, of so many processes: a third to one topic, the others each to a topic of its own."""
    pids = [await system.start(Listener) for _ in range(processes)]
    for number in range(count):
        topic = "hot" if number % 3 == 0 else f"topic {number}"
        pubsub.subscribe(topic, pids[number % processes])
    return pids


def costs(pubsub: PubSub, pid: Pid[Listener]) -> list[int]:
    """What it costs to subscribe, to unsubscribe, to be broadcast to alone, and to end with three subscriptions."""
    pid.send("so that it waits for its turn already")
    found = [calls(partial(pubsub.subscribe, topic, pid)) for topic in ("hot", "one", "two", "three")]
    found += [calls(partial(pubsub.broadcast, "one", 1)), calls(partial(pubsub.unsubscribe, "hot", pid))]
    return [*found, calls(pid.kill)]


@pytest.mark.row("PB-11")
def test_a_subscription_costs_the_same_among_many_as_among_few() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        few, many = PubSub(), pubsub
        await fill(system, few, 30, 3)
        await fill(system, many, MANY, 1_000)
        assert len(many) == MANY
        alone, crowded = [costs(each, await system.start(Listener)) for each in (few, many)]
        assert crowded == alone
        assert len(many) == MANY

    run(scenario)


@pytest.mark.row("PB-11", "PB-03")
def test_the_end_of_a_process_costs_as_much_as_it_has_subscriptions() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        pids = await fill(system, pubsub, MANY, 100)
        pid = await system.start(Listener)
        found = []
        for own in (10, 20, 40):
            for number in range(own):
                pubsub.subscribe("hot" if number % 2 else f"own {number}", pid)
            found.append(calls(pid.kill))
            pid = await system.start(Listener)
        assert found[2] - found[1] == 2 * (found[1] - found[0]) > 0
        pids[0].kill()
        assert len(pubsub) == MANY - MANY // 100
        for other in pids[1:]:
            other.kill()
        assert len(pubsub) == 0

    run(scenario)


@pytest.mark.row("PB-11")
def test_a_subscription_takes_little_memory() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        pids = [await system.start(Listener) for _ in range(1_000)]
        topics = [f"topic {number}" for number in range(MANY // 1_000)]
        gc.collect()
        tracemalloc.start()
        for topic in topics:
            for pid in pids:
                pubsub.subscribe(topic, pid)
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size / MANY < 150  # bytes

    run(scenario)


@pytest.mark.soak
def test_a_million_subscriptions() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        pids = await fill(system, pubsub, 1_000_000, 100_000)
        assert len(pubsub) == 1_000_000
        count = pubsub.broadcast("hot", 1)
        assert count == pubsub.subscribers("hot") == 333_334
        assert pubsub.broadcast("topic 1", 2) == 1
        assert sorted(map(repr, await history(pids[1]))) == ["1"] * 3 + ["2"]
        for pid in pids:
            pid.kill()
        assert len(pubsub) == 0

    run(scenario)
