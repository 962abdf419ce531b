"""Tasks: results, deadlines, links, and waiting for many."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import assert_type

import pytest

from headwater import Child, Supervisor, System
from headwater.errors import DeadlineExceeded, DefinitionError, NotOwner, ProcessDown, ProcessError
from headwater.runtime.down import Exited
from headwater.runtime.task import Task, start_task
from headwater.runtime.task_many import await_many, yield_many
from headwater.runtime.task_outcome import Returned
from headwater.testing.clock import VirtualClock

from .driving import run, settle
from .owners import Gate, Owner, boom, double, pid_of, triple

# --- run, result ---------------------------------------------------------------------------------------------


@pytest.mark.row("TS-01")
def test_a_process_awaits_what_its_task_returns() -> None:
    async def scenario(system: System) -> None:
        owner = await system.start(Owner)
        assert await owner.call(Owner.double, 21) == 42

    run(scenario)


def test_a_sync_function_makes_a_task_too() -> None:
    async def scenario(system: System) -> None:
        task = await start_task(system, triple, 2)
        assert_type(task, Task[int])
        assert await task.result() == 6
        assert await task.result() == 6  # it stays

    run(scenario)


@pytest.mark.row("TS-01")
def test_a_task_that_fails_ends_its_owner_with_the_same_reason(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        owner = await system.start(Owner)
        gate = asyncio.Event()

        async def fail() -> None:
            await gate.wait()
            raise ValueError("boom")

        task = await owner.call(Owner.begin, fail)
        assert pid_of(task).alive
        gate.set()
        with caplog.at_level(logging.ERROR):
            reason = await owner.wait(1.0)
        assert isinstance(reason, ValueError)
        assert "fail" in caplog.text  # the report names the function

    run(scenario)


@pytest.mark.row("TS-01")
def test_an_owner_that_traps_exits_learns_of_the_failure_and_lives() -> None:
    async def scenario(system: System) -> None:
        owner = await system.start(Owner, trap=True)
        await owner.call(Owner.begin, boom)
        assert await owner.call(Owner.attempt, 1.0) == "ProcessDown"
        [message] = await owner.call(Owner.history)
        assert isinstance(message, Exited)
        assert isinstance(message.reason, ValueError)

    run(scenario)


@pytest.mark.row("TS-01")
@pytest.mark.parametrize("end", [Owner.leave, Owner.crash])
def test_a_task_ends_with_its_owner_however_that_ends(end: Callable[[Owner], None]) -> None:
    async def scenario(system: System) -> None:
        owner = await system.start(Owner)
        gate = Gate()
        task = await owner.call(Owner.begin, gate.wait)
        await settle()
        owner.cast(end)
        await owner.wait(1.0)
        await settle()
        assert not pid_of(task).alive
        assert gate.log == ["started", "cancelled"]

    run(scenario)


@pytest.mark.row("TS-01")
def test_only_the_owner_may_await_a_task() -> None:
    async def scenario(system: System) -> None:
        owner = await system.start(Owner)
        gate = Gate()
        task = await owner.call(Owner.begin, gate.wait)
        for use in (task.result(), task.yield_(0), task.shutdown(), await_many([task]), yield_many([task])):
            with pytest.raises(NotOwner, match="Owner #1"):
                await use
        with pytest.raises(NotOwner):
            task.ignore()
        outside = await start_task(system, double, 1)
        thief = await start_task(system, outside.result)
        with pytest.raises(ProcessDown, match="code outside"):
            await thief.result()
        assert await outside.result() == 2

    run(scenario)


@pytest.mark.row("TS-01")
def test_a_linked_task_that_takes_too_long_is_ended_and_its_owner_decides() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        owner = await system.start(Owner)
        gate = Gate()
        task = await owner.call(Owner.begin, gate.wait)
        attempt = asyncio.create_task(owner.call(Owner.attempt, 2.0))
        await settle()
        clock.advance(1.9)
        await settle()
        assert not attempt.done()
        clock.advance(0.1)
        assert await attempt == "DeadlineExceeded"
        assert not pid_of(task).alive
        assert await owner.call(Owner.ping) == "pong"
        assert gate.log == ["started", "cancelled"]

    run(scenario, clock)


@pytest.mark.row("TS-01")
def test_the_default_deadline_is_five_seconds() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        task = await start_task(system, Gate().wait)
        waiting = asyncio.create_task(task.result())
        await settle()
        clock.advance(4.9)
        await settle()
        assert not waiting.done()
        clock.advance(0.1)
        with pytest.raises(DeadlineExceeded, match=r"5\.0 s"):
            await waiting

    run(scenario, clock)


def test_task_run_outside_of_a_process_says_what_to_use() -> None:
    async def scenario(_: System) -> None:
        with pytest.raises(ProcessError, match="start_task"):
            await Task.run(double, 1)

    run(scenario)


# --- many ----------------------------------------------------------------------------------------------------


@pytest.mark.row("TS-08")
def test_a_completed_task_has_its_result_without_a_process() -> None:
    async def scenario(system: System) -> None:
        task = Task.completed(7)
        assert task.pid is None
        assert await task.result() == 7
        assert await await_many([task, await start_task(system, double, 4)]) == [7, 8]

    run(scenario)


@pytest.mark.row("TS-08")
def test_await_many_gives_all_results_in_order_within_one_deadline() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        tasks = [await start_task(system, double, number) for number in range(10)]
        assert await await_many(tasks) == [number * 2 for number in range(10)]
        gates = [Gate() for _ in range(3)]
        tasks_at_gates = [await start_task(system, gate.wait) for gate in gates]
        gates[1].event.set()
        waiting = asyncio.create_task(await_many(tasks_at_gates, 2.0))
        await settle()
        clock.advance(2.0)
        with pytest.raises(DeadlineExceeded):
            await waiting
        assert not any(pid_of(task).alive for task in tasks_at_gates)

    run(scenario, clock)


@pytest.mark.row("TS-08")
def test_await_many_raises_at_the_first_failure() -> None:
    async def scenario(system: System) -> None:
        slow = await start_task(system, Gate().wait)
        bad = await start_task(system, boom)
        with pytest.raises(ProcessDown, match="boom"):
            await await_many([slow, bad], None)
        assert pid_of(slow).alive

    run(scenario)


@pytest.mark.row("TS-02")
def test_yield_many_waits_for_a_limit_or_a_time() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        gates = [Gate() for _ in range(3)]
        tasks = [await start_task(system, gate.wait) for gate in gates]
        gates[1].event.set()
        looked = await yield_many(tasks, None, limit=1, on_timeout="kill_task")
        assert looked == [(tasks[0], None), (tasks[1], Returned("through")), (tasks[2], None)]
        assert pid_of(tasks[0]).alive  # the limit was reached: nothing was killed
        waiting = asyncio.create_task(yield_many(tasks, 1.0, on_timeout="ignore"))
        await settle()
        clock.advance(1.0)
        assert [outcome for _, outcome in await waiting] == [None, Returned("through"), None]
        with pytest.raises(NotOwner, match="nobody"):
            await tasks[0].result()
        left = [await start_task(system, Gate().wait)]
        waiting = asyncio.create_task(yield_many(left, 1.0, on_timeout="kill_task"))
        await settle()
        clock.advance(1.0)
        assert [outcome for _, outcome in await waiting] == [None]
        assert not pid_of(left[0]).alive
        with pytest.raises(DefinitionError):
            await yield_many(left, limit=0)

    run(scenario, clock)


@pytest.mark.row("TS-08")
def test_a_task_is_a_supervisors_child_and_does_not_come_back() -> None:
    started: list[str] = []

    async def once(label: str) -> None:
        started.append(label)

    async def again() -> None:
        started.append("again")
        if started.count("again") < 3:
            raise ValueError("not yet")

    class Jobs(Supervisor):
        def children(self) -> Iterable[Child]:
            yield Task.child(partial(once, "once"), id="once")
            yield Task.child(again, restart="transient")

    async def scenario(system: System) -> None:
        jobs = await system.start(Jobs)
        while started.count("again") < 3:
            await asyncio.sleep(0)
        await settle()
        assert started.count("once") == 1
        assert "once" not in [info.id for info in await jobs.call(Jobs.which_children)]

    run(scenario)
