"""Supervisors: start in order, bring back, give up, end in reverse order."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable

import pytest

from headwater import Child, Exit, GenServer, OneForOne, Pid, Supervisor, System
from headwater.errors import DefinitionError, ProcessDown, StartFailed
from headwater.testing.clock import VirtualClock

Scenario = Callable[[System], Coroutine[object, object, None]]


class Worker(GenServer):
    trap_exit = True
    log: list[str] = []  # noqa: RUF012 - shared by all of a test's workers

    def init(self, label: str, fail: Callable[[], bool] = lambda: False) -> None:
        if fail():
            raise OSError("cannot start")
        self.label = label
        self.log.append(f"start {label}")

    def boom(self) -> None:
        raise ValueError("boom")

    def leave(self) -> None:
        self.stop()

    def ping(self) -> str:
        return self.label

    def terminate(self, reason: object) -> None:
        self.log.append(f"end {self.label}")


class Team(Supervisor):
    strategy = OneForOne(max_restarts=3, within=5.0)

    def children(self) -> Iterable[Child]:
        yield Child(Worker, "a", name="a")
        yield Child(Worker, "b", name="b", restart="transient")
        yield Child(Worker, "c", name="c", restart="temporary")


@pytest.fixture(autouse=True)
def _log() -> None:
    Worker.log.clear()


def run(scenario: Scenario, clock: VirtualClock | None = None) -> None:
    async def main() -> None:
        async with System("test", clock=clock) as system:
            await scenario(system)

    asyncio.run(main())


async def crash(system: System, name: str) -> None:
    worker = system.named(Worker, name)
    with pytest.raises(ProcessDown):
        await worker.call(Worker.boom)
    await settle()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.row("SU-05")
def test_children_start_in_order_and_end_in_reverse() -> None:
    async def scenario(system: System) -> None:
        await system.start(Team)
        assert Worker.log == ["start a", "start b", "start c"]
        Worker.log.clear()

    run(scenario)
    assert Worker.log == ["end c", "end b", "end a"]


def test_only_the_child_that_ended_is_restarted() -> None:
    async def scenario(system: System) -> None:
        team = await system.start(Team)
        others = [system.whereis(name) for name in ("b", "c")]
        before = system.whereis("a")
        await crash(system, "a")
        assert system.whereis("a") not in (None, before)
        assert [system.whereis(name) for name in ("b", "c")] == others
        assert [info.restarts for info in await team.call(Team.which_children)] == [1, 0, 0]

    run(scenario)


@pytest.mark.row("SU-03")
@pytest.mark.parametrize(
    ("name", "after_crash", "after_normal_end"), [("a", True, True), ("b", True, False), ("c", False, False)]
)
def test_the_restart_type_decides_who_comes_back(name: str, after_crash: bool, after_normal_end: bool) -> None:
    async def scenario(system: System) -> None:
        team = await system.start(Team)
        await crash(system, name)
        assert (system.whereis(name) is not None) is after_crash
        if after_crash:
            system.named(Worker, name).cast(Worker.leave)
            await settle()
            assert (system.whereis(name) is not None) is after_normal_end
        ids = [info.id for info in await team.call(Team.which_children)]
        assert (name in ids) is (name != "c")  # a temporary child's specification goes with it

    run(scenario)


@pytest.mark.row("SU-02")
def test_too_many_restarts_in_too_short_a_time_end_the_supervisor() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        team = await system.start(Team)
        for _ in range(3):
            await crash(system, "a")
        assert team.alive
        clock.advance(5.1)  # the first three are forgotten
        for _ in range(3):
            await crash(system, "a")
        assert team.alive
        await crash(system, "a")
        assert await team.wait() is Exit.SHUTDOWN
        assert [system.whereis(name) for name in ("a", "b", "c")] == [None, None, None]

    run(scenario, clock)


def test_a_supervisor_of_supervisors_counts_one_restart_when_one_gives_up() -> None:
    class Top(Supervisor):
        def children(self) -> Iterable[Child]:
            yield Child(Team, name="team", shutdown=None)

    async def scenario(system: System) -> None:
        top = await system.start(Top)
        for _ in range(4):
            await crash(system, "a")
        await settle()
        assert top.alive
        assert await system.named(Worker, "a").call(Worker.ping) == "a"
        assert [info.restarts for info in await top.call(Top.which_children)] == [1]

    run(scenario)


@pytest.mark.row("SU-06")
def test_if_a_child_cannot_start_those_before_it_are_ended() -> None:
    children = [Child(Worker, "a", name="a"), Child(Worker, "b", lambda: True, name="b")]

    async def scenario(system: System) -> None:
        with pytest.raises(StartFailed, match="cannot start"):
            await system.start(Supervisor, children)
        assert Worker.log == ["start a", "end a"]
        assert system.whereis("a") is None

    run(scenario)


def test_a_restart_that_fails_is_tried_again_and_counts() -> None:
    failures = [False, True, True, False]

    async def scenario(system: System) -> None:
        team = await system.start(Supervisor, [Child(Worker, "a", lambda: failures.pop(0), name="a")])
        await crash(system, "a")
        assert system.whereis("a") is not None
        assert [info.restarts for info in await team.call(Supervisor.which_children)] == [3]
        failures.append(False)
        await crash(system, "a")
        assert await team.wait() is Exit.SHUTDOWN

    run(scenario)


@pytest.mark.row("SU-04")
def test_a_child_that_does_not_end_in_time_is_killed() -> None:
    clock = VirtualClock()

    class Stubborn(Worker):
        async def terminate(self, reason: object) -> None:  # type: ignore[override]  # may be async
            self.log.append("asked")
            await asyncio.Event().wait()

    async def scenario(system: System) -> None:
        children = [Child(Worker, "a", name="a"), Child(Stubborn, "b", name="b", shutdown=2.0)]
        team = await system.start(Supervisor, children)
        stubborn = system.whereis("b")
        assert stubborn is not None
        stopping = asyncio.create_task(team.stop(timeout=None))
        while "asked" not in Worker.log:
            await asyncio.sleep(0)
        clock.advance(1.9)
        await settle()
        assert stubborn.alive
        clock.advance(0.2)
        await stopping
        assert await stubborn.wait() is Exit.KILLED
        assert Worker.log[-1] == "end a"

    run(scenario, clock)


def test_bad_children_are_refused_where_they_are_described() -> None:
    with pytest.raises(DefinitionError, match="restart is one of"):
        Child(Worker, restart="always")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(DefinitionError, match="positive number of seconds"):
        Child(Worker, shutdown=0)
    with pytest.raises(DefinitionError, match="subclass of GenServer"):
        Child(int)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(DefinitionError, match="max_restarts"):
        OneForOne(max_restarts=-1)
    with pytest.raises(DefinitionError, match="within"):
        OneForOne(within=0)


@pytest.mark.row("SU-10")
def test_two_children_of_one_id_are_refused_and_nothing_starts() -> None:
    async def scenario(system: System) -> None:
        with pytest.raises(StartFailed, match="have the id") as caught:
            await system.start(Supervisor, [Child(Worker, "a"), Child(Worker, "b")])
        assert isinstance(caught.value.__cause__, DefinitionError)
        assert Worker.log == []

    run(scenario)


def test_the_supervisor_is_not_disturbed_by_messages(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        team: Pid[Team] = await system.start(Team)
        team.send("hello")
        assert len(await team.call(Team.which_children)) == 3
        assert "none of its business" in caplog.text

    run(scenario)
