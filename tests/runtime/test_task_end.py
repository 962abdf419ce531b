"""The end of a task: looked for, asked for, forced, and what it leaves behind."""

import asyncio
import gc
import logging
import weakref
from functools import partial

import pytest

from headwater import Exit, System
from headwater.errors import ProcessError
from headwater.runtime.task import start_task
from headwater.runtime.task_outcome import Ended, Returned
from headwater.runtime.task_process import this_task, trap_exits
from headwater.testing.clock import VirtualClock

from .driving import run, settle
from .owners import Gate, Owner, boom, double, pid_of, triple

# --- yield, shutdown, ignore ---------------------------------------------------------------------------------


@pytest.mark.row("TS-02")
def test_yield_tells_how_a_task_went_or_that_it_runs_still() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        gate = Gate()
        task = await start_task(system, gate.wait)
        assert await task.yield_(0) is None
        waiting = asyncio.create_task(task.yield_())
        await settle()
        clock.advance(5.0)
        assert await waiting is None
        assert pid_of(task).alive
        gate.event.set()
        assert await task.yield_() == Returned("through")
        match await (await start_task(system, boom)).yield_():
            case Ended(ValueError()):
                pass
            case other:
                pytest.fail(f"unexpected: {other}")

    run(scenario, clock)


@pytest.mark.row("TS-02")
def test_shutdown_ends_a_task_and_returns_a_result_that_is_there() -> None:
    async def scenario(system: System) -> None:
        gate = Gate()
        task = await start_task(system, gate.wait)
        await settle()
        assert await task.shutdown() is None
        assert not pid_of(task).alive
        await settle()
        assert gate.log == ["started", "cancelled"]
        done = await start_task(system, double, 2)
        await pid_of(done).wait()
        assert await done.shutdown() == Returned(4)
        failed = await start_task(system, boom)
        await pid_of(failed).wait()
        assert isinstance(await failed.shutdown(), Ended)

    run(scenario)


@pytest.mark.row("TS-02")
def test_shutdown_returns_a_result_that_comes_meanwhile_from_a_task_that_traps_exits() -> None:
    async def stubborn() -> str:
        trap_exits()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "late"

    async def scenario(system: System) -> None:
        task = await start_task(system, stubborn)
        await settle()
        assert await task.shutdown() == Returned("late")

    run(scenario)


@pytest.mark.row("TS-02")
def test_shutdown_kills_what_does_not_end_in_time(caplog: pytest.LogCaptureFixture) -> None:
    clock = VirtualClock()
    release = asyncio.Event()

    async def never() -> None:
        trap_exits()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async def scenario(system: System) -> None:
        task = await start_task(system, never)
        await settle()
        ending = asyncio.create_task(task.shutdown(3.0))
        await settle()
        assert pid_of(task).alive
        clock.advance(3.0)
        assert await ending is None
        assert await pid_of(task).wait() is Exit.KILLED
        with caplog.at_level(logging.ERROR):
            clock.advance(1.0)
        assert "swallows cancellation" in caplog.text
        release.set()
        await settle()

    run(scenario, clock)


def test_shutdown_of_a_linked_task_does_not_end_its_owner() -> None:
    class Closer(Owner):
        async def close(self) -> object:
            assert self.task is not None
            return await self.task.shutdown()

    async def scenario(system: System) -> None:
        owner = await system.start(Closer)
        task = await owner.call(Owner.begin, Gate().wait)
        assert await owner.call(Closer.close) is None
        assert not pid_of(task).alive
        assert await owner.call(Owner.ping) == "pong"

    run(scenario)


@pytest.mark.row("TS-02")
def test_an_ignored_task_goes_on_without_its_owner() -> None:
    class Leaver(Owner):
        async def let_go(self) -> object:
            assert self.task is not None
            return self.task.ignore()

    async def scenario(system: System) -> None:
        owner = await system.start(Leaver)
        gate = Gate()
        task = await owner.call(Owner.begin, gate.wait)
        await settle()
        assert await owner.call(Leaver.let_go) is None
        await owner.stop()
        assert pid_of(task).alive
        gate.event.set()
        assert await pid_of(task).wait(1.0) is Exit.NORMAL

    run(scenario)


def test_what_belongs_in_a_task_says_so_elsewhere() -> None:
    async def scenario(system: System) -> None:
        for use in (trap_exits, this_task):
            with pytest.raises(ProcessError, match="task"):
                use()
        task = await start_task(system, this_task)
        assert await task.result() == task.pid

    run(scenario)


# --- the process of a task -----------------------------------------------------------------------------------


def test_a_task_that_traps_exits_cleans_up_before_its_end_is_told() -> None:
    log: list[str] = []

    async def careful() -> None:
        trap_exits()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            log.append("cleaned")

    async def scenario(system: System) -> None:
        task = await start_task(system, careful)
        await settle()
        assert pid_of(task).alive
        pid_of(task).watch(lambda _: log.append("down"))
        pid_of(task).exit(Exit.SHUTDOWN)
        assert await pid_of(task).wait(1.0) is Exit.SHUTDOWN
        assert log == ["cleaned", "down"]

    run(scenario)


def test_a_task_that_does_not_end_when_asked_is_killed_after_five_seconds() -> None:
    clock = VirtualClock()
    release = asyncio.Event()

    async def stubborn() -> None:
        trap_exits()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async def scenario(system: System) -> None:
        task = await start_task(system, stubborn)
        await settle()
        pid_of(task).exit(Exit.SHUTDOWN)
        await settle()
        clock.advance(4.9)
        assert pid_of(task).alive
        clock.advance(0.1)
        assert await task.yield_(0) == Ended(Exit.KILLED)
        release.set()
        await settle()

    run(scenario, clock)


def test_closing_the_system_lets_a_task_clean_up() -> None:
    gates: list[Gate] = []

    async def scenario(system: System) -> None:
        gates.append(Gate())
        await start_task(system, gates[0].wait)
        await settle()

    run(scenario, VirtualClock())
    assert gates[0].log == ["started", "cancelled"]


def test_a_task_killed_before_its_first_step_leaves_nothing_behind() -> None:
    async def scenario(system: System) -> None:
        gate = Gate()
        task = await start_task(system, gate.wait)
        pid_of(task).kill()
        assert await task.yield_() == Ended(Exit.KILLED)
        await settle()
        assert gate.log == []

    run(scenario)


def test_finished_tasks_leave_nothing_with_their_owner() -> None:
    async def scenario(system: System) -> None:
        owner = await system.start(Owner)
        task = await owner.call(Owner.begin, partial(triple, 1))
        await owner.call(Owner.finish, 1.0)
        process = weakref.ref(pid_of(task).process.server)
        owner.process.server.task = None  # type: ignore[attr-defined]  # Owner
        del task
        await settle()
        gc.collect()
        assert process() is None
        assert not owner.process.links
        assert not owner.process.watchers

    run(scenario)
