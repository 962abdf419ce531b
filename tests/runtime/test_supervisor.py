"""Supervisors: start in order, end in reverse order, and what a child is."""

from __future__ import annotations

import asyncio
from typing import ClassVar, cast

import pytest

from headwater import (
    Child,
    Exit,
    GenServer,
    Pid,
    Supervisor,
    System,
)
from headwater.errors import DefinitionError, StartFailed
from headwater.runtime.restart import Restart
from headwater.runtime.shutdown import ShutdownForm
from headwater.testing.clock import VirtualClock
from tests.runtime.driving import run, settle
from tests.runtime.supervised import Idle, Slow, Stubborn, Team, Worker, states, workers

# --- order ---------------------------------------------------------------------------------------------------


@pytest.mark.row("SU-05")
def test_children_start_in_order_and_end_in_reverse() -> None:
    log: list[str] = []

    async def scenario(system: System) -> None:
        await system.start(Team, log)
        assert log == ["start a", "start b", "start c"]
        log.clear()

    run(scenario)
    assert log == ["end c", "end b", "end a"]


@pytest.mark.row("SU-05")
def test_each_child_waits_for_the_init_of_the_one_before_it() -> None:
    log: list[str] = []

    async def scenario(system: System) -> None:
        gate = asyncio.Event()
        starting = asyncio.create_task(system.start(Supervisor, [Child(Slow, gate), *workers("a", log)]))
        await settle()
        assert log == []
        gate.set()
        await starting
        assert log == ["start a"]

    run(scenario)


@pytest.mark.row("SU-05")
def test_children_end_one_at_a_time() -> None:
    class Gated(Worker):
        gate: ClassVar[asyncio.Event]

        async def terminate(self, reason: object) -> None:
            await self.gate.wait()
            self.log.append(f"end {self.label}")

    log: list[str] = []

    async def scenario(system: System) -> None:
        Gated.gate = asyncio.Event()
        team = await system.start(Supervisor, [*workers("a", log), Child(Gated, "b", log)])
        stopping = asyncio.create_task(team.stop())
        await settle()
        assert system.whereis("a") is not None
        Gated.gate.set()
        await stopping
        assert log[-2:] == ["end b", "end a"]

    run(scenario)


@pytest.mark.row("SU-06")
def test_if_a_child_cannot_start_those_before_it_are_ended_and_the_error_names_it() -> None:
    log: list[str] = []

    async def scenario(system: System) -> None:
        children = [*workers("ab", log), Child(Worker, "c", log, lambda: True, name="c"), *workers("d", log)]
        with pytest.raises(StartFailed, match="child 'c' could not start: OSError: cannot start") as caught:
            await system.start(Supervisor, children)
        failure = caught.value.__cause__
        assert isinstance(failure, StartFailed)
        assert isinstance(failure.__cause__, OSError)
        assert log == ["start a", "start b", "end b", "end a"]
        assert system.whereis("a") is None

    run(scenario)


@pytest.mark.row("SU-06")
def test_a_start_that_is_given_up_leaves_no_child_behind() -> None:
    log: list[str] = []

    async def scenario(system: System) -> None:
        starting = asyncio.create_task(system.start(Supervisor, [*workers("a", log), Child(Slow, asyncio.Event())]))
        await settle()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await settle()
        assert log == ["start a", "end a"]
        assert not system._running().processes

    run(scenario)


# --- the forms of shutdown -----------------------------------------------------------------------------------


@pytest.mark.row("SU-04")
def test_a_child_that_does_not_end_in_time_is_killed() -> None:
    clock = VirtualClock()
    log: list[str] = []

    async def scenario(system: System) -> None:
        children = [*workers("a", log), Child(Stubborn, "b", log, name="b", shutdown=2.0)]
        team = await system.start(Supervisor, children)
        stubborn = system.named(Stubborn, "b")
        stopping = asyncio.create_task(team.stop(timeout=None))
        await settle()
        assert log[-1] == "asked b"
        clock.advance(1.9)
        await settle()
        assert stubborn.alive
        clock.advance(0.1)
        await stopping
        assert await stubborn.wait() is Exit.KILLED
        assert log[-1] == "end a"

    run(scenario, clock)
    assert clock.pending == 0


@pytest.mark.row("SU-04")
def test_a_child_without_limit_is_waited_for_and_one_to_be_killed_is_not_asked() -> None:
    clock = VirtualClock()
    log: list[str] = []

    async def scenario(system: System) -> None:
        patient = await system.start(Supervisor, [Child(Stubborn, "b", log, name="b", shutdown=None)])
        stubborn = system.named(Stubborn, "b")
        stopping = asyncio.create_task(patient.stop(timeout=None))
        clock.advance(1e9)
        await settle()
        assert stubborn.alive
        stubborn.kill()
        await stopping
        log.clear()
        brutal = await system.start(Supervisor, [Child(Stubborn, "c", log, name="c", shutdown="kill")])
        victim = system.named(Stubborn, "c")
        await brutal.stop()
        assert await victim.wait() is Exit.KILLED
        assert log == ["start c"]

    run(scenario, clock)


