"""PartitionSupervisor: equal processes, among which keys are divided."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import Backoff, Child, GenServer, OneForAll, OneForOne, Pid, System
from headwater.errors import DefinitionError, NameUnknown, ProcessDown, StartFailed
from headwater.runtime.child import ChildCounts
from headwater.runtime.partition_supervisor import PartitionSupervisor
from headwater.runtime.partitions import partition_of
from headwater.testing.clock import VirtualClock
from tests.runtime.driving import run, settle
from tests.runtime.supervised import Stubborn, Worker


class Part(GenServer):
    def init(self, *arguments: object) -> None:
        self.arguments = arguments

    def tell(self) -> tuple[object, ...]:
        return self.arguments

    def boom(self) -> None:
        raise ValueError("boom")


def numbered(arguments: tuple[object, ...], number: int) -> list[object]:
    return [*arguments, number]


async def start(system: System, partitions: int) -> Pid[PartitionSupervisor]:
    child = Child(Part, "part")
    return await system.start(PartitionSupervisor, child, partitions=partitions, with_arguments=numbered)


@pytest.mark.row("PS-01")
@given(st.integers(), st.integers(1, 64))
def test_an_integer_belongs_to_its_remainder(key: int, count: int) -> None:
    assert partition_of(key, count) == abs(key) % count


@pytest.mark.row("PS-01")
def test_other_keys_belong_to_the_same_partition_in_every_run() -> None:
    keys = ["user-7", b"user-7", ("user", 7), 7.5, None, UUID(int=7)]
    assert [partition_of(key, 1000) for key in keys] == [745, 745, 924, 464, 41, 895]


@pytest.mark.row("PS-01")
def test_texts_are_spread_evenly() -> None:
    spread = Counter(partition_of(f"user-{number}", 8) for number in range(8_000))
    assert set(spread) == set(range(8))
    assert max(spread.values()) < 1.2 * min(spread.values())


@pytest.mark.row("PS-01")
def test_a_key_without_a_value_of_its_own_is_refused() -> None:
    with pytest.raises(TypeError, match="can't be a key"):
        partition_of(object(), 4)

    async def scenario(system: System) -> None:
        parts = await start(system, 2)
        with pytest.raises(TypeError, match="can't be a key"):
            await parts.call(PartitionSupervisor.pid_for, object())
        assert parts.alive

    run(scenario)


@pytest.mark.row("PS-01")
def test_a_key_leads_to_its_partition_also_after_a_restart() -> None:
    async def scenario(system: System) -> None:
        parts = await start(system, 4)
        routes = await parts.call(PartitionSupervisor.routes, Part)
        for key in (0, 5, -6, "user-7"):
            pid = routes.via(key)
            assert await pid.call(Part.tell) == ("part", partition_of(key, 4))
            assert await parts.call(PartitionSupervisor.pid_for, key) == pid
        before = routes.via(2)
        with pytest.raises(ProcessDown):
            await before.call(Part.boom)
        await settle()
        assert routes.via(2) != before
        assert await routes.via(2).call(Part.tell) == ("part", 2)
        assert [info.restarts for info in await parts.call(PartitionSupervisor.which_children)] == [0, 0, 1, 0]

    run(scenario)


@pytest.mark.row("PS-01")
def test_there_are_as_many_partitions_as_processors_if_nobody_says_otherwise() -> None:
    async def scenario(system: System) -> None:
        parts = await system.start(PartitionSupervisor, Child(Part))
        assert await parts.call(PartitionSupervisor.partitions) == os.cpu_count()

    run(scenario)


@pytest.mark.row("PS-01")
def test_a_key_whose_partition_is_about_to_restart_says_so() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        strategy = OneForOne(backoff=Backoff(1.0, 1.0))
        parts = await system.start(PartitionSupervisor, Child(Part), partitions=2, strategy=strategy)
        routes = await parts.call(PartitionSupervisor.routes, Part)
        routes.via(1).kill()
        await settle()
        with pytest.raises(NameUnknown, match="partition 1 of 2, of key 3, does not run now"):
            routes.via(3)
        with pytest.raises(NameUnknown):
            await parts.call(PartitionSupervisor.pid_for, 3)
        assert await routes.via(2).call(Part.tell) == ()
        clock.advance(1.0)
        await settle()
        assert await routes.via(3).call(Part.tell) == ()

    run(scenario, clock)


@pytest.mark.row("PS-02")
def test_each_partition_has_arguments_of_its_own_also_after_a_restart() -> None:
    async def scenario(system: System) -> None:
        parts = await start(system, 3)
        routes = await parts.call(PartitionSupervisor.routes, Part)
        assert [await routes.via(number).call(Part.tell) for number in range(3)] == [("part", n) for n in range(3)]
        routes.via(1).kill()
        await settle()
        assert await routes.via(1).call(Part.tell) == ("part", 1)
        same = await system.start(PartitionSupervisor, Child(Part, "x"), partitions=2)
        equal = await same.call(PartitionSupervisor.routes, Part)
        assert [await equal.via(number).call(Part.tell) for number in range(2)] == [("x",), ("x",)]

    run(scenario)


@pytest.mark.row("PS-03")
def test_it_can_be_made_smaller_and_as_large_as_at_the_start() -> None:
    log: list[str] = []

    async def scenario(system: System) -> None:
        child = Child(Worker, keywords={"log": log})
        parts = await system.start(
            PartitionSupervisor, child, partitions=4, with_arguments=lambda _, number: [str(number)]
        )
        routes = await parts.call(PartitionSupervisor.routes, Worker)
        log.clear()
        await parts.call(PartitionSupervisor.resize, 2)
        assert log == ["end 3", "end 2"]
        assert await parts.call(PartitionSupervisor.partitions) == len(routes) == 2
        assert [await routes.via(key).call(Worker.ping) for key in range(4)] == ["0", "1", "0", "1"]
        assert await parts.call(PartitionSupervisor.count_children) == ChildCounts(4, 2, 0, 4)
        states = [info.state for info in await parts.call(PartitionSupervisor.which_children)]
        assert states == ["running", "running", "stopped", "stopped"]
        await parts.call(PartitionSupervisor.resize, 4)
        assert log[2:] == ["start 2", "start 3"]
        assert [await routes.via(key).call(Worker.ping) for key in range(4)] == ["0", "1", "2", "3"]
        for bad in (0, 5):
            with pytest.raises(DefinitionError, match="1 … 4 partitions"):
                await parts.call(PartitionSupervisor.resize, bad)
        assert await parts.call(PartitionSupervisor.partitions) == 4

    run(scenario)


@pytest.mark.row("PS-03")
def test_nothing_is_routed_to_a_partition_that_is_ending() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        child = Child(Stubborn, "s", [], shutdown=2.0)
        parts = await system.start(PartitionSupervisor, child, partitions=2)
        routes = await parts.call(PartitionSupervisor.routes, Stubborn)
        resizing = asyncio.create_task(parts.call(PartitionSupervisor.resize, 1))
        await settle()
        assert not resizing.done()
        assert routes.via(1) == routes.via(0)
        assert await routes.via(1).call(Stubborn.ping) == "s"
        clock.advance(2.0)
        await resizing
        stopping = asyncio.create_task(parts.stop())
        await settle()
        clock.advance(2.0)
        await stopping

    run(scenario, clock)


@pytest.mark.row("PS-03")
def test_if_a_missing_partition_cannot_start_the_number_stays() -> None:
    log: list[str] = []
    broken = [False]

    async def scenario(system: System) -> None:
        parts = await system.start(
            PartitionSupervisor,
            Child(Worker),
            partitions=3,
            with_arguments=lambda _, number: [str(number), log, lambda: broken[0] and number == 2],
        )
        await parts.call(PartitionSupervisor.resize, 1)
        broken[0] = True
        log.clear()
        with pytest.raises(StartFailed, match="child '2' could not start"):
            await parts.call(PartitionSupervisor.resize, 3)
        assert await parts.call(PartitionSupervisor.partitions) == 1
        assert log == ["start 1", "end 1"]

    run(scenario)


@pytest.mark.parametrize(
    ("child", "partitions", "message"),
    [
        (Child(Part), 0, "at least 1 partition"),
        (Child(Part, name="part"), 2, "can't all have the name"),
        (Child(Part, restart="temporary"), 2, "can't be temporary"),
        (cast("Child", "part"), 2, "described by Child"),
    ],
)
def test_what_cannot_be_partitioned_is_refused(child: Child, partitions: int, message: str) -> None:
    async def scenario(system: System) -> None:
        with pytest.raises(StartFailed, match=message):
            await system.start(PartitionSupervisor, child, partitions=partitions)
        with pytest.raises(StartFailed, match="their strategy is OneForOne"):
            await system.start(PartitionSupervisor, Child(Part), strategy=OneForAll())

    run(scenario)
