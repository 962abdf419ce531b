"""Tasks: results, deadlines, links, what owners may do, and tasks under a supervisor."""

import asyncio
import contextvars
import gc
import logging
import weakref
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing
from functools import partial
from typing import assert_type

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import Child, Down, Exit, GenServer, Pid, Supervisor, System
from headwater.errors import DeadlineExceeded, DefinitionError, NotOwner, ProcessDown, ProcessError, TooManyTasks
from headwater.runtime.down import Exited
from headwater.runtime.task import Task, TaskResult, start_task
from headwater.runtime.task_many import await_many, yield_many
from headwater.runtime.task_outcome import Ended, Returned
from headwater.runtime.task_process import TaskProcess, callers, this_task, trap_exits
from headwater.runtime.task_supervisor import TaskSupervisor
from headwater.runtime.tasks import Tasks
from headwater.testing.clock import VirtualClock

from .driving import run


async def settle(turns: int = 20) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return number * 2


def triple(number: int) -> int:
    return number * 3


async def boom() -> int:
    raise ValueError("boom")


class Gate:
    """A function that tells when it runs, when it was cancelled, and returns when it is let through."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.log: list[str] = []

    async def wait(self) -> str:
        self.log.append("started")
        try:
            await self.event.wait()
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise
        return "through"


class Owner(GenServer):
    """A process that starts tasks in its methods."""

    def init(self, system: System | None = None, tasks: Tasks | None = None, *, trap: bool = False) -> None:
        self.trap_exit = trap
        self.tasks = tasks
        self.seen: list[object] = []
        self.task: Task[object] | None = None

    async def double(self, number: int) -> int:
        return await (await Task.run(double, number)).result()

    async def begin(self, function: Callable[[], object]) -> Task[object]:
        self.task = await Task.run(function)
        return self.task

    async def begin_nolink(self, function: Callable[[], object]) -> Task[object]:
        assert self.tasks is not None
        self.task = await self.tasks.run_nolink(function)
        return self.task

    async def finish(self, timeout: float) -> object:
        assert self.task is not None
        return await self.task.result(timeout)

    async def attempt(self, timeout: float) -> str:
        assert self.task is not None
        try:
            await self.task.result(timeout)
        except (DeadlineExceeded, ProcessDown) as error:
            return type(error).__name__
        return "returned"

    def ping(self) -> str:
        return "pong"

    def leave(self) -> None:
        self.stop()

    def crash(self) -> None:
        raise OSError("owner")

    def history(self) -> list[object]:
        return list(self.seen)

    def handle_info(self, message: object) -> None:
        self.seen.append(message)


def pid_of(task: Task[object]) -> Pid[TaskProcess]:
    assert task.pid is not None
    return task.pid


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


# --- under a supervisor --------------------------------------------------------------------------------------


async def start_tasks(system: System, max_children: int | None = None) -> Tasks:
    return Tasks(await system.start(TaskSupervisor, max_children))


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


# --- streams -------------------------------------------------------------------------------------------------


class Load:
    """Counts how many run at the same time, and how far the items were taken."""

    def __init__(self) -> None:
        self.running = self.peak = self.taken = 0

    def items(self, count: int) -> Iterator[int]:
        for number in range(count):
            self.taken += 1
            yield number

    async def work(self, number: int) -> int:
        self.running += 1
        self.peak = max(self.peak, self.running)
        for _ in range(number % 5 + 1):
            await asyncio.sleep(0)
        self.running -= 1
        return number


@pytest.mark.row("TS-05")
def test_a_stream_gives_results_in_order_with_bounded_concurrency() -> None:
    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        load = Load()
        results = [result async for result in tasks.stream(load.items(100), load.work, max_concurrency=7)]
        assert results == list(range(100))
        assert load.peak == 7

    run(scenario)


@pytest.mark.row("TS-05")
@settings(max_examples=40, deadline=None)
@given(
    turns=st.lists(st.integers(0, 6), max_size=25),
    concurrency=st.integers(1, 8),
    ordered=st.booleans(),
)
def test_a_stream_loses_and_doubles_nothing_in_any_schedule(turns: list[int], concurrency: int, ordered: bool) -> None:
    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        running = peak = 0

        async def work(item: tuple[int, int]) -> int:
            nonlocal running, peak
            running += 1
            peak = max(peak, running)
            await settle(item[1])
            running -= 1
            return item[0]

        stream = tasks.stream(enumerate(turns), work, max_concurrency=concurrency, ordered=ordered)
        results = [result async for result in stream]
        expected = list(range(len(turns)))
        assert (results if ordered else sorted(results)) == expected
        assert peak <= concurrency
        await settle()
        assert await tasks.children() == []

    run(scenario)


@pytest.mark.row("TS-05")
def test_an_unordered_stream_gives_results_as_they_are_ready() -> None:
    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        gates = [Gate() for _ in range(3)]

        async def work(number: int) -> int:
            await gates[number].wait()
            return number

        stream = tasks.stream(range(3), work, max_concurrency=3, ordered=False)
        for number in (2, 0, 1):
            gates[number].event.set()
            assert await anext(stream) == number
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    run(scenario)


@pytest.mark.row("TS-05")
@pytest.mark.parametrize("ordered", [True, False])
def test_a_stream_is_lazy_and_waits_for_its_consumer(ordered: bool) -> None:
    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        load = Load()
        stream = tasks.stream(load.items(10**9), load.work, max_concurrency=3, ordered=ordered)
        await settle()
        assert load.taken == 0
        async with aclosing(stream):
            for asked in range(1, 20):
                await anext(stream)
                await settle()
                assert load.taken == asked + 2  # what was given, and at most three that were not
        assert await tasks.children() == []

    run(scenario)


@pytest.mark.row("TS-05")
def test_a_stream_that_is_closed_early_kills_what_runs() -> None:
    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        gates = [Gate() for _ in range(4)]
        gates[0].event.set()
        async with aclosing(tasks.stream(gates, Gate.wait, max_concurrency=4)) as stream:
            assert await anext(stream) == "through"
        await settle()
        assert [gate.log[1:] for gate in gates] == [[], ["cancelled"], ["cancelled"], ["cancelled"]]
        assert await tasks.children() == []

    run(scenario)


@pytest.mark.row("TS-05")
def test_a_stream_in_which_a_task_takes_too_long_ends() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        gates = [Gate() for _ in range(3)]
        gates[1].event.set()
        stream = tasks.stream(gates, Gate.wait, max_concurrency=2)
        waiting = asyncio.ensure_future(anext(stream))
        await settle()
        clock.advance(5.0)
        with pytest.raises(DeadlineExceeded, match=r"within 5\.0 s"):
            await waiting
        assert await tasks.children() == []

    run(scenario, clock)


@pytest.mark.row("TS-05")
def test_an_unlinked_stream_gives_failures_and_late_tasks_as_outcomes() -> None:
    clock = VirtualClock()

    async def work(number: int) -> int:
        if number == 1:
            raise ValueError("one")
        if number == 2:
            await asyncio.Event().wait()
        return number

    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        stream = tasks.stream_nolink(range(4), work, max_concurrency=2, timeout=1.0, on_timeout="kill_task")
        assert await anext(stream) == Returned(0)
        match await anext(stream):
            case Ended(ValueError(), item):
                assert item == 1
            case other:
                pytest.fail(f"unexpected: {other}")
        waiting = asyncio.ensure_future(anext(stream))
        await settle()
        clock.advance(1.0)
        match await waiting:
            case Ended(DeadlineExceeded(), item):
                assert item == 2
            case other:
                pytest.fail(f"unexpected: {other}")
        assert [outcome async for outcome in stream] == [Returned(3)]

    run(scenario, clock)


@pytest.mark.row("TS-05")
def test_an_unlinked_stream_ends_at_a_late_task_if_it_is_to() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        stream = tasks.stream_nolink([Gate()], Gate.wait, timeout=1.0)
        waiting = asyncio.ensure_future(anext(stream))
        await settle()
        clock.advance(1.0)
        with pytest.raises(DeadlineExceeded):
            await waiting

    run(scenario, clock)


@pytest.mark.row("TS-05")
def test_a_failure_in_a_linked_stream_ends_the_process_that_consumes_it() -> None:
    class Consumer(Owner):
        async def consume(self) -> None:
            assert self.tasks is not None

            async def work(number: int) -> int:
                if number == 3:
                    raise ValueError("three")
                return number

            async for _ in self.tasks.stream(range(10), work, max_concurrency=2):
                pass

    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        consumer = await system.start(Consumer, system, tasks)
        with pytest.raises(ProcessDown, match="three"):
            await consumer.call(Consumer.consume)
        await settle()
        assert await tasks.children() == []

        async def consume_outside() -> AsyncGenerator[int, None]:
            async for number in tasks.stream([1], lambda _: 1 // 0):
                yield int(number)

        with pytest.raises(ProcessDown, match="division"):
            await anext(consume_outside())

    run(scenario)


@pytest.mark.row("TS-05")
def test_a_process_survives_a_stream_in_which_a_task_takes_too_long_if_it_handles_that() -> None:
    clock = VirtualClock()

    class Consumer(Owner):
        async def consume(self) -> str:
            assert self.tasks is not None
            try:
                async for _ in self.tasks.stream([Gate(), Gate()], Gate.wait, timeout=1.0):
                    pass
            except DeadlineExceeded:
                return "late"
            return "in time"

    async def scenario(system: System) -> None:
        consumer = await system.start(Consumer, system, await start_tasks(system))
        consuming = asyncio.create_task(consumer.call(Consumer.consume))
        await settle()
        clock.advance(1.0)
        assert await consuming == "late"
        assert await consumer.call(Owner.ping) == "pong"

    run(scenario, clock)


def test_a_stream_refuses_settings_that_make_no_sense() -> None:
    async def scenario(system: System) -> None:
        tasks = await start_tasks(system)
        with pytest.raises(DefinitionError):
            tasks.stream([1], triple, max_concurrency=0)
        with pytest.raises(DefinitionError):
            tasks.stream([1], triple, timeout=0)
        with pytest.raises(DefinitionError):
            tasks.stream_nolink([1], triple, on_timeout="never")  # type: ignore[call-overload]  # that is the point

    run(scenario)
