"""Whoever asks one of the runtime's own processes for nonsense is told so, and nobody else suffers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import pytest

from headwater import (
    Agent,
    Child,
    DynamicSupervisor,
    GenServer,
    PartitionSupervisor,
    Pid,
    Supervisor,
    System,
    Tasks,
    TaskSupervisor,
)
from headwater.errors import ChildUnknown, DefinitionError, ProcessDown, Rejected, WrongArguments
from headwater.runtime.agent import AgentProcess

from .driving import run, settle


class Worker(GenServer):
    def init(self, label: str = "") -> None:
        self.label = label

    def greet(self, name: str) -> str:
        return name


async def supervisor(system: System) -> Pid[GenServer]:
    return await system.start(Supervisor, [Child(Worker, name="worker")])


async def dynamic(system: System) -> Pid[GenServer]:
    pid = await system.start(DynamicSupervisor)
    await pid.call(DynamicSupervisor.start_child, Child(Worker, name="worker"))
    return pid


async def partitions(system: System) -> Pid[GenServer]:
    return await system.start(PartitionSupervisor, Child(Supervisor, [Child(Worker, name="worker")]), partitions=1)


async def tasks(system: System) -> Pid[GenServer]:
    await system.start(Worker, name="worker")
    return await system.start(TaskSupervisor)


async def agent(system: System) -> Pid[GenServer]:
    await system.start(Worker, name="worker")
    return (await Agent.start(system, list)).pid


Start = Callable[[System], Awaitable[Pid[GenServer]]]
Mistake = tuple[Start, Callable[..., object], tuple[object, ...], dict[str, object]]

UNFIT: list[Mistake] = [
    (supervisor, Supervisor.start_child, (1, 2, 3), {}),
    (supervisor, Supervisor.terminate_child, (), {}),
    (supervisor, Supervisor.which_children, (), {"often": True}),
    (dynamic, DynamicSupervisor.start_child, (), {}),
    (dynamic, DynamicSupervisor.count_children, (1,), {}),
    (partitions, PartitionSupervisor.pid_for, ("a", "b"), {}),
    (partitions, PartitionSupervisor.resize, (), {"to": 1}),
    (tasks, TaskSupervisor.tasks, (1,), {}),
    (agent, AgentProcess.apply, (1, 2, 3), {}),
]

UNFIT_VALUES: list[tuple[Mistake, type[Exception]]] = [
    ((supervisor, Supervisor.start_child, (5,), {}), DefinitionError),
    ((supervisor, Supervisor.start_child, (Child(Worker, 1, 2, 3, name="other"),), {}), Exception),
    ((supervisor, Supervisor.terminate_child, ([],), {}), WrongArguments),
    ((supervisor, Supervisor.restart_child, (None,), {}), WrongArguments),
    ((supervisor, Supervisor.delete_child, ("nobody",), {}), ChildUnknown),
    ((dynamic, DynamicSupervisor.start_child, (5,), {}), DefinitionError),
    ((dynamic, DynamicSupervisor.terminate_child, ("worker",), {}), WrongArguments),
    ((partitions, PartitionSupervisor.resize, ("two",), {}), DefinitionError),
    ((partitions, PartitionSupervisor.pid_for, (object(),), {}), TypeError),
    ((tasks, TaskSupervisor.launch, (5, None), {}), Rejected),
]

ALL = [*((mistake, WrongArguments) for mistake in UNFIT), *UNFIT_VALUES]


def named(mistake: object) -> Iterator[str]:
    return mistake[1].__qualname__ if isinstance(mistake, tuple) else None  # type: ignore[return-value]


async def check(
    system: System, mistake: Mistake, attempt: Callable[[Pid[GenServer], Mistake], Awaitable[None]]
) -> None:
    start, *_ = mistake
    pid = await start(system)
    worker = system.whereis("worker")
    await attempt(pid, mistake)
    await settle()
    assert pid.alive
    assert worker is not None
    assert worker.alive


@pytest.mark.row("GS-08", "SU-14")
@pytest.mark.parametrize("queued", [False, True], ids=["at once", "queued"])
@pytest.mark.parametrize(("mistake", "error"), ALL, ids=named)
def test_a_call_that_makes_no_sense_fails_for_its_caller_alone(
    mistake: Mistake, error: type[Exception], queued: bool
) -> None:
    async def attempt(pid: Pid[GenServer], mistake: Mistake) -> None:
        _, method, arguments, keywords = mistake
        if queued:
            pid.send("something ahead")
        with pytest.raises(error) as caught:
            await pid.call(method, *arguments, **keywords)
        assert not isinstance(caught.value, ProcessDown)

    run(lambda system: check(system, mistake, attempt))


@pytest.mark.row("GS-08", "SU-14")
@pytest.mark.parametrize("mistake", UNFIT, ids=named)
def test_a_cast_that_makes_no_sense_is_logged(mistake: Mistake, caplog: pytest.LogCaptureFixture) -> None:
    async def attempt(pid: Pid[GenServer], mistake: Mistake) -> None:
        _, method, arguments, keywords = mistake
        pid.cast(method, *arguments, **keywords)

    run(lambda system: check(system, mistake, attempt))
    assert any("was refused" in record.getMessage() for record in caplog.records)


@pytest.mark.row("AG-01")
def test_an_agent_is_not_asked_to_run_what_is_no_function() -> None:
    async def scenario(system: System) -> None:
        scores = await Agent.start(system, list[int])
        for attempt in (scores.get, scores.update, scores.get_and_update, scores.cast):
            with pytest.raises(WrongArguments, match="5 is none"):
                await attempt(5)  # type: ignore[arg-type, misc]  # what a type checker would tell
        assert await scores.get(len) == 0

    run(scenario)


@pytest.mark.row("GS-08")
def test_a_users_own_server_crashes_as_any_that_raises() -> None:
    async def scenario(system: System) -> None:
        worker = await system.start(Worker)
        with pytest.raises(ProcessDown):
            await worker.call(Worker.greet, "a", "b")  # type: ignore[call-overload]  # what a type checker would tell
        assert not worker.alive

    run(scenario)


@pytest.mark.row("SU-14")
def test_a_type_error_inside_of_a_method_is_no_callers_mistake() -> None:
    async def scenario(system: System) -> None:
        scores = await Agent.start(system, list[int])
        with pytest.raises(ProcessDown):
            await scores.get(lambda state: state + 1)  # type: ignore[operator]  # the function's own mistake
        assert not scores.pid.alive

    run(scenario)


def test_tasks_go_on_after_a_mistake() -> None:
    async def scenario(system: System) -> None:
        under = await system.start(TaskSupervisor)
        with pytest.raises(Rejected):
            await under.call(TaskSupervisor.launch, 5, None)  # type: ignore[call-overload]  # as above
        assert await (await Tasks(under).run(len, "four")).result() == 4

    run(scenario)
