"""A tree of processes under load, random faults in it, and what must be true of it afterwards."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from random import Random
from typing import Final, Literal

from headwater import Child, Exit, GenServer, OneForAll, OneForOne, Pid, RestForOne, Supervisor, System
from headwater.errors import HeadwaterError
from headwater.runtime.dynamic_supervisor import DynamicSupervisor
from headwater.runtime.introspect_monitor import Monitor
from headwater.runtime.ordered_supervisor import OrderedSupervisor
from headwater.runtime.process import Process
from headwater.runtime.registry import Registry
from headwater.runtime.reply import Deferred
from headwater.runtime.restart import Restart
from headwater.runtime.shutdown import ShutdownForm
from headwater.runtime.slot import Slot
from headwater.runtime.states import ENDED, STATES, WATCHFUL
from headwater.runtime.strategy import Strategy
from headwater.testing.clock import VirtualClock

MANY: Final = 1_000_000_000
"""More restarts than there are."""

LASTING: Final[tuple[Restart, ...]] = ("permanent", "permanent", "transient")
ALL: Final[tuple[Restart, ...]] = (*LASTING, "temporary")
STRATEGIES: Final[tuple[Strategy, ...]] = (
    OneForOne(max_restarts=MANY),
    OneForAll(max_restarts=MANY),
    RestForOne(max_restarts=MANY),
)
MOST_LINKS: Final = 2
"""How many links a worker makes by itself. With more of them every crash would end everything."""

LONGEST_CALM: Final = 300
"""Rounds of 10 virtual seconds each, in which everything that is under way must have come to its end."""

End = Literal["at once", "soon", "late", "never"]
"""How a worker ends when it is asked."""


class World:
    """What all workers of a run share.

    Args:
        seed: where its chance comes from.
    """

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.registry: Registry[str, int] = Registry("workers")
        self.every: weakref.WeakSet[GenServer] = weakref.WeakSet()
        self.started = 0


class Worker(GenServer):
    """Uses all that the runtime has for it."""

    def init(self, world: World, key: str, ends: End = "at once") -> None:
        world.every.add(self)
        world.started += 1
        self.world = world
        self.ends = ends
        self.trap_exit = ends != "at once" or world.rng.random() < 0.3
        self.kept: list[Deferred[int]] = []
        self.made = 0
        world.registry.register(self.pid, key, world.started)

    def ping(self, number: int) -> int:
        return number

    async def ping_slowly(self, number: int) -> int:
        await asyncio.sleep(0)
        return number

    def later(self) -> Deferred[int]:
        deferred = self.defer(int)
        self.kept.append(deferred)
        return deferred

    def answer(self) -> None:
        for deferred in self.kept:
            deferred.reply(len(self.kept))
        self.kept.clear()

    def boom(self) -> None:
        raise ValueError("boom")

    async def boom_slowly(self) -> None:
        await asyncio.sleep(0)
        raise ValueError("boom")

    async def hang(self) -> None:
        await asyncio.Event().wait()

    def leave(self) -> None:
        self.stop()

    def tie(self, other: Pid[object]) -> None:
        if self.made < MOST_LINKS:
            self.made += 1
            self.link(other)

    def untie(self, other: Pid[object]) -> None:
        if other.process is not self.pid.process.parent:
            self.unlink(other)

    def watch_over(self, other: Pid[object]) -> None:
        number = self.monitor(other)
        if self.world.rng.random() < 0.3:
            self.demonitor(other, number)

    def remind(self, other: Pid[object]) -> None:
        timer = self.send_after(self.world.rng.choice((0.01, 0.5, 100.0)), "tick", other)
        if self.world.rng.random() < 0.3:
            timer.cancel()

    def await_idle(self) -> None:
        self.wait_for_message(self.world.rng.random(), "idle")

    def handle_info(self, message: object) -> None:
        """A `Down`, an `Exited`, a timer."""

    async def terminate(self, reason: object) -> None:
        if self.ends == "soon":
            await asyncio.sleep(0)
        elif self.ends == "late":
            clock, over = self.pid.process.node.clock, asyncio.Event()
            timer = clock.call_later(0.05, over.set)
            try:
                await over.wait()
            finally:
                timer.cancel()
        elif self.ends == "never":
            await asyncio.Event().wait()


# --- the tree --------------------------------------------------------------------------------------------------------


class Pool(DynamicSupervisor):
    """Children that come and go."""

    strategy = OneForOne(max_restarts=MANY)


def _ending(rng: Random) -> tuple[End, ShutdownForm]:
    endings: tuple[tuple[End, ShutdownForm], ...] = (
        *(("at once", 5.0), ("at once", 5.0), ("at once", "kill"), ("soon", 5.0), ("soon", None)),
        *(("late", 5.0), ("late", 0.01), ("never", 0.1)),
    )
    return rng.choice(endings)


def worker(world: World, key: str, *, named: bool) -> Child[Worker]:
    """A worker of a random kind."""
    ends, shutdown = _ending(world.rng)
    restart = world.rng.choice(LASTING if named else ALL)
    name = key if named and world.rng.random() < 0.5 else None
    return Child(Worker, world, key, ends, id=key, name=name, restart=restart, shutdown=shutdown)


def tree(world: World, size: int) -> list[Child]:
    """Supervisors of supervisors, with about so many processes: groups of 9, regions of 5 groups."""
    groups = [_group(world, f"group {number}") for number in range(size // 13)]
    return [
        Child(Supervisor, groups[start : start + 5], id=f"region {start}", keywords={"strategy": OneForOne(MANY)})
        for start in range(0, len(groups), 5)
    ]


def _group(world: World, key: str) -> Child[Supervisor]:
    workers: list[Child] = [worker(world, f"{key} worker {number}", named=True) for number in range(8)]
    workers.insert(4, Child(Pool, id=f"{key} pool", name=f"{key} pool"))
    return Child(Supervisor, workers, id=key, keywords={"strategy": world.rng.choice(STRATEGIES)})


# --- the load and the faults -----------------------------------------------------------------------------------------


class Storm:
    """Random load and random faults.

    Args:
        system: where.
        clock: its clock.
        world: what its workers share.
    """

    def __init__(self, system: System, clock: VirtualClock, world: World) -> None:
        self.system = system
        self.clock = clock
        self.world = world
        self.calls: set[asyncio.Task[None]] = set()
        self.asked: set[asyncio.Future[int]] = set()
        self.top: Pid[Supervisor] | None = None
        self.faults = 0
        self._extra = 0
        self._load: tuple[Callable[[Pid[Worker]], object], ...] = (
            lambda pid: pid.cast(Worker.ping, 1),
            lambda pid: pid.cast(Worker.ping_slowly, 1),
            lambda pid: pid.send("hello"),
            lambda pid: self._call(pid.within(0.05).call(Worker.ping, 1)),
            lambda pid: self._call(pid.within(0.05).call(Worker.ping_slowly, 1)),
            lambda pid: self._call(pid.within(0.3).call(Worker.later)),
            lambda pid: pid.cast(Worker.answer),
            self._begin,
            self._start,
            lambda pid: pid.cast(Worker.watch_over, self._any()),
            lambda pid: pid.cast(Worker.remind, self._worker()),
            lambda pid: pid.cast(Worker.await_idle),
            lambda pid: pid.cast(Worker.untie, self._any()),
            self._tie,
        )
        self._faults: tuple[Callable[[Pid[Worker]], object], ...] = (
            lambda pid: pid.kill(),
            lambda pid: pid.exit(OSError("out")),
            lambda pid: pid.exit(Exit.SHUTDOWN),
            lambda pid: pid.cast(Worker.boom),
            lambda pid: pid.cast(Worker.boom_slowly),
            lambda pid: self._call(pid.within(1.0).call(Worker.boom)),
            lambda pid: pid.cast(Worker.leave),
            lambda pid: pid.cast(Worker.hang),
            lambda pid: pid.process.ask_to_stop(Exit.NORMAL),
        )

    async def blow(self, steps: int) -> None:
        """Go on for so many steps, each a bit of load and sometimes a fault."""
        rng = self.world.rng
        for _ in range(steps):
            rng.choice(self._load)(self._worker())
            if rng.random() < 0.1:
                self.faults += 1
                rng.choice(self._faults)(self._worker())
            elif rng.random() < 0.003:
                self.faults += 1
                self._supervisor().kill()
            self.clock.advance(rng.random() / 50)
            await asyncio.sleep(0)

    async def calm(self) -> None:
        """Let everything that is under way come to its end, and end what would never."""
        quiet = rounds = 0
        while quiet < 5:
            rounds += 1
            assert rounds < LONGEST_CALM, f"it never becomes quiet: {self._trouble()}"
            for process in self.living():
                if isinstance(process.server, Worker):
                    _calm_down(process, process.server)
            self.clock.advance(10.0)
            for _ in range(10):
                await asyncio.sleep(0)
            quiet = 0 if self._busy() else quiet + 1

    def living(self) -> list[Process]:
        """All living processes."""
        return [process for process in self.system.node.processes if isinstance(process, Process)]

    def _busy(self) -> bool:
        return bool(
            self.calls
            or self.asked
            or self.clock.pending
            or any(process.mailbox or WATCHFUL < process.state < ENDED for process in self.living())
        )

    def _trouble(self) -> str:
        busy = [process for process in self.living() if process.mailbox or WATCHFUL < process.state < ENDED]
        states = "; ".join(f"{process.label} {STATES[process.state]} {process.running}" for process in busy[:5])
        waiting = f"{len(self.calls)} calls, {len(self.asked)} answers, {self.clock.pending} timers"
        return f"{waiting}, {len(busy)} processes: {states}"

    def _any(self) -> Pid[object]:
        return Pid(self.world.rng.choice(self.living()))

    def _worker(self) -> Pid[Worker]:
        return Pid(self._of(Worker))

    def _supervisor(self) -> Pid[object]:
        """Any but the one that nobody would bring back."""
        found = self._of(Supervisor, Pool)
        return self._any_worker() if self.top is not None and found is self.top.process else Pid(found)

    def _any_worker(self) -> Pid[object]:
        return Pid(self._of(Worker))

    def _of(self, *kinds: type[GenServer]) -> Process:
        """One of these kinds; the one at the top if none of them lives now."""
        living = self.living()
        for _ in range(1_000):
            process = self.world.rng.choice(living)
            if isinstance(process.server, kinds):
                return process
        return living[0]

    def _call(self, call: Coroutine[object, object, object]) -> None:
        task = asyncio.ensure_future(_unheard(call))
        self.calls.add(task)
        task.add_done_callback(self.calls.discard)

    def _begin(self, pid: Pid[Worker]) -> None:
        future = pid.begin(Worker.later)
        self.asked.add(future)
        future.add_done_callback(self._answered)

    def _answered(self, future: asyncio.Future[int]) -> None:
        self.asked.discard(future)
        future.exception()

    def _tie(self, pid: Pid[Worker]) -> None:
        if self.world.rng.random() < 0.2:
            pid.cast(Worker.tie, self._worker())

    def _start(self, _: Pid[Worker]) -> None:
        pool = Pid[Pool](self._of(Pool))
        server = pool.process.server
        if isinstance(server, Pool) and len(server._slots) < 4:
            self._extra += 1
            child = worker(self.world, f"extra {self._extra}", named=False)
            self._call(pool.within(0.5).call(DynamicSupervisor.start_child, child))


def _calm_down(process: Process, server: Worker) -> None:
    """Kill a worker that hangs, in its method or in its end; let others answer whom they owe it."""
    hangs = process.running is not None and process.running[0].name == "hang"
    if hangs or (server.ends == "never" and process.state > WATCHFUL):
        Pid[object](process).kill()
    elif server.kept:
        Pid[Worker](process).cast(Worker.answer)


async def _unheard(call: Coroutine[object, object, object]) -> None:
    with suppress(HeadwaterError):
        await call


# --- what must be true -----------------------------------------------------------------------------------------------


def check(storm: Storm) -> None:
    """Nothing is left over, and the tree is complete. For a storm that has calmed down."""
    assert storm.top is not None
    assert storm.top.alive
    living = storm.living()
    assert set(descendants(storm.top.process)) == set(living)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert storm.clock.pending == 0
    _check_names(storm, living)
    for process in living:
        _check_ties(process)
    _check_memory(storm, living)


def descendants(process: Process) -> Iterator[Process]:
    """A process and all below it, as their supervisors know them; each is as its restart type says."""
    yield process
    server = process.server
    slots: list[Slot] = []
    if isinstance(server, OrderedSupervisor):
        slots = list(server._slots)
    elif isinstance(server, DynamicSupervisor):
        slots = list(server._slots.values())
        assert not server._starts
        assert not server._leaving
        assert server._places == server._active == len(slots)
    for slot in slots:
        assert slot.due is None
        if slot.process is None:
            assert isinstance(server, OrderedSupervisor)
            assert slot.child.restart == "transient", f"{slot.child.id} has not come back"
            assert slot.last is not None
            assert slot.last.reason in (Exit.NORMAL, Exit.SHUTDOWN)
            continue
        assert slot.process.alive
        assert slot.process.parent is process
        yield from descendants(slot.process)


def _check_names(storm: Storm, living: list[Process]) -> None:
    named = {process.name: process for process in living if process.name is not None}
    assert storm.system.node.names._holders == named
    registry = storm.world.registry
    workers = {process for process in living if isinstance(process.server, Worker)}
    assert registry.count() == len(workers)
    assert {entry.pid.process for entry in registry.select()} == workers
    assert set(registry._holdings) == workers
    assert all(process.cleanups is not None and len(process.cleanups) == 1 for process in workers)


def _check_ties(process: Process) -> None:
    assert process.alive
    assert not process._deferred
    for other in process.links or ():
        assert other.alive
        assert other.links is not None
        assert process in other.links
    for watcher in (process.watchers or {}).values():
        assert isinstance(watcher, Monitor), f"{watcher} watches {process.label}"
        assert watcher.owner.alive
        assert watcher._number in (watcher.owner.monitors or {})
    for number, target in (process.monitors or {}).items():
        assert target.alive
        assert number in (target.watchers or {})


def _check_memory(storm: Storm, living: list[Process]) -> None:
    """Of the dead there remain only those that a supervisor keeps for a child that may be started again."""
    gc.collect()
    kept = {process.server for process in living}
    for process in living:
        if isinstance(process.server, OrderedSupervisor):
            kept.update(slot.last.server for slot in process.server._slots if slot.last is not None)
    left = [server for server in storm.world.every if server not in kept]
    assert not left, f"{len(left)} of {storm.world.started} dead servers are still in memory"


async def close(system: System, clock: VirtualClock) -> None:
    """Leave the system, while time passes."""
    closing = asyncio.ensure_future(system.__aexit__(None, None, None))
    async with asyncio.timeout(60):  # real time: it is for the case that the shutdown never ends
        while not closing.done():
            clock.advance(0.1)
            await asyncio.sleep(0)
    closing.result()
