"""Tasks under a supervisor, and on whose behalf they run."""

import asyncio
import contextvars
import logging
from collections.abc import Callable
from functools import partial
from typing import assert_type

import pytest

from headwater import Down, Exit, Pid, System
from headwater.errors import DefinitionError, ProcessDown, ProcessError, TooManyTasks
from headwater.runtime.task import Task, TaskResult
from headwater.runtime.task_process import TaskProcess, callers, trap_exits
from headwater.runtime.task_supervisor import TaskSupervisor
from headwater.runtime.tasks import Tasks
from headwater.testing.clock import VirtualClock

from .driving import run, settle
from .owners import Gate, Owner, boom, double, pid_of, start_tasks, triple

# --- under a supervisor --------------------------------------------------------------------------------------


@pytest.mark.row("TS-03")
def test_a_started_child_belongs_to_nobody_and_does_not_come_back(caplog: pytest.LogCaptureFixture) -> None:
    class Starter(Owner):
        async def start(self, function: Callable[[], object]) -> Pid[TaskProcess]:
            assert self.tasks is not None
            return await self.tasks.start_child(function)

    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        owner = await system.start(Starter, system, tasks)
        gate = Gate()
        child = await owner.call(Starter.start, gate.wait)
        failed = await owner.call(Starter.start, boom)
        with caplog.at_level(logging.ERROR):
            assert isinstance(await failed.wait(), ValueError)
        assert "boom" in caplog.text
        assert await owner.call(Owner.ping) == "pong"
        await owner.stop()
        assert child.alive
        assert await tasks.children() == [child]
        gate.event.set()
        assert await child.wait() is Exit.NORMAL
        assert await tasks.children() == []

    run(scenario)


@pytest.mark.row("TS-03")
def test_a_task_supervisor_gives_its_tasks_time_to_end_and_then_kills_them() -> None:
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
        tasks = Tasks(await system.start(TaskSupervisor, None, 2.0))
        gate = Gate()
        quick, slow = await tasks.start_child(gate.wait), await tasks.start_child(stubborn)
        await settle()
        stopping = asyncio.create_task(tasks.supervisor.stop(timeout=None))
        await settle()
        assert not quick.alive
        assert slow.alive
        clock.advance(1.9)
        await settle()
        assert slow.alive
        clock.advance(0.1)
        await stopping
        assert await slow.wait() is Exit.KILLED
        release.set()
        await settle()

    run(scenario, clock)


@pytest.mark.row("TS-04")
def test_a_task_that_is_not_linked_tells_its_owner_by_message_and_harms_nobody() -> None:
    async def scenario(system: System) -> None:
        owner = await system.start(Owner, system, await start_tasks(system))
        good = await owner.call(Owner.begin_nolink, partial(double, 4))
        bad = await owner.call(Owner.begin_nolink, boom)
        await settle()
        first, second = await owner.call(Owner.history)
        assert first == TaskResult(good, 8)
        assert isinstance(second, Down)
        assert second.tag is bad
        assert isinstance(second.reason, ValueError)

    run(scenario)


@pytest.mark.row("TS-04")
def test_awaiting_an_unlinked_task_takes_its_message_away() -> None:
    async def scenario(system: System) -> None:
        owner = await system.start(Owner, system, await start_tasks(system))
        await owner.call(Owner.begin_nolink, partial(double, 4))
        assert await owner.call(Owner.finish, 1.0) == 8
        await owner.call(Owner.begin_nolink, boom)
        assert await owner.call(Owner.attempt, 1.0) == "ProcessDown"
        await settle()
        assert await owner.call(Owner.history) == []

    run(scenario)


@pytest.mark.row("TS-04")
def test_an_unlinked_task_outlives_its_owners_deadline_and_its_owner() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        owner = await system.start(Owner, system, await start_tasks(system))
        task = await owner.call(Owner.begin_nolink, Gate().wait)
        attempt = asyncio.create_task(owner.call(Owner.attempt, 1.0))
        await settle()
        clock.advance(1.0)
        assert await attempt == "DeadlineExceeded"
        assert pid_of(task).alive
        await owner.stop()
        assert pid_of(task).alive

    run(scenario, clock)


