"""What a supervisor reports, and that nothing breaks it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

import pytest

from headwater import (
    Child,
    Exit,
    GenServer,
    OneForOne,
    Pid,
    Supervisor,
    System,
)
from headwater.errors import DefinitionError, StartFailed
from headwater.runtime.report import SupervisorReport
from headwater.testing.clock import VirtualClock
from tests.runtime.driving import run, settle
from tests.runtime.supervised import Idle, Stubborn, Team, Worker, crash, leave, significant, states, workers

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
