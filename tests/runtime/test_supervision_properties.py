"""After any schedule of ends the living tree is what a model says, and so is every start and stop on the way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater import Backoff, Child, Exit, OneForAll, OneForOne, Pid, RestForOne, Supervisor, System
from headwater.errors import ChildRunning, ChildUnknown, ProcessDown, StartFailed
from headwater.runtime.dynamic_supervisor import DynamicSupervisor
from headwater.runtime.restart import Restart
from headwater.testing.clock import VirtualClock
from tests.runtime.driving import run
from tests.runtime.supervised import Worker

NAMES = "abcde"
WITHIN = 5
WAIT = 2

Kind = Literal["one", "all", "rest"]
Step = tuple[str, list[str], int]
"""What happens, to whom (often to the first only), and for how long or how often."""

STRATEGIES = {"one": OneForOne, "all": OneForAll, "rest": RestForOne}


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    """The crashes are meant."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@dataclass
class Member:
    """A child in the model."""

    name: str
    restart: Restart
    alive: bool = False
    lives: int = 0
    due: int | None = None
    turn: int = 0


@dataclass
class Model:
    """What a supervisor must do, written down without processes."""

    kind: Kind
    max_restarts: int
    waits: bool
    members: list[Member]
    now: int = 0
    over: bool = False
    turns: int = 0
    log: list[str] = field(default_factory=list)
    restarts: list[int] = field(default_factory=list)
    broken: dict[str, int] = field(default_factory=dict)
    retries: deque[Member] = field(default_factory=deque)

    def find(self, name: str) -> Member | None:
        return next((member for member in self.members if member.name == name), None)

    def start(self, member: Member) -> bool:
        if self.broken.get(member.name, 0):
            self.broken[member.name] -= 1
            return False
        member.alive = True
        member.lives += 1
        self.log.append(f"start {member.name}")
        return True

    def end(self, member: Member, *, silently: bool = False) -> None:
        if member.alive and not silently:
            self.log.append(f"end {member.name}")
        member.alive = False

    def affected(self, member: Member) -> list[Member]:
        match self.kind:
            case "one":
                return [member]
            case "all":
                return list(self.members)
            case "rest":
                return self.members[self.members.index(member) :]

    def bears(self) -> bool:
        self.restarts.append(self.now)
        if sum(self.now - time <= WITHIN for time in self.restarts) <= self.max_restarts:
            return True
        self.over = True
        for member in reversed(self.members):
            self.end(member)
            member.due = None
        return False

    def noticed(self, member: Member, *, abnormal: bool) -> None:
        """The supervisor hears of an end."""
        if member.restart == "temporary":
            self.members.remove(member)
        elif (abnormal or member.restart == "permanent") and self.bears():
            self.end_affected(member)
            if self.waits:
                self.wait(member)
            else:
                self.bring_back(member)

    def wait(self, member: Member) -> None:
        self.turns += 1
        member.due, member.turn = self.now + WAIT, self.turns

    def end_affected(self, member: Member) -> None:
        for other in reversed(self.affected(member)):
            self.end(other)
            other.due = None
            other.lives += 1  # whatever is still to be heard of an end of it is out of date
            if other in self.retries:
                self.retries.remove(other)  # it is started anew with the others
            if other.restart == "temporary":
                self.members.remove(other)

    def bring_back(self, member: Member) -> None:
        self.end_affected(member)
        for other in self.affected(member):
            if self.start(other):
                continue
            if self.bears():
                if self.waits:
                    self.wait(other)
                else:
                    self.retries.append(other)
            return

    def retry(self) -> None:
        while self.retries and not self.over:
            self.bring_back(self.retries.popleft())


