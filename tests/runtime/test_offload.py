"""Work outside of the event loop: threads, processes, and what the end of a task does to them."""

import asyncio
import contextvars
import logging
import math
import os
import pickle
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import assert_type

import pytest

from headwater import Exit, System
from headwater.errors import DeadlineExceeded, DefinitionError, ProcessDown, ProcessError, TooManyTasks, WorkerDied
from headwater.runtime.offload import Workers, WorkerSlots
from headwater.runtime.offload_child import answer
from headwater.runtime.offload_processes import ProcessWorkers
from headwater.runtime.offload_threads import ThreadWorkers
from headwater.runtime.task import Task
from headwater.runtime.task_outcome import Ended, Returned
from headwater.runtime.task_supervisor import TaskSupervisor
from headwater.runtime.tasks import Tasks
from headwater.testing.clock import VirtualClock

Scenario = Callable[[Tasks], Coroutine[object, object, None]]
request: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="none")


def run(scenario: Scenario, clock: VirtualClock | None = None) -> None:
    async def main() -> None:
        async with System("test", clock=clock) as system:
            await scenario(Tasks(await system.start(TaskSupervisor)))

    asyncio.run(main())


async def settle(turns: int = 20) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


class Blocking:
    """A function that blocks its thread until it is let go."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.released = threading.Event()
        self.calls = 0

    def work(self, number: int) -> int:
        self.calls += 1
        self.started.set()
        assert self.released.wait(10)
        return number * 2

    async def until_started(self) -> None:
        assert await asyncio.to_thread(self.started.wait, 10)


@pytest.mark.parametrize("make", [ThreadWorkers, ProcessWorkers])
def test_an_offloaded_function_keeps_its_parameters_and_its_result(make: Callable[[int], Workers]) -> None:
    async def scenario(tasks: Tasks) -> None:
        workers = make(2)
        gcd = workers.wrap(math.gcd)
        task = await tasks.run(gcd, 12, 18)
        assert_type(task, Task[int])
        assert await task.result(30) == 6
        assert await gcd(4, 6) == 2
        await workers.close()

    run(scenario)


# --- threads -------------------------------------------------------------------------------------------------


def test_a_thread_runs_a_function_while_the_loop_goes_on() -> None:
    async def scenario(tasks: Tasks) -> None:
        threads = ThreadWorkers(2)
        blocking = Blocking()
        task = await tasks.run(threads.wrap(blocking.work), 4)
        await blocking.until_started()
        assert await task.yield_(0) is None
        blocking.released.set()
        assert await task.result() == 8
        await threads.close()

    run(scenario)


def test_a_function_in_a_thread_sees_the_callers_context_and_its_error_comes_back() -> None:
    async def scenario(tasks: Tasks) -> None:
        threads = ThreadWorkers(1)
        request.set("r-1")
        assert await (await tasks.run(threads.wrap(request.get))).result() == "r-1"
        with pytest.raises(ProcessDown) as caught:
            await (await tasks.run(threads.wrap(int), "x")).result()
        assert isinstance(caught.value.__cause__, ValueError)
        assert await (await tasks.run(threads.wrap(int), "7")).result() == 7
        await threads.close()

    run(scenario)


def test_a_task_ends_at_once_although_its_thread_goes_on_and_keeps_its_worker() -> None:
    async def scenario(tasks: Tasks) -> None:
        threads = ThreadWorkers(1)
        blocking = Blocking()
        first = await tasks.run_nolink(threads.wrap(blocking.work), 1)
        await blocking.until_started()
        assert first.pid is not None
        first.pid.exit(Exit.SHUTDOWN)
        assert await first.yield_(0) == Ended(Exit.SHUTDOWN)
        second = await tasks.run_nolink(threads.wrap(blocking.work), 2)
        await settle()
        assert blocking.calls == 1  # the worker is busy still
        blocking.released.set()
        assert await second.result() == 4
        await threads.close()

    run(scenario)


def test_work_that_waits_for_a_worker_is_never_run_if_its_task_ends() -> None:
    async def scenario(tasks: Tasks) -> None:
        threads = ThreadWorkers(1)
        blocking, never = Blocking(), Blocking()
        first = await tasks.run(threads.wrap(blocking.work), 1)
        await blocking.until_started()
        waiting = await tasks.run(threads.wrap(never.work), 2)
        await settle()
        await waiting.shutdown()
        blocking.released.set()
        assert await first.result() == 2
        await threads.close()
        assert never.calls == 0

    run(scenario)


def test_an_error_after_the_end_of_its_task_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(tasks: Tasks) -> None:
        threads = ThreadWorkers(1)
        blocking = Blocking()

        def fail() -> None:
            blocking.work(1)
            raise ValueError("late")

        task = await tasks.run(threads.wrap(fail))
        await blocking.until_started()
        await task.shutdown()
        await settle()
        blocking.released.set()
        with caplog.at_level(logging.ERROR):
            await threads.close()
            await settle()
        assert "late" in caplog.text

    run(scenario)


def test_workers_and_their_line_are_bounded() -> None:
    async def scenario(tasks: Tasks) -> None:
        threads = ThreadWorkers(1, waiting=1)
        blocking = Blocking()
        work = threads.wrap(blocking.work)
        first = await tasks.run(work, 1)
        await blocking.until_started()
        second = await tasks.run(work, 2)
        await settle()
        with pytest.raises(TooManyTasks):
            await work(3)
        closing = asyncio.create_task(threads.close())
        await settle()
        assert not closing.done()
        with pytest.raises(ProcessDown, match="closed"):
            await second.result()
        blocking.released.set()
        assert await first.result() == 2
        await closing
        with pytest.raises(ProcessError, match="closed"):
            await work(4)

    run(scenario)


def test_a_stream_runs_in_threads_with_deadlines() -> None:
    clock = VirtualClock()

    async def scenario(tasks: Tasks) -> None:
        threads = ThreadWorkers(2)
        assert [text async for text in tasks.stream(range(5), threads.wrap(str))] == list("01234")
        blocking = Blocking()
        stream = tasks.stream_nolink([1], threads.wrap(blocking.work), timeout=1.0)
        async with aclosing(stream):
            waiting = asyncio.ensure_future(anext(stream))
            await blocking.until_started()
            clock.advance(1.0)
            with pytest.raises(DeadlineExceeded):
                await waiting
        blocking.released.set()
        await threads.close()

    run(scenario, clock)


def test_workers_refuse_bounds_that_make_no_sense() -> None:
    with pytest.raises(DefinitionError):
        ThreadWorkers(0)
    with pytest.raises(DefinitionError):
        ProcessWorkers(1, waiting=-1)


def test_a_turn_that_comes_with_a_cancellation_is_passed_on() -> None:
    async def scenario() -> None:
        slots = WorkerSlots(1, 5)
        await slots.take()
        first, second = asyncio.create_task(slots.take()), asyncio.create_task(slots.take())
        await settle()
        slots.give_back()
        first.cancel()  # its turn has come already
        await settle()
        assert first.cancelled()
        assert second.done()
        slots.give_back()
        await slots.take()

    asyncio.run(scenario())


def test_whoever_leaves_the_line_makes_room_in_it() -> None:
    async def scenario() -> None:
        slots = WorkerSlots(1, 1)
        await slots.take()
        first = asyncio.create_task(slots.take())
        await settle()
        with pytest.raises(TooManyTasks):
            await slots.take()
        first.cancel()
        await settle()
        second = asyncio.create_task(slots.take())
        await settle()
        slots.give_back()
        await second

    asyncio.run(scenario())


# --- processes -----------------------------------------------------------------------------------------------


def test_a_process_computes_and_is_used_again() -> None:
    async def scenario(tasks: Tasks) -> None:
        workers = ProcessWorkers(1)
        assert await (await tasks.run(workers.wrap(math.factorial), 20)).result(30) == math.factorial(20)
        there = await workers.wrap(os.getpid)()
        assert there != os.getpid()
        assert await workers.wrap(os.getpid)() == there
        await workers.close()
        with pytest.raises(ProcessLookupError):
            os.kill(there, 0)

    run(scenario)


def test_a_worker_is_killed_with_its_task_and_another_takes_its_place() -> None:
    async def scenario(tasks: Tasks) -> None:
        workers = ProcessWorkers(1)
        first = await workers.wrap(os.getpid)()
        task = await tasks.run_nolink(workers.wrap(time.sleep), 3600)
        await settle()
        assert task.pid is not None
        task.pid.kill()
        assert await task.yield_(0) == Ended(Exit.KILLED)
        assert await workers.wrap(os.getpid)() != first
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)
        await workers.close()

    run(scenario)


def test_a_worker_that_dies_ends_its_task_and_nothing_else() -> None:
    async def scenario(tasks: Tasks) -> None:
        workers = ProcessWorkers(2)
        died = await tasks.run_nolink(workers.wrap(os._exit), 3)
        lived = await tasks.run_nolink(workers.wrap(math.sqrt), 4.0)
        match await died.yield_(30):
            case Ended(WorkerDied() as error):
                assert "exit code 3" in str(error)
            case other:
                pytest.fail(f"unexpected: {other}")
        assert await lived.yield_(30) == Returned(2.0)
        await workers.close()

    run(scenario)


def test_an_error_in_a_process_comes_back_with_its_traceback() -> None:
    async def scenario(_: Tasks) -> None:
        workers = ProcessWorkers(1)
        with pytest.raises(ValueError, match="math domain error") as caught:
            await workers.wrap(math.sqrt)(-1.0)
        assert "Traceback" in caught.value.__notes__[0]
        with pytest.raises((AttributeError, TypeError)):
            await workers.wrap(lambda: 1)()  # can't be sent
        assert await workers.wrap(math.sqrt)(4.0) == 2.0
        await workers.close()

    run(scenario)


def test_closing_kills_what_computes() -> None:
    async def scenario(tasks: Tasks) -> None:
        workers = ProcessWorkers(1)
        assert await workers.wrap(math.sqrt)(4.0) == 2.0
        busy = await tasks.run_nolink(workers.wrap(time.sleep), 3600)
        line = await tasks.run_nolink(workers.wrap(math.sqrt), 9.0)
        await settle()
        await workers.close()
        match await busy.yield_():
            case Ended(WorkerDied()):
                pass
            case other:
                pytest.fail(f"unexpected: {other}")
        with pytest.raises(ProcessDown, match="closed"):
            await line.result()

    run(scenario)


class Unreadable(Exception):
    """Can be written as a pickle, and not be read."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(one)


def raise_unreadable() -> None:
    raise Unreadable(1, 2)


def test_the_childs_answer_always_can_be_read() -> None:
    returned, error = pickle.loads(answer(pickle.dumps((raise_unreadable, (), {}))))
    assert not returned
    assert isinstance(error, RuntimeError)
    assert "Unreadable" in str(error)
    returned, error = pickle.loads(answer(pickle.dumps((int, ("x",), {}))))
    assert not returned
    assert isinstance(error, ValueError)
    returned, error = pickle.loads(answer(b"nonsense"))
    assert not returned
    returned, error = pickle.loads(answer(pickle.dumps((threading.Lock, (), {}))))  # its result can't be sent
    assert not returned
    assert isinstance(error, TypeError)
