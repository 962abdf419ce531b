"""DynamicSupervisor: children on demand, beside each other."""

from __future__ import annotations

import asyncio
import sys
from types import FrameType
from typing import cast

import pytest

from headwater import Backoff, Child, Exit, GenServer, OneForAll, OneForOne, Pid, Supervisor, System
from headwater.errors import ChildLimit, ChildUnknown, DefinitionError, ProcessDown, StartFailed
from headwater.runtime.child import ChildCounts
from headwater.runtime.dynamic_supervisor import DynamicSupervisor
from headwater.runtime.process import Process
from headwater.runtime.restart import Restart
from headwater.testing.clock import VirtualClock
from tests.runtime.driving import run, settle
from tests.runtime.supervised import Idle, Slow, Stubborn, Worker, crash, leave

START = DynamicSupervisor.start_child


def worker(name: str, log: list[str] | None = None, restart: Restart = "permanent") -> Child[Worker]:
    return Child(Worker, name, [] if log is None else log, name=name, restart=restart)


async def start(crew: Pid[DynamicSupervisor], child: Child[Worker]) -> Pid[Worker]:
    pid = await crew.call(START, child)
    assert pid is not None
    return pid


async def counts(crew: Pid[DynamicSupervisor]) -> tuple[int, int]:
    count = await crew.call(DynamicSupervisor.count_children)
    return count.specs, count.active


@pytest.mark.row("DS-01")
def test_children_are_started_on_demand_without_ids() -> None:
    async def scenario(system: System) -> None:
        crew = await system.start(DynamicSupervisor)
        child = Child(Worker, "same", [])
        first, second = await start(crew, child), await start(crew, child)
        assert first != second
        assert await first.call(Worker.ping) == "same"
        infos = await crew.call(DynamicSupervisor.which_children)
        assert [(info.pid, info.state) for info in infos] == [(first, "running"), (second, "running")]
        assert first.process.parent is crew.process

    run(scenario)


@pytest.mark.row("DS-01")
def test_only_the_child_that_ended_is_restarted_as_its_type_says() -> None:
    log: list[str] = []

    async def scenario(system: System) -> None:
        crew = await system.start(DynamicSupervisor)
        await start(crew, worker("a", log))
        await start(crew, worker("b", log, "transient"))
        await start(crew, worker("c", log, "temporary"))
        log.clear()
        for name in "abc":
            await crash(system, name)
        assert log == ["end a", "start a", "end b", "start b", "end c"]
        assert await counts(crew) == (2, 2)
        log.clear()
        await leave(system, "b")
        assert log == ["end b"]
        assert await counts(crew) == (1, 1)
        assert system.named(Worker, "a").process.parent is crew.process

    run(scenario)


@pytest.mark.row("DS-01", "SU-02")
def test_too_many_restarts_in_too_short_a_time_end_it() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        crew = await system.start(DynamicSupervisor, strategy=OneForOne(max_restarts=1, within=5.0))
        for name in "ab":
            await start(crew, worker(name))
        await crash(system, "a")
        clock.advance(5.1)
        await crash(system, "b")
        assert crew.alive
        await crash(system, "a")
        assert await crew.wait() is Exit.SHUTDOWN
        assert system.whereis("b") is None

    run(scenario, clock)


@pytest.mark.row("DS-01", "SU-12")
def test_a_restart_that_fails_is_tried_again_and_counts() -> None:
    failures = [False, True, True, False]

    async def scenario(system: System) -> None:
        crew = await system.start(DynamicSupervisor)
        await start(crew, Child(Worker, "a", [], lambda: failures.pop(0), name="a"))
        await crash(system, "a")
        assert [info.restarts for info in await crew.call(DynamicSupervisor.which_children)] == [3]
        failures.append(False)
        await crash(system, "a")
        assert await crew.wait() is Exit.SHUTDOWN

    run(scenario)


@pytest.mark.row("DS-01", "BR-03")
def test_children_wait_for_their_back_off_and_others_go_on() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        crew = await system.start(DynamicSupervisor, strategy=OneForOne(backoff=Backoff(1.0, 8.0, jitter=0.0)))
        old = await start(crew, worker("a"))
        await crash(system, "a")
        assert await counts(crew) == (1, 0)
        await start(crew, worker("b"))
        clock.advance(1.0)
        await settle()
        assert await counts(crew) == (2, 2)
        with pytest.raises(ChildUnknown):
            await crew.call(DynamicSupervisor.terminate_child, old)
        await crash(system, "a")
        waiting = next(info for info in await crew.call(DynamicSupervisor.which_children) if info.state == "restarting")
        assert waiting.pid is None
        clock.advance(2.0)
        await settle()
        assert system.whereis("a") is not None

    run(scenario, clock)
    assert clock.pending == 0


