"""Children that end their supervisor, and children that are managed while it runs."""

from __future__ import annotations

from typing import cast

import pytest

from headwater import (
    Backoff,
    Child,
    Exit,
    OneForOne,
    Supervisor,
    System,
)
from headwater.errors import ChildExists, ChildRunning, ChildUnknown, DefinitionError, StartFailed
from headwater.runtime.child import ChildCounts
from headwater.testing.clock import VirtualClock
from tests.runtime.driving import run, settle
from tests.runtime.supervised import Team, Worker, crash, leave, significant, states, workers

# --- significant children ------------------------------------------------------------------------------------


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