def test_code_outside_awaits_unlinked_tasks() -> None:
    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        doubled = await tasks.run_nolink(double, 3)
        assert_type(doubled, Task[int])
        assert await doubled.result() == 6
        with pytest.raises(ProcessDown, match="boom"):
            await (await tasks.run_nolink(boom)).result()
        assert await (await tasks.run(triple, 3)).result() == 9

    run(scenario)


@pytest.mark.row("TS-01")
def test_a_task_linked_under_a_supervisor_shares_its_owners_fate_and_not_the_supervisors() -> None:
    class Linker(Owner):
        async def start(self, function: Callable[[], object]) -> Task[object]:
            assert self.tasks is not None
            return await self.tasks.run(function)

    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        first, second = await system.start(Linker, system, tasks), await system.start(Linker, system, tasks)
        task = await first.call(Linker.start, Gate().wait)
        await first.stop()
        assert not pid_of(task).alive
        await second.call(Linker.start, boom)
        assert isinstance(await second.wait(1.0), ValueError)
        assert tasks.supervisor.alive

    run(scenario)


@pytest.mark.row("TS-06")
def test_more_tasks_than_allowed_are_refused() -> None:
    async def scenario(system: System) -> None:
        tasks = await start_tasks(system, 2)
        gate = Gate()
        first = await tasks.run(gate.wait)
        await tasks.start_child(gate.wait)
        for start in (tasks.run(triple, 1), tasks.run_nolink(triple, 1)):
            with pytest.raises(TooManyTasks):
                await start
        with pytest.raises(TooManyTasks):
            await tasks.start_child(triple, 1)
        assert tasks.supervisor.alive
        await first.shutdown()
        assert await (await tasks.run(triple, 1)).result() == 3

    run(scenario)


def test_a_task_supervisor_refuses_bounds_that_make_no_sense() -> None:
    async def scenario(system: System) -> None:
        with pytest.raises(ProcessError) as caught:
            await system.start(TaskSupervisor, 0)
        assert isinstance(caught.value.__cause__, DefinitionError)

    run(scenario)


@pytest.mark.parametrize("launched", [False, True])
def test_a_start_whose_caller_gives_up_leaves_no_task(launched: bool) -> None:
    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        tasks.supervisor.process.suspend()
        starting = asyncio.create_task(tasks.run_nolink(Gate().wait))
        await asyncio.sleep(0)
        if launched:
            tasks.supervisor.process.resume()
            asyncio.get_running_loop().call_soon(starting.cancel)  # after the start, before the caller knows of it
        else:
            starting.cancel()
        await settle()
        tasks.supervisor.process.resume()
        await settle()
        assert starting.cancelled()
        assert await tasks.children() == []

    run(scenario)


# --- callers -------------------------------------------------------------------------------------------------

request: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="none")


@pytest.mark.row("TS-07")
def test_a_task_knows_on_whose_behalf_it_runs() -> None:
    class Nested(Owner):
        async def chain(self) -> tuple[Pid[object], ...]:
            async def outer() -> tuple[Pid[object], ...]:
                assert self.tasks is not None
                return await (await self.tasks.run(callers)).result()

            task = await Task.run(outer)
            chain = await task.result()
            assert chain == (task.pid, self.pid)
            return chain

    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        owner = await system.start(Nested, system, tasks)
        assert (await owner.call(Nested.chain))[-1] == owner
        assert callers() == ()

    run(scenario)


@pytest.mark.row("TS-07")
def test_a_task_sees_its_callers_context_variables_and_keeps_its_own() -> None:
    async def read_and_set() -> str:
        seen = request.get()
        request.set("changed")
        return seen

    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        request.set("r-1")
        tasks.supervisor.cast(TaskSupervisor.tasks)  # so that the start has to queue
        assert await (await tasks.run(read_and_set)).result() == "r-1"
        assert await (await tasks.run_nolink(request.get)).result() == "r-1"
        assert request.get() == "r-1"

    run(scenario)


@pytest.mark.row("TS-07")
def test_a_task_sees_the_variables_of_who_asked_for_it_not_of_who_woke_its_supervisor() -> None:
    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        tasks.supervisor.process.suspend()
        context = contextvars.copy_context()
        context.run(request.set, "r-2")
        asking = asyncio.create_task(tasks.run(request.get), context=context)
        await settle()
        tasks.supervisor.process.resume()
        assert await (await asking).result() == "r-2"

    run(scenario)
