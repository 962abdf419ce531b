"""Nothing is lost, and the order of each key is kept, whatever stage is killed, and whenever."""

from __future__ import annotations

import asyncio

import pytest

from headwater import IterableSource, Pipeline, System
from headwater.testing.simulation import explore, simulate
from tests.pipeline.driving import Event, Ledger, events, kill, names


async def torment(system: System, pipeline: Pipeline[Event], kills: int) -> int:
    """Kill stages at random steps. Returns how many were alive."""
    killed = 0
    for _ in range(kills):
        if system.rng.random() < 0.5:
            await asyncio.sleep(system.rng.random() * 0.05)
        for _ in range(int(system.rng.random() * 50)):
            await asyncio.sleep(0)
        stages = names(pipeline)
        killed += kill(system, stages[int(system.rng.random() * len(stages))])
    return killed


async def survive(system: System, pipeline: Ledger, source: IterableSource[Event], kills: int) -> None:
    """Kill stages, and see that nothing is lost, nothing is out of order, and the drain ends."""
    await pipeline.start(system)
    assert await torment(system, pipeline, kills) > kills // 4
    await asyncio.wait_for(pipeline.finished(), 10_000)
    assert pipeline.disorder == []
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