class Comparison:
    """A supervisor and its model, driven together."""

    def __init__(self, system: System, clock: VirtualClock, model: Model) -> None:
        self.system = system
        self.clock = clock
        self.model = model
        self.log: list[str] = []
        self.broken = dict.fromkeys(NAMES, 0)
        self.supervisor: Pid[Supervisor]

    async def begin(self) -> None:
        model = self.model
        backoff = Backoff(WAIT, WAIT, jitter=0.0) if model.waits else None
        children = [
            Child(Worker, member.name, self.log, self.failure(member.name), name=member.name, restart=member.restart)
            for member in model.members
        ]
        strategy = STRATEGIES[model.kind](model.max_restarts, WITHIN, backoff)
        self.supervisor = await self.system.start(Supervisor, children, strategy=strategy)
        for member in model.members:
            model.start(member)

    def failure(self, name: str) -> Callable[[], bool]:
        def fails() -> bool:
            self.broken[name] -= 1
            return self.broken[name] >= 0

        return fails

    async def step(self, step: Step) -> None:
        action, names, number = step
        match action:
            case "kill":
                self.kill(names)
            case "break":
                self.broken[names[0]] = self.model.broken[names[0]] = 2
            case "advance":
                await self.advance(number)
            case "noise":
                for _ in range(number * 3):
                    self.supervisor.cast(Supervisor.count_children)
            case _:
                await self.act(action, names[0])
        await self.check()

    def kill(self, names: list[str]) -> None:
        """Kill several before the supervisor hears of the first."""
        model = self.model
        killed: list[tuple[Member, int]] = []
        for name in names:
            member = model.find(name)
            if member is not None and member.alive:
                self.system.named(Worker, name).kill()
                model.end(member, silently=True)
                killed.append((member, member.lives))
        for member, lives in killed:
            if not model.over and member in model.members and member.lives == lives:
                model.noticed(member, abnormal=True)
        model.retry()

    async def act(self, action: str, name: str) -> None:
        member = self.model.find(name)
        match action:
            case "crash" | "leave" if member is not None and member.alive:
                await self.end(name, crash=action == "crash")
                self.model.end(member)
                self.model.noticed(member, abnormal=action == "crash")
                self.model.retry()
            case "terminate":
                await self.terminate(name, member)
            case "restart":
                await self.restart(name, member)

    async def end(self, name: str, *, crash: bool) -> None:
        worker = self.system.named(Worker, name)
        if crash:
            with contextlib.suppress(ProcessDown):
                await worker.call(Worker.boom)
        else:
            worker.cast(Worker.leave)

    async def terminate(self, name: str, member: Member | None) -> None:
        if member is None:
            with pytest.raises(ChildUnknown):
                await self.supervisor.call(Supervisor.terminate_child, name)
            return
        await self.supervisor.call(Supervisor.terminate_child, name)
        self.model.end(member)
        member.due = None
        if member.restart == "temporary":
            self.model.members.remove(member)

    async def restart(self, name: str, member: Member | None) -> None:
        if member is None or member.alive or member.due is not None:
            with pytest.raises(ChildUnknown if member is None else ChildRunning):
                await self.supervisor.call(Supervisor.restart_child, name)
        elif self.model.start(member):
            await self.supervisor.call(Supervisor.restart_child, name)
        else:
            with pytest.raises(StartFailed):
                await self.supervisor.call(Supervisor.restart_child, name)

    async def advance(self, seconds: int) -> None:
        model, end = self.model, self.model.now + seconds
        while not model.over and (waiting := self.waiting(end)):
            time = min(member.due or 0 for member in waiting)
            self.clock.advance(time - model.now)
            model.now = time
            for member in waiting:
                if member.due == time:
                    member.due = None
                    model.bring_back(member)
            await self.check()
        self.clock.advance(end - model.now)
        model.now = end

    def waiting(self, until: int) -> list[Member]:
        waiting = [member for member in self.model.members if member.due is not None and member.due <= until]
        return sorted(waiting, key=lambda member: member.turn)

    async def check(self) -> None:
        for _ in range(150):
            await asyncio.sleep(0)
        model = self.model
        assert self.log == model.log
        assert self.supervisor.alive is not model.over
        alive = {name for name in NAMES if self.system.whereis(name) is not None}
        assert alive == {member.name for member in model.members if member.alive}
        if model.over:
            assert await self.supervisor.wait() is Exit.SHUTDOWN
            return
        infos = await self.supervisor.call(Supervisor.which_children)
        assert [info.id for info in infos] == [member.name for member in model.members]
        assert [info.state for info in infos] == [state_of(member) for member in model.members]

    async def finish(self) -> None:
        """Stop it: strictly the reverse of the order of the children."""
        if self.model.over:
            return
        self.log.clear()
        await self.supervisor.stop()
        assert self.log == [f"end {member.name}" for member in reversed(self.model.members) if member.alive]


