"""What the guide says is different from OTP is so: each line of that section has a demonstration here."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import traceback
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path

import pytest

from headwater import Child, GenServer, Pid, Supervisor, System, Task
from headwater.errors import DeadlineExceeded, MailboxFull, ProcessDown
from headwater.runtime import introspect
from headwater.runtime.process_info import info
from headwater.runtime.task_process import callers
from tests.runtime.driving import settle

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "processes.md"
Demonstration = Callable[[System], Coroutine[object, object, None]]


def claims() -> list[str]:
    section = GUIDE.read_text().split("## What is different from OTP")[1].split("\n## ")[0]
    return re.findall(r"^- \*\*(.+?)\.\*\*", section, re.MULTILINE)


class Worker(GenServer):
    def init(self) -> None:
        self.heard: list[object] = []

    def handle_info(self, message: object) -> None:
        self.heard.append(message)

    def do(self, action: Callable[[], object]) -> object:
        return action()

    async def do_later(self, action: Callable[[], Coroutine[object, object, object]]) -> object:
        return await action()

    async def read(self) -> int:
        return await self.receive(int)

    async def wait_for(self, gate: asyncio.Event) -> None:
        await gate.wait()


async def no_pre_emption(system: System) -> None:
    busy, other = await system.start(Worker), await system.start(Worker)
    done: list[str] = []

    def compute() -> None:
        other.cast(Worker.do, lambda: done.append("other"))
        for _ in range(100_000):
            pass
        done.append("busy")

    busy.cast(Worker.do, compute)
    await other.call(Worker.do, lambda: None)  # in the mailbox behind nothing: `other` is idle
    await busy.call(Worker.do, lambda: None)
    await other.call(Worker.do, lambda: None)
    assert done == ["busy", "other"]


async def one_loop(system: System) -> None:
    workers = [await system.start(Worker) for _ in range(10)]
    places = {await worker.call(Worker.do, _place) for worker in workers}
    later = {await worker.call(Worker.do_later, _place_later) for worker in workers}
    assert places == later == {_place()}


def _place() -> tuple[int, int]:
    return threading.get_ident(), id(asyncio.get_running_loop())


async def _place_later() -> tuple[int, int]:
    await asyncio.sleep(0)
    return _place()


async def no_copy(system: System) -> None:
    worker = await system.start(Worker)
    message = ["mine"]
    worker.send(message)
    message.append("changed after it was sent")
    heard = (await introspect.get_state(worker))["heard"]
    assert isinstance(heard, list)
    assert heard[0] is message


async def at_once(system: System) -> None:
    worker = await system.start(Worker)
    stack = await worker.call(Worker.do, lambda: [frame.name for frame in traceback.extract_stack()])
    assert isinstance(stack, list)
    assert at_once.__name__ in stack
    worker.cast(Worker.do, lambda: None)  # now something is ahead
    stack = await worker.call(Worker.do, lambda: [frame.name for frame in traceback.extract_stack()])
    assert isinstance(stack, list)
    assert at_once.__name__ not in stack


async def no_interruption(system: System) -> None:
    worker = await system.start(Worker, name="worker")
    done: list[object] = []

    def die() -> None:
        worker.kill()
        done.append(system.whereis("worker"))
        done.append("ran on")

    await worker.call(Worker.do, die)
    assert done == [None, "ran on"]
    assert not worker.alive


async def bounded(system: System) -> None:
    assert info(await system.start(Worker)).dropped == 0
    assert Worker.capacity == 100_000
    worker = await system.start(Worker, capacity=1)
    gate = asyncio.Event()
    held = asyncio.ensure_future(worker.call(Worker.wait_for, gate))
    await settle()
    worker.send("fits")
    worker.send("doesn't fit")
    with pytest.raises(MailboxFull):
        await worker.call(Worker.do, lambda: None)
    assert info(worker).dropped == 2
    gate.set()
    await held


async def deadlines(system: System) -> None:
    worker = await system.start(Worker)
    gate = asyncio.Event()
    held = asyncio.ensure_future(worker.call(Worker.wait_for, gate))
    await settle()
    done: list[str] = []
    with pytest.raises(DeadlineExceeded):
        await worker.within(0.001).call(Worker.do, partial(done.append, "late"))
    gate.set()
    await held
    await worker.call(Worker.do, lambda: None)
    assert done == []
    assert info(worker).expired == 1


async def receiving(system: System) -> None:
    worker = await system.start(Worker)
    read = asyncio.ensure_future(worker.call(Worker.read))
    await settle()
    call = asyncio.ensure_future(worker.call(Worker.do, lambda: "answer"))
    worker.send("text")
    await settle()
    assert not call.done()
    worker.send(5)
    assert (await read, await call) == (5, "answer")


async def dictionary(system: System) -> None:
    await system.start(Supervisor, [Child(Worker, name="worker")], name="team")
    worker = system.named(Worker, "worker")
    assert await introspect.get_state(worker) == {"heard": []}
    assert info(worker).ancestors == (system.whereis("team"),)
    assert await worker.call(Worker.do_later, _callers_of_a_task) == (worker,)


async def _callers_of_a_task() -> tuple[Pid[object], ...]:
    return await (await Task.run(callers)).result()


async def no_group_leader(system: System) -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[assignment, method-assign]
    logging.getLogger("headwater").addHandler(handler)
    try:
        await system.start(Supervisor, [Child(Worker, name="worker")])
        with pytest.raises(ProcessDown):
            await system.named(Worker, "worker").call(Worker.do, lambda: 1 // 0)
        await settle()
    finally:
        logging.getLogger("headwater").removeHandler(handler)
    assert {record.name for record in records} >= {"headwater.runtime", "headwater.supervisor"}


DEMONSTRATIONS: dict[str, Demonstration] = {
    "No pre-emption": no_pre_emption,
    "One loop per node": one_loop,
    "No copy on send": no_copy,
    "A call may run at once": at_once,
    "A kill can't interrupt": no_interruption,
    "Mailboxes are bounded": bounded,
    "Deadlines are kept on both sides": deadlines,
    "Receiving belongs in async methods": receiving,
    "Attributes are the process dictionary": dictionary,
    "No group leader": no_group_leader,
}


@pytest.mark.row("BR-10")
def test_every_difference_that_the_guide_states_is_demonstrated_and_no_other() -> None:
    assert claims() == list(DEMONSTRATIONS)


@pytest.mark.row("BR-10")
@pytest.mark.parametrize("claim", DEMONSTRATIONS)
def test_a_difference_that_the_guide_states_is_there(claim: str) -> None:
    async def main() -> None:
        async with System("test") as system:
            await DEMONSTRATIONS[claim](system)

    asyncio.run(main())