@pytest.mark.row("DS-01")
def test_all_children_end_at_the_same_time() -> None:
    clock = VirtualClock()
    log: list[str] = []

    async def scenario(system: System) -> None:
        crew = await system.start(DynamicSupervisor)
        children = [Child(Stubborn, name, log, shutdown=2.0) for name in "abc"]
        pids = [await crew.call(START, child) for child in children]
        patient = await crew.call(START, Child(Stubborn, "d", log, shutdown=None))
        assert patient is not None
        brutal = await crew.call(START, Child(Stubborn, "e", log, shutdown="kill"))
        log.clear()
        stopping = asyncio.create_task(crew.stop(timeout=None))
        await settle()
        assert sorted(log) == ["asked a", "asked b", "asked c", "asked d"]
        assert brutal is not None
        assert not brutal.alive
        clock.advance(2.0)  # one limit for all, not one after the other
        await settle()
        assert [pid.alive for pid in pids if pid is not None] == [False] * 3
        assert not stopping.done()
        patient.kill()
        await stopping

    run(scenario, clock)
    assert clock.pending == 0


@pytest.mark.row("DS-02")
def test_a_child_whose_init_takes_long_holds_nobody_up() -> None:
    async def scenario(system: System) -> None:
        crew = await system.start(DynamicSupervisor)
        gate = asyncio.Event()
        slow = asyncio.create_task(crew.call(START, Child(Slow, gate)))
        await settle()
        quick = await start(crew, worker("quick"))
        assert await counts(crew) == (1, 1)
        await crash(system, "quick")
        await crew.call(DynamicSupervisor.terminate_child, system.named(Worker, "quick"))
        assert not quick.alive
        assert not slow.done()
        gate.set()
        assert isinstance(await slow, Pid)
        assert await counts(crew) == (1, 1)

    run(scenario)


@pytest.mark.row("DS-02")
def test_a_child_that_takes_long_to_end_holds_nobody_up() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        crew = await system.start(DynamicSupervisor)
        stubborn = await crew.call(START, Child(Stubborn, "s", [], shutdown=2.0))
        assert stubborn is not None
        ending = [asyncio.create_task(crew.call(DynamicSupervisor.terminate_child, stubborn)) for _ in range(2)]
        await settle()
        await start(crew, worker("quick"))
        assert [task.done() for task in ending] == [False, False]
        clock.advance(2.0)
        await asyncio.gather(*ending)
        assert await counts(crew) == (1, 1)

    run(scenario, clock)


@pytest.mark.row("DS-02")
def test_an_init_that_awaits_without_being_a_coroutine_function_holds_nobody_up() -> None:
    class Wrapped(GenServer):
        def init(self, gate: asyncio.Event) -> object:
            async def wait() -> None:
                async with asyncio.timeout(60):
                    await asyncio.sleep(0)
                    await gate.wait()

            return wait()

    async def scenario(system: System) -> None:
        crew = await system.start(DynamicSupervisor)
        gate = asyncio.Event()
        wrapped = asyncio.create_task(crew.call(START, Child(Wrapped, gate)))
        await settle()
        await start(crew, worker("quick"))
        gate.set()
        assert isinstance(await wrapped, Pid)

    run(scenario)


@pytest.mark.row("DS-02")
def test_ending_while_children_start_gives_them_up() -> None:
    async def scenario(system: System) -> None:
        crew = await system.start(DynamicSupervisor)
        slow = [asyncio.create_task(crew.call(START, Child(Slow, asyncio.Event()))) for _ in range(3)]
        await settle()
        await crew.stop()
        for start in slow:
            with pytest.raises(ProcessDown):
                await start
        assert not system._running().processes

    run(scenario)


@pytest.mark.row("DS-03")
def test_it_takes_no_more_than_max_children_those_included_that_start() -> None:
    async def scenario(system: System) -> None:
        crew = await system.start(DynamicSupervisor, max_children=2)
        gate = asyncio.Event()
        slow = asyncio.create_task(crew.call(START, Child(Slow, gate)))
        await settle()
        first = await start(crew, worker("a"))
        with pytest.raises(ChildLimit, match="2 children"):
            await start(crew, worker("b"))
        await crew.call(DynamicSupervisor.terminate_child, first)
        with pytest.raises(StartFailed):
            await start(crew, Child(Worker, "x", [], lambda: True))
        assert await crew.call(START, Child(Idle, [False])) is None
        await start(crew, worker("b", restart="temporary"))
        await crash(system, "b")
        await start(crew, worker("c"))
        await crash(system, "c")  # it comes back to its place
        gate.set()
        await slow
        with pytest.raises(ChildLimit):
            await start(crew, worker("d"))
        assert await counts(crew) == (2, 2)

    run(scenario)


