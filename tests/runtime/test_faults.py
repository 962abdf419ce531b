"""Random faults in a large tree under load: it comes back, nothing is left over, and it always ends."""

from __future__ import annotations

import asyncio
import gc
import logging
import tracemalloc
from collections.abc import Callable, Coroutine, Iterator
from random import Random

import pytest

from headwater import OneForOne, Supervisor, System
from headwater.testing.clock import VirtualClock
from tests.runtime.faults import MANY, Storm, World, check, close, tree


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    """The crashes are meant."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def weather(seed: int, size: int, happens: Callable[[Storm], Coroutine[object, object, None]]) -> None:
    """Let something happen in a tree of so many processes, close the system, and look at what is left then."""

    async def main() -> None:
        surprises: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: surprises.append(context))
        clock, world = VirtualClock(), World(seed)
        system = System("faults", clock=clock, rng=Random(seed))
        await system.__aenter__()
        node = system.node
        storm = Storm(system, clock, world)
        storm.top = await system.start(Supervisor, tree(world, size), name="top", strategy=OneForOne(MANY))
        try:
            await happens(storm)
        finally:
            await close(system, clock)
        await asyncio.gather(*storm.calls)
        for _ in range(5):  # the tasks that were cancelled end
            await asyncio.sleep(0)
        assert not node.processes
        assert not node.names._holders
        assert world.registry.count() == 0
        assert not storm.asked
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert clock.pending == 0
        gc.collect()
        assert not surprises

    try:
        asyncio.run(main())
    except BaseException as error:
        error.add_note(f"seed {seed}, {size} processes")
        raise


@pytest.mark.parametrize("seed", range(10))
def test_a_tree_comes_back_and_nothing_is_left_over(seed: int) -> None:
    async def happens(storm: Storm) -> None:
        await storm.calm()
        check(storm)
        for _ in range(3):
            await storm.blow(1_000)
            await storm.calm()
            check(storm)
        assert storm.faults > 200
        assert storm.world.started > 400

    weather(seed, 200, happens)


@pytest.mark.parametrize("seed", range(40))
def test_shutdown_in_the_midst_of_it_ends(seed: int) -> None:
    async def happens(storm: Storm) -> None:
        await storm.blow(100 + 10 * seed)

    weather(seed, 60, happens)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_thousand_processes_bear_a_hundred_thousand_steps() -> None:
    sizes: list[int] = []

    async def happens(storm: Storm) -> None:
        for _ in range(4):
            await storm.blow(25_000)
            await storm.calm()
            check(storm)
            sizes.append(tracemalloc.get_traced_memory()[0])

    tracemalloc.start()
    try:
        weather(17, 1_000, happens)
    finally:
        tracemalloc.stop()
    assert max(sizes[2:]) - max(sizes[:2]) < 500_000, f"memory grows: {sizes}"