def state_of(member: Member) -> str:
    if member.alive:
        return "running"
    return "stopped" if member.due is None else "restarting"


names = st.sampled_from(NAMES)
actions = st.sampled_from(["crash", "leave", "terminate", "restart", "kill", "break", "advance", "noise"])
steps = st.tuples(actions, st.lists(names, min_size=1, max_size=4, unique=True), st.integers(0, 7))
restart_types: st.SearchStrategy[Restart] = st.sampled_from(["permanent", "transient", "temporary"])
kinds: st.SearchStrategy[Kind] = st.sampled_from(["one", "all", "rest"])


@pytest.mark.row("SU-01", "SU-02", "SU-03", "SU-05", "SU-12", "BR-03")
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=kinds,
    max_restarts=st.integers(0, 6),
    waits=st.booleans(),
    restarts=st.lists(restart_types, min_size=1, max_size=len(NAMES)),
    schedule=st.lists(steps, max_size=15),
)
def test_the_living_tree_is_what_the_model_says(
    kind: Kind, max_restarts: int, waits: bool, restarts: list[Restart], schedule: list[Step]
) -> None:
    clock = VirtualClock()
    members = [Member(name, restart) for name, restart in zip(NAMES, restarts, strict=False)]

    async def scenario(system: System) -> None:
        comparison = Comparison(system, clock, Model(kind, max_restarts, waits, members))
        await comparison.begin()
        for step in schedule:
            await comparison.step(step)
            if comparison.model.over:
                break
        await comparison.finish()

    run(scenario, clock)
    assert clock.pending == 0


class Crew:
    """A DynamicSupervisor and its model: which children it has, with their types."""

    def __init__(self, system: System, supervisor: Pid[DynamicSupervisor]) -> None:
        self.system = system
        self.supervisor = supervisor
        self.model: dict[str, Restart] = {}

    async def step(self, action: str, name: str, restart: Restart) -> None:
        if action == "start" and name not in self.model:
            child = Child(Worker, name, [], name=name, restart=restart)
            await self.supervisor.call(DynamicSupervisor.start_child, child)
            self.model[name] = restart
        elif action != "start" and name in self.model:
            await self.end(action, self.system.named(Worker, name))
            if not self.comes_back(action, self.model[name]):
                del self.model[name]
        await self.check()

    async def end(self, action: str, worker: Pid[Worker]) -> None:
        match action:
            case "kill":
                worker.kill()
            case "crash":
                with contextlib.suppress(ProcessDown):
                    await worker.call(Worker.boom)
            case "leave":
                worker.cast(Worker.leave)
            case _:
                await self.supervisor.call(DynamicSupervisor.terminate_child, worker)

    def comes_back(self, action: str, restart: Restart) -> bool:
        match restart:
            case "permanent":
                return action != "terminate"
            case "transient":
                return action in ("kill", "crash")
            case "temporary":
                return False

    async def check(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        assert {name for name in NAMES if self.system.whereis(name) is not None} == set(self.model)
        counts = await self.supervisor.call(DynamicSupervisor.count_children)
        assert (counts.specs, counts.active) == (len(self.model), len(self.model))


@pytest.mark.row("DS-01")
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    schedule=st.lists(
        st.tuples(st.sampled_from(["start", "kill", "crash", "leave", "terminate"]), names, restart_types), max_size=30
    )
)
def test_the_children_on_demand_are_those_that_the_model_has(schedule: list[tuple[str, str, Restart]]) -> None:
    async def scenario(system: System) -> None:
        crew = Crew(system, await system.start(DynamicSupervisor, strategy=OneForOne(max_restarts=1_000)))
        for step in schedule:
            await crew.step(*step)
        await crew.supervisor.stop()
        assert not system._running().processes

    run(scenario)
