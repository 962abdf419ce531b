"""Supervisors: start in order, bring back, give up, end in reverse order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import ClassVar, cast

import pytest

from headwater import (
    Backoff,
    Child,
    Exit,
    GenServer,
    OneForAll,
    OneForOne,
    Pid,
    RestForOne,
    Supervisor,
    System,
)
from headwater.errors import ChildExists, ChildRunning, ChildUnknown, DefinitionError, StartFailed
from headwater.runtime.child import ChildCounts
from headwater.runtime.report import SupervisorReport
from headwater.runtime.restart import Restart
from headwater.runtime.shutdown import ShutdownForm
from headwater.runtime.strategy import Strategy
from headwater.testing.clock import VirtualClock
from tests.runtime.driving import run, settle
from tests.runtime.supervised import Idle, Slow, Stubborn, Worker, crash, leave


class Team(Supervisor):
    strategy = OneForOne(max_restarts=3, within=5.0)

    def children(self, log: list[str]) -> Iterable[Child]:
        yield Child(Worker, "a", log, name="a")
        yield Child(Worker, "b", log, name="b", restart="transient")
        yield Child(Worker, "c", log, name="c", restart="temporary")


def workers(names: str, log: list[str], restart: Restart = "permanent") -> list[Child]:
    return [Child(Worker, name, log, name=name, restart=restart) for name in names]


async def states(supervisor: Pid[Supervisor]) -> dict[str, str]:
    return {info.id: info.state for info in await supervisor.call(Supervisor.which_children)}


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


# --- restarts ------------------------------------------------------------------------------------------------


@pytest.mark.row("SU-01")
@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (OneForOne(), ["start b"]),
        (OneForAll(), ["end d", "end c", "end a", "start a", "start b", "start c", "start d"]),
        (RestForOne(), ["end d", "end c", "start b", "start c", "start d"]),
    ],
)
def test_the_strategy_decides_who_shares_the_fate_of_a_child(strategy: Strategy, expected: list[str]) -> None:
    log: list[str] = []

    async def scenario(system: System) -> None:
        team = await system.start(Supervisor, workers("abcd", log), strategy=strategy)
        log.clear()
        system.named(Worker, "b").kill()
        await settle()
        assert log == expected
        assert [info.id for info in await team.call(Supervisor.which_children)] == ["a", "b", "c", "d"]

    run(scenario)


@pytest.mark.row("SU-01", "SU-03")
def test_a_group_restart_drops_temporary_children_and_starts_those_that_had_ended() -> None:
    log: list[str] = []

    async def scenario(system: System) -> None:
        children = [*workers("a", log), *workers("b", log, "transient"), *workers("c", log, "temporary")]
        team = await system.start(Supervisor, children, strategy=OneForAll())
        await leave(system, "b")
        assert await states(team) == {"a": "running", "b": "stopped", "c": "running"}
        log.clear()
        await crash(system, "a")
        assert log == ["end a", "end c", "start a", "start b"]
        assert await states(team) == {"a": "running", "b": "running"}

    run(scenario)


@pytest.mark.row("SU-03")
@pytest.mark.parametrize(
    ("name", "after_crash", "after_normal_end"), [("a", True, True), ("b", True, False), ("c", False, False)]
)
def test_the_restart_type_decides_who_comes_back(name: str, after_crash: bool, after_normal_end: bool) -> None:
    async def scenario(system: System) -> None:
        team = await system.start(Team, [])
        await crash(system, name)
        assert (system.whereis(name) is not None) is after_crash
        if after_crash:
            await leave(system, name)
            assert (system.whereis(name) is not None) is after_normal_end
        ids = [info.id for info in await team.call(Team.which_children)]
        assert (name in ids) is (name != "c")  # a temporary child's specification goes with it

    run(scenario)


@pytest.mark.row("SU-02")
def test_too_many_restarts_in_too_short_a_time_end_the_supervisor() -> None:
    clock = VirtualClock()
    log: list[str] = []

    async def scenario(system: System) -> None:
        team = await system.start(Team, log)
        for _ in range(3):
            await crash(system, "a")
        assert team.alive
        clock.advance(5.1)  # the first three are forgotten
        for _ in range(3):
            await crash(system, "a")
        assert team.alive
        log.clear()
        await crash(system, "a")
        assert await team.wait() is Exit.SHUTDOWN
        assert log == ["end a", "end c", "end b"]
        assert [system.whereis(name) for name in ("a", "b", "c")] == [None, None, None]

    run(scenario, clock)


@pytest.mark.row("SU-02")
def test_a_supervisor_of_supervisors_counts_one_restart_when_one_gives_up() -> None:
    class Top(Supervisor):
        def children(self) -> Iterable[Child]:
            yield Child(Team, [], name="team")

    async def scenario(system: System) -> None:
        top = await system.start(Top)
        for _ in range(4):
            await crash(system, "a")
        await settle()
        assert top.alive
        assert await system.named(Worker, "a").call(Worker.ping) == "a"
        assert [info.restarts for info in await top.call(Top.which_children)] == [1]

    run(scenario)


@pytest.mark.row("SU-12")
def test_a_restart_that_fails_is_tried_again_and_counts() -> None:
    failures = [False, True, True, False]

    async def scenario(system: System) -> None:
        team = await system.start(Supervisor, [Child(Worker, "a", [], lambda: failures.pop(0), name="a")])
        await crash(system, "a")
        assert system.whereis("a") is not None
        assert [info.restarts for info in await team.call(Supervisor.which_children)] == [3]
        failures.append(False)
        await crash(system, "a")
        assert await team.wait() is Exit.SHUTDOWN

    run(scenario)


@pytest.mark.row("SU-12")
def test_while_a_restart_fails_other_messages_are_handled_in_between() -> None:
    seen: list[int] = []

    def fail() -> bool:
        seen.append(1)
        return len(seen) > 1

    async def scenario(system: System) -> None:
        child = Child(Worker, "a", [], fail, name="a")
        team = await system.start(Supervisor, [child], strategy=OneForOne(max_restarts=50))
        system.named(Worker, "a").cast(Worker.boom)
        asking = asyncio.create_task(team.call(Supervisor.count_children))
        counts = await asking
        assert counts.specs == 1
        assert 1 < len(seen) < 50
        assert await team.wait() is Exit.SHUTDOWN

    run(scenario)


@pytest.mark.row("SU-12")
@pytest.mark.parametrize(("strategy", "others"), [(OneForAll(), ["a", "b", "c"]), (RestForOne(), ["b", "c"])])
def test_when_one_of_a_group_cannot_restart_the_group_is_tried_again_from_it(
    strategy: Strategy, others: list[str]
) -> None:
    log: list[str] = []
    failures = [False, True, False]

    async def scenario(system: System) -> None:
        children = [*workers("a", log), Child(Worker, "b", log, lambda: failures.pop(0), name="b"), *workers("c", log)]
        team = await system.start(Supervisor, children, strategy=strategy)
        log.clear()
        system.named(Worker, "b").kill()
        await settle()
        assert await states(team) == {"a": "running", "b": "running", "c": "running"}
        assert [line for line in log if line.startswith("start")][-len(others) :] == [
            f"start {name}" for name in others
        ]
        assert ("end a" in log) is (others[0] == "a")

    run(scenario)


@pytest.mark.row("SU-12")
def test_a_name_that_is_taken_when_a_child_restarts_is_a_failed_restart() -> None:
    async def scenario(system: System) -> None:
        team = await system.start(Supervisor, [Child(Worker, "a", [], name="a")], strategy=OneForOne(max_restarts=2))
        thief: list[Pid[Worker]] = []

        async def steal() -> None:
            thief.append(await system.start(Worker, "thief", [], name="a"))

        system.named(Worker, "a").kill()
        await steal()  # before the supervisor has its turn
        assert await team.wait() is Exit.SHUTDOWN
        assert thief[0].alive

    run(scenario)


# --- back-off ------------------------------------------------------------------------------------------------


@pytest.mark.row("BR-03")
def test_a_child_waits_for_its_back_off_while_the_supervisor_goes_on_serving() -> None:
    clock = VirtualClock()
    strategy = OneForOne(max_restarts=100, within=5.0, backoff=Backoff(1.0, 3.0, jitter=0.0))

    async def scenario(system: System) -> None:
        team = await system.start(Supervisor, workers("ab", []), strategy=strategy)
        for wait in (1.0, 2.0, 3.0, 3.0):
            await crash(system, "a")
            assert await states(team) == {"a": "restarting", "b": "running"}
            clock.advance(wait - 0.01)
            await settle()
            assert system.whereis("a") is None
            clock.advance(0.01)
            await settle()
            assert await states(team) == {"a": "running", "b": "running"}
        clock.advance(5.0)  # it has lived for long: the next wait is the first again
        await crash(system, "a")
        clock.advance(1.0)
        await settle()
        assert await states(team) == {"a": "running", "b": "running"}

    run(scenario, clock)
    assert clock.pending == 0


@pytest.mark.row("BR-03")
def test_with_a_back_off_too_many_restarts_still_end_the_supervisor() -> None:
    clock = VirtualClock()
    strategy = OneForOne(max_restarts=2, within=60.0, backoff=Backoff(1.0, 10.0))

    async def scenario(system: System) -> None:
        down = [False]
        team = await system.start(Supervisor, [Child(Worker, "a", [], lambda: down[0], name="a")], strategy=strategy)
        down[0] = True
        await crash(system, "a")
        for _ in range(2):
            assert team.alive
            clock.advance(2.0)
            await settle()
        assert await team.wait() is Exit.SHUTDOWN

    run(scenario, clock)
    assert clock.pending == 0


@pytest.mark.row("BR-03")
def test_during_the_back_off_of_a_group_nobody_of_it_runs() -> None:
    clock = VirtualClock()
    log: list[str] = []
    strategy = RestForOne(backoff=Backoff(1.0, 10.0, jitter=0.0))

    async def scenario(system: System) -> None:
        team = await system.start(Supervisor, workers("abc", log), strategy=strategy)
        log.clear()
        system.named(Worker, "b").kill()
        await settle()
        assert log == ["end c"]
        assert await states(team) == {"a": "running", "b": "restarting", "c": "stopped"}
        system.named(Worker, "a").kill()  # one restart from there includes the other
        await settle()
        assert await states(team) == {"a": "restarting", "b": "stopped", "c": "stopped"}
        clock.advance(1.0)
        await settle()
        assert log == ["end c", "start a", "start b", "start c"]

    run(scenario, clock)
    assert clock.pending == 0


@pytest.mark.row("BR-03")
def test_a_supervisor_ends_at_once_though_a_child_waits_for_its_back_off() -> None:
    clock = VirtualClock()
    strategy = OneForOne(backoff=Backoff(100.0, 100.0))

    async def scenario(system: System) -> None:
        team = await system.start(Supervisor, workers("ab", []), strategy=strategy)
        await crash(system, "a")
        await team.stop()
        clock.advance(200.0)
        await settle()
        assert system.whereis("a") is None
        killed = await system.start(Supervisor, workers("ab", []), strategy=strategy)
        await crash(system, "a")
        killed.kill()
        await settle()
        assert clock.pending == 0

    run(scenario, clock)


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


# --- significant children ------------------------------------------------------------------------------------


def significant(names: str, restart: Restart) -> list[Child]:
    return [child.override(significant=True) for child in workers(names, [], restart)]


@pytest.mark.row("SU-08")
@pytest.mark.parametrize(
    ("when", "ending", "over"),
    [("any_significant", "a", True), ("all_significant", "a", False), ("all_significant", "ab", True)],
)
def test_a_supervisor_ends_after_its_significant_children(when: str, ending: str, over: bool) -> None:
    async def scenario(system: System) -> None:
        children = [*significant("ab", "transient"), *workers("c", [], "transient")]
        team = await system.start(Supervisor, children, auto_shutdown=when)
        await crash(system, "a")  # it comes back, so that says nothing
        await leave(system, "c")
        seen = [team.alive]
        for name in ending:
            await leave(system, name)
        assert [*seen, team.alive] == [True, not over]
        if over:
            assert await team.wait() is Exit.SHUTDOWN
            assert not system._running().processes

    run(scenario)


@pytest.mark.row("SU-08")
def test_a_significant_temporary_child_counts_also_when_it_crashes() -> None:
    async def scenario(system: System) -> None:
        team = await system.start(Supervisor, significant("a", "temporary"), auto_shutdown="any_significant")
        await crash(system, "a")
        assert await team.wait() is Exit.SHUTDOWN

    run(scenario)


@pytest.mark.row("SU-08")
def test_a_significant_child_that_others_end_counts_for_nothing() -> None:
    async def scenario(system: System) -> None:
        team = await system.start(Supervisor, significant("a", "transient"), auto_shutdown="any_significant")
        await team.call(Supervisor.terminate_child, "a")
        await settle()
        assert team.alive

    run(scenario)


@pytest.mark.row("SU-08")
def test_a_significant_child_under_a_supervisor_that_never_shuts_down_is_refused() -> None:
    async def scenario(system: System) -> None:
        with pytest.raises(StartFailed, match="never shuts down"):
            await system.start(Supervisor, significant("a", "transient"))
        with pytest.raises(StartFailed, match="auto_shutdown is one of"):
            await system.start(Supervisor, [], auto_shutdown="sometimes")
        team = await system.start(Supervisor)
        with pytest.raises(DefinitionError, match="never shuts down"):
            await team.call(Supervisor.start_child, significant("a", "transient")[0])
        assert team.alive

    run(scenario)


# --- at run time ---------------------------------------------------------------------------------------------


@pytest.mark.row("SU-10")
def test_two_children_of_one_id_are_refused_and_nothing_starts() -> None:
    log: list[str] = []

    async def scenario(system: System) -> None:
        with pytest.raises(StartFailed, match="have the id 'Worker'") as caught:
            await system.start(Supervisor, [Child(Worker, "a", log), Child(Worker, "b", log)])
        assert isinstance(caught.value.__cause__, DefinitionError)
        assert log == []
        team = await system.start(Supervisor, workers("a", log))
        for state in ("running", "stopped"):
            with pytest.raises(ChildExists, match=state):
                await team.call(Supervisor.start_child, Child(Worker, "again", log, id="a"))
            await team.call(Supervisor.terminate_child, "a")
        assert log == ["start a", "end a"]

    run(scenario)


@pytest.mark.row("SU-11")
def test_children_can_be_started_ended_restarted_and_deleted_while_it_runs() -> None:
    log: list[str] = []

    async def scenario(system: System) -> None:
        team = await system.start(Supervisor, workers("a", log))
        started = await team.call(Supervisor.start_child, Child(Worker, "b", log, name="b"))
        assert started is not None
        assert await started.call(Worker.ping) == "b"
        for change in (Supervisor.delete_child, Supervisor.restart_child):
            with pytest.raises(ChildRunning, match="'b' is running"):
                await team.call(change, "b")
        await team.call(Supervisor.terminate_child, "b")
        assert not started.alive
        assert await states(team) == {"a": "running", "b": "stopped"}
        await team.call(Supervisor.terminate_child, "b")
        again = await team.call(Supervisor.restart_child, "b")
        assert again == system.whereis("b")
        await team.call(Supervisor.terminate_child, "b")
        await team.call(Supervisor.delete_child, "b")
        assert await states(team) == {"a": "running"}
        assert log == ["start a", "start b", "end b", "start b", "end b"]

    run(scenario)


@pytest.mark.row("SU-11")
def test_what_cannot_be_done_is_an_answer_and_the_supervisor_lives_on() -> None:
    async def scenario(system: System) -> None:
        team = await system.start(Supervisor, workers("a", []))
        for change in (Supervisor.terminate_child, Supervisor.delete_child, Supervisor.restart_child):
            with pytest.raises(ChildUnknown, match="no child 'x'; there are: a"):
                await team.call(change, "x")
        with pytest.raises(StartFailed, match="child 'bad' could not start: OSError"):
            await team.call(Supervisor.start_child, Child(Worker, "b", [], lambda: True, id="bad"))
        with pytest.raises(DefinitionError, match="described by Child"):
            await team.call(Supervisor.start_child, cast("Child", "worker"))
        assert await states(team) == {"a": "running"}

    run(scenario)


@pytest.mark.row("SU-11")
def test_ending_a_temporary_child_forgets_it_and_ending_one_that_waits_ends_the_wait() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        children = [*workers("a", []), *workers("b", [], "temporary")]
        team = await system.start(Supervisor, children, strategy=OneForOne(backoff=Backoff(1.0, 1.0)))
        await team.call(Supervisor.terminate_child, "b")
        await crash(system, "a")
        with pytest.raises(ChildRunning, match="'a' is restarting"):
            await team.call(Supervisor.delete_child, "a")
        assert clock.pending == 1
        await team.call(Supervisor.terminate_child, "a")
        assert clock.pending == 0
        clock.advance(2.0)
        await settle()
        assert await states(team) == {"a": "stopped"}

    run(scenario, clock)


@pytest.mark.row("SU-11")
def test_children_are_counted_by_kind_and_whether_they_run() -> None:
    async def scenario(system: System) -> None:
        team = await system.start(Supervisor, [*workers("xyz", []), Child(Team, [])])
        await team.call(Supervisor.terminate_child, "y")
        assert await team.call(Supervisor.count_children) == ChildCounts(specs=4, active=3, supervisors=1, workers=3)
        kinds = [info.kind for info in await team.call(Supervisor.which_children)]
        assert kinds == ["worker", "worker", "worker", "supervisor"]

    run(scenario)


# --- reports -------------------------------------------------------------------------------------------------


@pytest.mark.row("SU-13")
def test_what_happens_to_children_is_reported_as_data(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "headwater.supervisor")
    clock = VirtualClock()
    failures = [False, True, False]

    async def scenario(system: System) -> None:
        children = [
            Child(Worker, "a", [], lambda: failures.pop(0), name="a"),
            Child(Stubborn, "b", [], name="b", shutdown=1.0),
            Child(Idle, [False], id="c"),
        ]
        team = await system.start(Supervisor, children, name="team", strategy=OneForOne(max_restarts=2))
        await crash(system, "a")
        system.named(Worker, "a").kill()
        await settle()
        clock.advance(1.0)
        assert await team.wait() is Exit.SHUTDOWN

    run(scenario, clock)
    reports = [record.__dict__["supervision"] for record in caplog.records if record.name == "headwater.supervisor"]
    assert all(isinstance(report, SupervisorReport) and report.supervisor == "Supervisor 'team'" for report in reports)
    assert [(report.kind, report.child, report.restarts) for report in reports] == [
        ("started", "a", 0),
        ("started", "b", 0),
        ("ignored", "c", 0),
        ("crashed", "a", 0),
        ("restarting", "a", 0),
        ("start failed", "a", 1),
        ("started", "a", 2),
        ("crashed", "a", 2),
        ("gave up", "a", 2),
        ("killed", "b", 0),
    ]
    assert isinstance(reports[3].reason, ValueError)
    assert isinstance(reports[5].reason, OSError)
    assert "Supervisor 'team': child 'a' crashed (ValueError: boom)" in caplog.text


@pytest.mark.row("SU-13")
def test_a_shutdown_after_a_significant_child_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "headwater.supervisor")

    async def scenario(system: System) -> None:
        team = await system.start(Supervisor, significant("a", "transient"), auto_shutdown="any_significant")
        await leave(system, "a")
        assert not team.alive

    run(scenario)
    assert caplog.records[-1].__dict__["supervision"].kind == "shut down"


# --- nothing breaks it ---------------------------------------------------------------------------------------


@pytest.mark.row("SU-14")
@pytest.mark.parametrize("name", ["handle_info", "terminate", "init", "report"])
def test_a_supervisor_that_would_run_other_code_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match=f"{name}: a supervisor runs no code of yours"):
        type("Bad", (Supervisor,), {name: lambda self: None})


@pytest.mark.row("SU-14")
def test_children_is_not_asked_again() -> None:
    asked: list[str] = []

    class Curious(Supervisor):
        def children(self) -> Iterable[Child]:
            asked.append("asked")
            return workers("a", [])

    async def scenario(system: System) -> None:
        team = await system.start(Curious)
        await crash(system, "a")
        with pytest.raises(Exception, match="no public method"):
            await team.call(Curious.children)
        await settle()
        assert team.alive
        assert asked == ["asked"]

    run(scenario)


class Hostile(GenServer):
    """Does at its start what its argument does."""

    def init(self, act: Callable[[], object]) -> object:
        return act()


async def give_up() -> None:
    raise asyncio.CancelledError


def raise_base() -> None:
    raise asyncio.CancelledError


class Unmakeable(GenServer):
    def __init__(self) -> None:
        raise LookupError("not even made")


@pytest.mark.row("SU-14")
@pytest.mark.parametrize(
    "child", [Child(Hostile, give_up, id="x"), Child(Hostile, raise_base, id="x"), Child(Unmakeable, id="x")]
)
def test_whatever_a_childs_start_does_the_supervisor_lives_on(child: Child) -> None:
    async def scenario(system: System) -> None:
        team = await system.start(Supervisor, workers("a", []))
        with pytest.raises(StartFailed, match="child 'x' could not start"):
            await team.call(Supervisor.start_child, child)
        assert await states(team) == {"a": "running"}

    run(scenario)


@pytest.mark.row("SU-14")
def test_the_supervisor_is_not_disturbed_by_messages_and_foreign_exits(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        team = await system.start(Team, [])
        team.send("hello")
        team.exit(ValueError("from outside"))
        stranger = await system.start(Worker, "stranger", [])
        stranger.process.link(team.process)
        stranger.kill()
        await settle()
        assert len(await team.call(Team.which_children)) == 3
        assert "none of its business" in caplog.text

    run(scenario)


@pytest.mark.row("SU-14")
def test_a_living_child_that_sends_its_supervisor_an_exit_signal_is_not_taken_for_dead() -> None:
    class Liar(Worker):
        def lie(self, to: Pid[object]) -> None:
            self.exit(to, ValueError("I am dead"))

    log: list[str] = []

    async def scenario(system: System) -> None:
        team = await system.start(Supervisor, [Child(Liar, "a", log, name="a")])
        await system.named(Liar, "a").call(Liar.lie, team)
        await settle()
        assert await states(team) == {"a": "running"}
        assert log == ["start a"]

    run(scenario)


def test_children_of_a_supervisor_that_is_killed_end_too() -> None:
    log: list[str] = []

    async def scenario(system: System) -> None:
        team = await system.start(Team, log)
        team.kill()
        await settle()
        assert [system.whereis(name) for name in ("a", "b", "c")] == [None, None, None]

    run(scenario)


def test_a_childs_parent_is_its_supervisor() -> None:
    async def scenario(system: System) -> None:
        team = await system.start(Team, [])
        await crash(system, "a")
        assert all(system.named(Worker, name).process.parent is team.process for name in "ab")

    run(scenario)
