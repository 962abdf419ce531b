"""One child for each event."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import ClassVar

import pytest

from headwater import Child, ConsumerSupervisor, GenServer, OneForOne, Pid, Supervisor, System, subscribe
from headwater.errors import DefinitionError, StartFailed
from headwater.runtime.restart import Restart
from headwater.stages.options import SubscribeOptions
from tests.runtime.driving import run, settle
from tests.stages.driving import Numbers, Taps


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The crashes are meant."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Job(GenServer):
    """Lives until it is told."""

    restart: ClassVar[Restart] = "temporary"

    def init(self, jobs: dict[int, list[Pid[Job]]], number: object) -> None:
        if not isinstance(number, int):
            raise TypeError(number)
        jobs.setdefault(number, []).append(self.pid)

    def done(self) -> None:
        self.stop()

    def boom(self) -> None:
        raise ValueError("boom")


class Workers(ConsumerSupervisor[int]):
    """Of jobs."""


@pytest.mark.row("GE-17")
def test_demand_is_the_number_of_free_places() -> None:
    async def scenario(system: System) -> None:
        jobs: dict[int, list[Pid[Job]]] = {}
        numbers, workers = await system.start(Numbers), await system.start(Workers, Child(Job, jobs))
        await subscribe(workers, numbers, max_demand=4, min_demand=2)
        await settle()
        assert (sorted(jobs), await numbers.call(Numbers.asked)) == ([0, 1, 2, 3], [4])
        jobs[1][0].cast(Job.done)
        await settle()
        assert len(jobs) == 4
        jobs[3][0].kill()
        await settle()
        assert (sorted(jobs), await numbers.call(Numbers.asked)) == ([*range(6)], [4, 2])
        assert (await workers.call(ConsumerSupervisor.count_children)).active == 4

    run(scenario)


@pytest.mark.row("GE-17")
def test_each_producer_gets_its_own_demand_back() -> None:
    async def scenario(system: System) -> None:
        jobs: dict[int, list[Pid[Job]]] = {}
        one, two = await system.start(Numbers), await system.start(Taps)
        workers = await system.start(Workers, Child(Job, jobs))
        await subscribe(workers, one, max_demand=2, min_demand=1)
        await subscribe(workers, two, max_demand=2, min_demand=1)  # type: ignore[misc]
        await two.call(Taps.give, 100)
        await settle()
        assert sorted(jobs) == [0, 1, 100]
        jobs[100][0].cast(Job.done)
        await settle()
        assert (await one.call(Numbers.asked), await two.call(Taps.asked)) == ([2], [2, 1])

    run(scenario)


@pytest.mark.row("GE-17")
def test_a_transient_child_comes_back_with_its_event_and_keeps_its_place() -> None:
    async def scenario(system: System) -> None:
        jobs: dict[int, list[Pid[Job]]] = {}
        numbers = await system.start(Numbers)
        workers = await system.start(Workers, Child(Job, jobs, restart="transient"))
        await subscribe(workers, numbers, max_demand=1, min_demand=0)
        await settle()
        jobs[0][0].cast(Job.boom)
        await settle()
        assert (len(jobs[0]), sorted(jobs)) == (2, [0])
        jobs[0][1].cast(Job.done)
        await settle()
        assert sorted(jobs) == [0, 1]

    run(scenario)


@pytest.mark.row("GE-17")
def test_more_restarts_than_it_bears_end_it() -> None:
    async def scenario(system: System) -> None:
        jobs: dict[int, list[Pid[Job]]] = {}
        numbers = await system.start(Numbers)
        child = Child(Job, jobs, restart="transient")
        workers = await system.start(Workers, child, strategy=OneForOne(max_restarts=1))
        await subscribe(workers, numbers, max_demand=3)
        await settle()
        for number in (0, 1):
            jobs[number][0].cast(Job.boom)
        await settle()
        assert not workers.alive
        assert not any(pid.alive for pids in jobs.values() for pid in pids)

    run(scenario)


@pytest.mark.row("GE-17")
def test_a_child_that_cannot_start_frees_its_place() -> None:
    async def scenario(system: System) -> None:
        jobs: dict[int, list[Pid[Job]]] = {}
        taps, workers = await system.start(Taps), await system.start(Workers, Child(Job, jobs))
        await subscribe(workers, taps, max_demand=2, min_demand=1)  # type: ignore[misc]
        await taps.call(Taps.give, "no number", 7)
        await settle()
        assert sorted(jobs) == [7]
        assert await taps.call(Taps.asked) == [2, 1]

    run(scenario)


@pytest.mark.row("GE-17")
def test_a_permanent_child_is_refused() -> None:
    async def scenario(system: System) -> None:
        with pytest.raises(StartFailed, match="temporary or transient"):
            await system.start(Workers, Child(Job, {}, restart="permanent"))
        workers = await system.start(Workers, Child(Job, {}))
        with pytest.raises(DefinitionError, match="one for each event"):
            await workers.call(ConsumerSupervisor.start_child, Child(Job, {}, 1))
        assert workers.alive

    run(scenario)


@pytest.mark.row("GE-17")
def test_under_a_supervisor_it_subscribes_at_each_start() -> None:
    async def scenario(system: System) -> None:
        jobs: dict[int, list[Pid[Job]]] = {}
        keywords = {
            "producers": lambda: [system.named(Numbers, "numbers")],
            "options": SubscribeOptions(max_demand=2, min_demand=1, cancel="temporary"),
        }
        children = [
            Child(Numbers, name="numbers"),
            Child(Workers, Child(Job, jobs), name="workers", keywords=keywords),
        ]
        await system.start(Supervisor, children)
        await settle()
        assert sorted(jobs) == [0, 1]
        system.named(ConsumerSupervisor, "workers").kill()
        await settle()
        assert sorted(jobs) == [0, 1, 2, 3]
        assert not jobs[0][0].alive

    run(scenario)
