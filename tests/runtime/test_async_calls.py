"""Calls to async handlers of idle processes: their tasks are made in the caller's turn."""

from __future__ import annotations

import asyncio
import logging

import pytest

from headwater import GenServer, System
from headwater.errors import DeadlineExceeded, ProcessDown
from headwater.runtime.process_info import info

from .driving import run, settle


class Worker(GenServer):
    def init(self) -> None:
        self.done: list[object] = []

    async def work(self, what: object) -> object:
        self.done.append(what)
        return what

    async def wait(self, gate: asyncio.Event) -> None:
        await gate.wait()

    def note(self, what: object) -> None:
        self.done.append(what)

    def history(self) -> list[object]:
        return list(self.done)


def test_what_comes_behind_it_waits_until_it_has_ended() -> None:
    async def scenario(system: System) -> None:
        worker = await system.start(Worker)
        first = asyncio.ensure_future(worker.call(Worker.work, 1))
        await asyncio.sleep(0)
        assert info(worker).state == "awaiting"
        worker.cast(Worker.note, 2)
        second = asyncio.ensure_future(worker.call(Worker.work, 3))
        worker.cast(Worker.note, 4)
        assert list(await asyncio.gather(first, second)) == [1, 3]
        assert await worker.call(Worker.history) == [1, 2, 4, 3]  # the second call's task began behind the casts
        assert info(worker).handled == 5
        assert info(worker).state == "idle"

    run(scenario)


def test_one_that_is_killed_before_its_first_step_does_nothing() -> None:
    async def scenario(system: System) -> None:
        worker = await system.start(Worker)
        server = worker.process.server
        assert isinstance(server, Worker)
        called = asyncio.ensure_future(worker.call(Worker.work, 1))
        await asyncio.sleep(0)  # the call was made, and its task not begun
        worker.kill()
        with pytest.raises(ProcessDown):
            await called
        await settle()
        assert server.done == []

    run(scenario)


def test_a_caller_that_gives_up_lets_the_handler_go_on_and_the_next_is_served() -> None:
    async def scenario(system: System) -> None:
        worker = await system.start(Worker)
        gate = asyncio.Event()
        with pytest.raises(DeadlineExceeded):
            await worker.within(0.001).call(Worker.wait, gate)
        gate.set()
        assert await worker.call(Worker.work, 5) == 5

    run(scenario)


def test_callers_that_never_wait_let_the_event_loop_have_its_turn() -> None:
    async def scenario(system: System) -> None:
        workers = [await system.start(Worker) for _ in range(1_000)]
        calls = [asyncio.ensure_future(worker.call(Worker.work, number)) for number, worker in enumerate(workers)]
        assert await asyncio.gather(*calls) == list(range(1_000))
        assert all(info(worker).handled == 1 for worker in workers)

    run(scenario)


@pytest.mark.row("GS-08", "GS-15")
def test_arguments_that_do_not_fit_end_it_and_the_report_names_the_client(caplog: pytest.LogCaptureFixture) -> None:
    async def a_client(system: System) -> None:
        worker = await system.start(Worker)
        with pytest.raises(ProcessDown) as down:
            await worker.call(Worker.work)  # type: ignore[call-overload]  # what a type checker would tell
        assert isinstance(down.value.reason, TypeError)
        assert not worker.alive

    with caplog.at_level(logging.ERROR):
        run(a_client)
    assert "client: a_client (" in caplog.text
