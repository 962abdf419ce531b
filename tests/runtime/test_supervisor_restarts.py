"""Supervisors bring children back, wait before it, and give up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from headwater import (
    Backoff,
    Child,
    Exit,
    OneForAll,
    OneForOne,
    Pid,
    RestForOne,
    Supervisor,
    System,
)
from headwater.runtime.strategy import Strategy
from headwater.testing.clock import VirtualClock
from tests.runtime.driving import run, settle
from tests.runtime.supervised import Team, Worker, crash, leave, states, workers

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