@pytest.mark.row("DS-04")
def test_extra_arguments_come_before_the_childs_own_also_when_it_restarts() -> None:
    class Pair(GenServer):
        def init(self, *words: str) -> None:
            self.words = words

        def tell(self) -> tuple[str, ...]:
            return self.words

    class Pairs(DynamicSupervisor):
        extra_arguments = ("x", "y")

    async def scenario(system: System) -> None:
        for crew in (
            await system.start(DynamicSupervisor, extra_arguments=("x", "y")),
            await system.start(Pairs),
        ):
            pid = await crew.call(START, Child(Pair, "z", name="pair"))
            assert pid is not None
            assert await pid.call(Pair.tell) == ("x", "y", "z")
            pid.kill()
            await settle()
            assert await system.named(Pair, "pair").call(Pair.tell) == ("x", "y", "z")
            await crew.stop()

    run(scenario)


@pytest.mark.row("DS-01")
def test_ending_a_child_means_that_it_does_not_come_back() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        crew = await system.start(DynamicSupervisor, strategy=OneForOne(backoff=Backoff(1.0, 8.0)))
        pid = await start(crew, worker("a"))
        await crew.call(DynamicSupervisor.terminate_child, pid)
        assert await counts(crew) == (0, 0)
        with pytest.raises(ChildUnknown, match="no child of"):
            await crew.call(DynamicSupervisor.terminate_child, pid)
        with pytest.raises(ChildUnknown):
            await crew.call(DynamicSupervisor.terminate_child, await system.start(Worker, "stranger", []))
        waiting = await start(crew, worker("a"))
        await crash(system, "a")
        await crew.call(DynamicSupervisor.terminate_child, waiting)
        clock.advance(10.0)
        await settle()
        assert await counts(crew) == (0, 0)
        assert system.whereis("a") is None

    run(scenario, clock)
    assert clock.pending == 0


@pytest.mark.row("DS-01")
def test_ending_a_child_whose_restart_is_under_way_gives_the_restart_up() -> None:
    gates = [asyncio.Event(), asyncio.Event()]

    class Gated(GenServer):
        async def init(self) -> None:
            await gates.pop(0).wait()

    async def scenario(system: System) -> None:
        crew = await system.start(DynamicSupervisor, max_children=1)
        gates[0].set()
        pid = await crew.call(START, Child(Gated, name="g"))
        assert pid is not None
        pid.kill()
        await settle()
        assert system.whereis("g") is not None  # it is starting
        await crew.call(DynamicSupervisor.terminate_child, pid)
        await settle()
        assert system.whereis("g") is None
        assert await counts(crew) == (0, 0)
        gates.append(asyncio.Event())
        gates[0].set()
        assert await crew.call(START, Child(Gated)) is not None

    run(scenario)


@pytest.mark.row("DS-01")
def test_a_restart_that_fails_while_its_child_is_being_ended_is_not_tried_again() -> None:
    async def scenario(system: System) -> None:
        lives = [asyncio.Event(), asyncio.Event()]
        gates = list(lives)

        class Failing(GenServer):
            async def init(self) -> None:
                await gates.pop(0).wait()
                if not gates:
                    raise OSError("cannot start")

        crew = await system.start(DynamicSupervisor)
        lives[0].set()
        pid = await crew.call(START, Child(Failing))
        assert pid is not None
        pid.kill()
        await settle()
        crew.process.suspend()
        ending = asyncio.create_task(crew.call(DynamicSupervisor.terminate_child, pid))
        await settle()
        lives[1].set()
        await settle()
        crew.process.resume()  # now it finds both in its mailbox
        await ending
        await settle()
        assert await counts(crew) == (0, 0)
        assert len(system._running().processes) == 1

    run(scenario)


@pytest.mark.row("DS-01")
def test_a_child_whose_start_it_has_not_heard_of_yet_is_waited_for_too() -> None:
    clock = VirtualClock()

    class Late(Slow):
        trap_exit = True

        async def terminate(self, reason: object) -> None:
            await asyncio.Event().wait()

    async def scenario(system: System) -> None:
        crew = await system.start(DynamicSupervisor)
        gate = asyncio.Event()
        crew.cast(START, Child(Late, gate, name="late", shutdown=2.0))
        await settle()
        crew.process.suspend()
        gate.set()
        await settle()
        stopping = asyncio.create_task(crew.stop())
        await settle()
        assert crew.alive
        clock.advance(2.0)
        await stopping
        assert system.whereis("late") is None

    run(scenario, clock)