@pytest.mark.row("SU-04")
def test_the_limit_holds_though_the_supervisor_is_killed_meanwhile() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        team = await system.start(Supervisor, [Child(Stubborn, "b", [], name="b", shutdown=2.0)])
        stubborn = system.named(Stubborn, "b")
        stopping = asyncio.create_task(team.wait())
        team.exit(Exit.SHUTDOWN)
        asyncio.get_running_loop().call_soon(lambda: team.process.ask_to_stop(Exit.SHUTDOWN))
        await settle()
        team.kill()
        await stopping
        clock.advance(2.0)
        await settle()
        assert not stubborn.alive

    run(scenario, clock)


@pytest.mark.row("SU-09", "GS-21")
def test_a_childs_class_says_what_holds_unless_the_child_says_otherwise() -> None:
    class Once(GenServer):
        restart: ClassVar[Restart] = "temporary"
        shutdown: ClassVar[ShutdownForm] = "kill"

    assert (Child(Worker).restart, Child(Worker).shutdown) == ("permanent", 5.0)
    assert (Child(Once).restart, Child(Once).shutdown) == ("temporary", "kill")
    assert (Child(Once, restart="transient", shutdown=1.0).restart, Child(Once).id) == ("transient", Once.__qualname__)
    assert Child(Team, []).shutdown is None
    assert (Child(Team, []).kind, Child(Worker).kind) == ("supervisor", "worker")


@pytest.mark.row("SU-09")
def test_a_child_can_be_changed_without_repeating_it() -> None:
    child = Child(Worker, "a", name="a", restart="transient", capacity=7, significant=True)
    changed = child.override(name="b", shutdown=None)
    assert (changed.id, changed.name, changed.shutdown) == ("b", "b", None)
    assert (changed.server, changed.arguments, changed.capacity) == (Worker, ("a",), 7)
    assert (changed.restart, changed.significant) == ("transient", True)
    assert (child.name, child.shutdown) == ("a", 5.0)
    assert child.override(id="first").override(name=None).id == "first"
    with pytest.raises(DefinitionError, match="significant"):
        child.override(restart="permanent")


@pytest.mark.row("SU-09")
def test_bad_children_are_refused_where_they_are_described() -> None:
    with pytest.raises(DefinitionError, match="restart is one of"):
        Child(Worker, restart="always")  # type: ignore[arg-type]  # that is the point
    bad_times: list[object] = [0, -1.0, float("nan"), "brutally", []]
    for shutdown in bad_times:
        with pytest.raises(DefinitionError, match="positive number of seconds"):
            Child(Worker, shutdown=cast("float", shutdown))
    with pytest.raises(DefinitionError, match="subclass of GenServer"):
        Child(int)  # type: ignore[type-var]  # that is the point
    with pytest.raises(DefinitionError, match="significant"):
        Child(Worker, significant=True)


@pytest.mark.row("SU-09")
def test_keywords_capacity_and_timeout_reach_the_process() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        gate = asyncio.Event()
        child = Child(Worker, "a", keywords={"log": []}, name="a", capacity=3)
        team = await system.start(Supervisor, [child])
        assert system.named(Worker, "a").process.capacity == 3
        starting = asyncio.create_task(team.call(Supervisor.start_child, Child(Slow, gate, timeout=2.0)))
        await settle()
        clock.advance(2.0)
        with pytest.raises(StartFailed, match="not ready within"):
            await starting
        assert team.alive

    run(scenario, clock)


# --- children that aren't needed -----------------------------------------------------------------------------


@pytest.mark.row("SU-07")
def test_a_child_that_ignores_its_start_is_kept_without_a_process() -> None:
    switch = [False]

    async def scenario(system: System) -> None:
        children = [
            Child(Idle, switch, id="kept"),
            Child(Idle, switch, id="dropped", restart="temporary"),
            *workers("a", []),
        ]
        team = await system.start(Supervisor, children)
        infos = await team.call(Supervisor.which_children)
        assert [(info.id, info.pid is None) for info in infos] == [("kept", True), ("a", False)]
        assert await team.call(Supervisor.restart_child, "kept") is None
        switch[0] = True
        assert isinstance(await team.call(Supervisor.restart_child, "kept"), Pid)
        switch[0] = False
        assert await team.call(Supervisor.start_child, Child(Idle, switch, id="more")) is None
        assert await team.call(Supervisor.start_child, Child(Idle, switch, restart="temporary")) is None
        assert await states(team) == {"kept": "running", "a": "running", "more": "stopped"}

    run(scenario)
