"""The same call or cast to many processes."""

import asyncio

import pytest

from headwater import Deferred, GenServer, Rejected, System
from headwater.errors import DeadlineExceeded, ProcessDown, UnknownMethod
from headwater.runtime.calls import call_many, cast_many
from headwater.testing.clock import VirtualClock

from .driving import Probe, run, settle


class Worker(GenServer):
    def init(self, number: int) -> None:
        self.number = number

    def times(self, factor: int, *, plus: int = 0) -> int:
        if self.number == 3:
            raise Rejected("not me")
        return self.number * factor + plus

    async def slow(self) -> int:
        if self.number == 1:
            await asyncio.Event().wait()
        return self.number

    def later(self) -> Deferred[int]:
        deferred = self.defer(int)
        deferred.reply(self.number)
        return deferred

    def grow(self, by: int) -> None:
        self.number += by


@pytest.mark.row("GS-19")
def test_a_call_to_many_returns_replies_and_failures_in_order() -> None:
    async def scenario(system: System) -> None:
        pids = [await system.start(Worker, number) for number in range(5)]
        pids[1].kill()
        answers = await call_many([*pids, pids[0]], Worker.times, 10, plus=1)
        assert list(answers.replies.items()) == [(pids[0], 1), (pids[2], 21), (pids[4], 41)]
        assert [(pid, type(error)) for pid, error in answers.failures.items()] == [
            (pids[1], ProcessDown),
            (pids[3], Rejected),
        ]
        assert sum((await call_many(pids, Worker.later)).replies.values()) == 9
        assert (await call_many([], Worker.later)).replies == {}

    run(scenario)


@pytest.mark.row("GS-19")
def test_the_calls_run_at_the_same_time_and_each_has_its_deadline() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        pids = [await system.start(Worker, number % 2) for number in range(10)]
        calling = asyncio.create_task(call_many([pid.within(0.5) for pid in pids], Worker.slow))
        await settle()
        clock.advance(0.5)  # one deadline is enough for all
        answers = await calling
        assert set(answers.replies) == set(pids[::2])
        assert {type(error) for error in answers.failures.values()} == {DeadlineExceeded}
        for pid in pids:
            pid.kill()

    run(scenario, clock)


@pytest.mark.row("GS-19")
def test_whoever_cancels_a_call_to_many_cancels_all_of_them() -> None:
    async def scenario(system: System) -> None:
        pids = [await system.start(Worker, 1) for _ in range(3)]
        calling = asyncio.create_task(call_many(pids, Worker.slow))
        await settle()
        again = asyncio.create_task(call_many(pids, Worker.times, 2))
        await settle()
        for task in (calling, again):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert all(waiting[3] is None or waiting[3].done() for pid in pids for waiting in pid.process.mailbox)
        for pid in pids:
            pid.kill()

    run(scenario)


@pytest.mark.row("GS-19")
def test_a_cast_to_many_reaches_all_who_live() -> None:
    async def scenario(system: System) -> None:
        pids = [await system.start(Worker, number) for number in range(3)]
        pids[0].kill()
        cast_many(pids, Worker.grow, 100)
        answers = await call_many(pids, Worker.times, 1)
        assert list(answers.replies.values()) == [101, 102]
        with pytest.raises(UnknownMethod):
            cast_many([await system.start(Probe)], Worker.grow, 1)  # type: ignore[misc]

    run(scenario)