@pytest.mark.row("DS-01")
def test_a_child_that_dies_as_soon_as_it_has_started_is_noticed() -> None:
    class Brief(GenServer):
        async def init(self) -> None:
            await asyncio.sleep(0)
            self.stop()

    async def scenario(system: System) -> None:
        crew = await system.start(DynamicSupervisor)
        await crew.call(START, Child(Brief, restart="temporary"))
        await settle()
        assert await counts(crew) == (0, 0)

    run(scenario)


@pytest.mark.row("DS-01")
def test_a_child_that_cut_its_link_can_be_ended() -> None:
    class Loner(Worker):
        def cut(self, crew: Pid[object]) -> None:
            self.unlink(crew)

    async def scenario(system: System) -> None:
        crew = await system.start(DynamicSupervisor)
        loner = await crew.call(START, Child(Loner, "l", []))
        assert loner is not None
        await loner.call(Loner.cut, crew)
        await crew.call(DynamicSupervisor.terminate_child, loner)
        assert await counts(crew) == (0, 0)

    run(scenario)


def test_what_cannot_be_done_is_an_answer() -> None:
    async def scenario(system: System) -> None:
        with pytest.raises(StartFailed, match="its strategy is OneForOne"):
            await system.start(DynamicSupervisor, strategy=OneForAll())
        with pytest.raises(StartFailed, match="max_children is 0 or more"):
            await system.start(DynamicSupervisor, max_children=-1)
        crew = await system.start(DynamicSupervisor)
        with pytest.raises(DefinitionError, match="described by Child"):
            await crew.call(START, cast("Child[Worker]", "worker"))
        with pytest.raises(DefinitionError, match="significant"):
            await crew.call(START, Child(Worker, "a", [], restart="transient", significant=True))
        with pytest.raises(StartFailed, match="could not start: OSError"):
            await crew.call(START, Child(Worker, "a", [], lambda: True))
        crew.send("hello")
        await settle()
        assert await counts(crew) == (0, 0)

    run(scenario)


def test_children_are_counted_by_kind() -> None:
    async def scenario(system: System) -> None:
        crew = await system.start(DynamicSupervisor)
        inner = await crew.call(START, Child(Supervisor, []))
        await start(crew, worker("a"))
        assert await crew.call(DynamicSupervisor.count_children) == ChildCounts(2, 2, 1, 1)
        assert inner is not None
        inner.kill()
        await settle()
        assert await crew.call(DynamicSupervisor.count_children) == ChildCounts(2, 2, 1, 1)
        for info in await crew.call(DynamicSupervisor.which_children):
            assert info.pid is not None
            await crew.call(DynamicSupervisor.terminate_child, info.pid)
        assert await crew.call(DynamicSupervisor.count_children) == ChildCounts(0, 0, 0, 0)

    run(scenario)


async def calls_of_a_life(crew: Pid[DynamicSupervisor]) -> int:
    """How many function calls it takes to start a child, restart it, count the children, and end it."""
    calls = 0

    def count(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        child = await start(crew, worker("counted"))
        child.kill()
        await settle()
        await crew.call(DynamicSupervisor.count_children)
        process = crew.process.node.names.get("counted")
        assert isinstance(process, Process)
        await crew.call(DynamicSupervisor.terminate_child, Pid(process))
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.row("DS-01")
def test_no_operation_looks_at_all_children() -> None:
    async def scenario(system: System) -> None:
        crew = await system.start(DynamicSupervisor, max_children=10_000, strategy=OneForOne(max_restarts=9))
        await calls_of_a_life(crew)  # whatever is done once only
        few = await calls_of_a_life(crew)
        for number in range(2_000):
            await start(crew, Child(Worker, str(number), []))
        assert await calls_of_a_life(crew) < few + 100

    run(scenario)


def start_and_end(count: int) -> None:
    """Start so many children on demand, restart some, and end them all."""

    async def scenario(system: System) -> None:
        crew = await system.start(DynamicSupervisor, strategy=OneForOne(max_restarts=99))
        child = Child(Worker, "one of many", [])
        pids = [await start(crew, child) for _ in range(count)]
        for pid in pids[:: count // 10]:
            pid.kill()
        await settle()
        assert await counts(crew) == (count, count)
        await crew.stop(timeout=None)
        assert not system._running().processes

    run(scenario)


@pytest.mark.row("DS-01")
def test_thousands_of_children_start_and_end() -> None:
    start_and_end(5_000)


@pytest.mark.soak
def test_a_hundred_thousand_children_start_and_end() -> None:
    start_and_end(100_000)
