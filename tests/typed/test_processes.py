"""What a type checker knows about processes. Each `# E:` line must be an error for it, no other line may."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.typed.checkers import CHECKERS, Checker, complete_types, expected_errors

CALLS = """
from typing import assert_type

from headwater import Deferred, GenServer, Pid, System


class Counter(GenServer):
    def init(self, start: int = 0) -> None:
        self.value = start

    def increment(self, by: int = 1, *, times: int = 1) -> int:
        return self.value

    async def slowly(self, text: str) -> bytes:
        return text.encode()

    def later(self) -> Deferred[list[str]]:
        return self.defer(list[str])

    def again(self) -> None:
        self.then(Counter.increment, 1, times=2)
        self.then(Counter.increment, "1")  # E:
        assert_type(self.pid.alive, bool)


class Fast(Counter):
    pass


class Other(GenServer):
    def ping(self) -> str:
        return "pong"


async def cases(system: System) -> None:
    counter = await system.start(Counter, 10, name="counter")
    assert_type(counter, Pid[Counter])
    assert_type(await counter.call(Counter.increment), int)
    assert_type(await counter.call(Counter.increment, 5, times=2), int)
    assert_type(await counter.call(Counter.slowly, "x"), bytes)
    assert_type(await counter.call(Counter.later), list[str])
    assert_type(await counter.within(0.5).call(Counter.increment), int)
    assert_type(await counter.begin(Counter.later), list[str])
    assert_type(system.named(Counter, "counter"), Pid[Counter])
    counter.cast(Counter.increment, 5)
    counter.cast(Counter.slowly, text="x")
    fast = await system.start(Fast)
    assert_type(await fast.call(Counter.increment), int)
    base: Pid[Counter] = fast
    anybody: Pid[object] = counter
    anybody.send("anything")
    await counter.call(Counter.increment, "5")  # E:
    await counter.call(Counter.increment, 1, 2)  # E:
    await counter.call(Counter.increment, often=2)  # E:
    await counter.call(Counter.slowly)  # E:
    await counter.call(Other.ping)  # E:
    await base.call(Fast.increment)
    await base.call(Other.ping)  # E:
    counter.begin(Counter.increment)  # E:
    counter.cast(Counter.increment, "5")  # E:
    counter.cast(Other.ping)  # E:
    wrong: Pid[Other] = counter  # E:
    number: str = await counter.call(Counter.increment)  # E:
    await system.start(int)  # E:
    print(wrong, number)
"""

MANY = """
from typing import assert_type

from headwater import GenServer, Pid
from headwater.runtime.calls import Answers, call_many, cast_many


class Counter(GenServer):
    def increment(self, by: int = 1) -> int:
        return by


async def cases(pids: list[Pid[Counter]]) -> None:
    assert_type(await call_many(pids, Counter.increment, 5), Answers[Counter, int])
    cast_many(pids, Counter.increment, by=5)
    await call_many(pids, Counter.increment, "5")  # E:
    cast_many(pids, Counter.increment, "5")  # E:
    await call_many(pids, GenServer.stop, 1, 2, 3)  # E:
"""

SUPERVISION = """
from collections.abc import Iterable
from typing import assert_type

from headwater import Backoff, Child, GenServer, OneForOne, Pid, System
from headwater import DynamicSupervisor, PartitionSupervisor, Supervisor


class Worker(GenServer):
    def work(self) -> str:
        return "done"


class Team(Supervisor):
    strategy = OneForOne(max_restarts=3, within=5.0, backoff=Backoff(0.1, 30.0))

    def children(self) -> Iterable[Child]:
        yield Child(Worker, name="a", restart="transient", shutdown=2.0)
        yield Child(Worker, name="b", restart="always")  # E:
        yield Worker()  # E:


async def cases(system: System) -> None:
    team = await system.start(Team)
    assert_type(await team.call(Supervisor.start_child, Child(Worker, id="c")), Pid[Worker] | None)
    assert_type(await team.call(Supervisor.terminate_child, "c"), None)
    await team.call(Supervisor.start_child, 1, 2, 3)  # E:
    workers = await system.start(DynamicSupervisor)
    worker = await workers.call(DynamicSupervisor.start_child, Child(Worker))
    assert_type(worker, Pid[Worker] | None)
    parts = await system.start(PartitionSupervisor, Child(Worker), partitions=2)
    routes = await parts.call(PartitionSupervisor.routes, Worker)
    assert_type(await routes.via("key").call(Worker.work), str)
    Child(int)  # E:
"""

AROUND = """
from typing import assert_type

from headwater import Agent, GenServer, Pid, Registry, System, Task, Tasks, TaskSupervisor, ThreadWorkers, start_task


class Room(GenServer):
    def greet(self, name: str) -> str:
        return name


async def square(number: int) -> int:
    return number * number


def blocking(text: str) -> bytes:
    return text.encode()


async def cases(system: System, rooms: Registry[str, int]) -> None:
    tasks = Tasks(await system.start(TaskSupervisor))
    task = await tasks.run(square, 7)
    assert_type(task, Task[int])
    assert_type(await task.result(), int)
    assert_type(await (await tasks.run(ThreadWorkers(1).wrap(blocking), "x")).result(), bytes)
    assert_type([each async for each in tasks.stream(range(5), square)], list[int])
    assert_type(await Task.completed(5).result(), int)
    assert_type(await Task.run(square, 7), Task[int])
    assert_type(await start_task(system, blocking, "x"), Task[bytes])
    await tasks.run(square, "7")  # E:
    scores = await Agent.start(system, dict[str, int])
    assert_type(scores, Agent[dict[str, int]])
    assert_type(await scores.get(len), int)
    scores.cast(lambda state: {**state, "ada": 3})
    assert_type(rooms.via(Room, "tea"), Pid[Room])
    assert_type(rooms.keys(rooms.via(Room, "tea")), list[str])
    assert_type(await rooms.via(Room, "tea").call(Room.greet, "Ada"), str)
    rooms.register(rooms.via(Room, "tea"), 5, 1)  # E:
    rooms.lookup(5)  # E:
"""


RECEIVING = """
from typing import TypeGuard, assert_type

from headwater import Down, GenServer


def is_text(message: object) -> TypeGuard[str]:
    return isinstance(message, str)


def is_odd(message: object) -> bool:
    return message in (1, 3, 5)


class Reader(GenServer):
    async def read(self) -> None:
        assert_type(await self.receive(Down), Down)
        assert_type(await self.receive(is_text, timeout=1.0), str)
        assert_type(await self.receive(is_odd, timeout=None), object)
        await self.receive("text")  # E:
        await self.receive(Down, timeout="1")  # E:
"""


@pytest.mark.row("BR-05")
@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.__name__)
@pytest.mark.parametrize(
    "cases",
    [
        pytest.param(CALLS, id="calls"),
        pytest.param(MANY, id="many"),
        pytest.param(SUPERVISION, id="supervision"),
        pytest.param(AROUND, id="around"),
        pytest.param(RECEIVING, id="receiving"),
    ],
)
def test_processes_are_typed(tmp_path: Path, cases: str, checker: Checker) -> None:
    source = tmp_path / "cases.py"
    source.write_text(cases)
    found, said = checker(source)
    assert found == expected_errors(cases), said


def test_no_public_name_has_an_unknown_type() -> None:
    summary = complete_types("headwater")
    assert summary.known > 500
    assert summary.unknown == 0
