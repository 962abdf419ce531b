"""What there is to know of one process."""

import asyncio

import pytest

from headwater import Exit, GenServer, Pid, System
from headwater.errors import DeadlineExceeded
from headwater.runtime.process_info import info, processes
from headwater.testing.clock import VirtualClock

from .driving import Probe, linked, run, settle


class Session(GenServer):
    capacity = 3

    def init(self, user: str) -> None:
        self.process_label = f"session of {user}"
        self.gate = asyncio.Event()

    async def hold(self) -> None:
        await self.inner()

    async def inner(self) -> None:
        await self.gate.wait()

    def ping(self) -> None:
        pass


@pytest.mark.row("PR-16")
def test_a_process_is_described_while_it_is_busy_and_after_its_end() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        clock.advance(7.0)
        session = await system.start(Session, "ann")
        assert info(session).state == "idle"
        await session.call(Session.ping)
        holding = asyncio.create_task(session.within(None).call(Session.hold))
        await settle()
        for _ in range(5):
            session.cast(Session.ping)
        busy = info(session)
        assert (busy.pid, busy.label, busy.name) == (session, "Session 'session of ann'", None)
        assert (busy.server, busy.state, busy.suspended, busy.started) == (Session, "awaiting", False, 7.0)
        assert (busy.waiting, busy.handled, busy.dropped, busy.expired) == (3, 2, 2, 0)
        assert busy.method == "hold"
        assert busy.place is not None
        assert [step.split(" ")[0] for step in busy.place.split(" < ")] == ["wait", "inner", "hold"]
        assert busy.memory > 500
        with pytest.raises(AttributeError):
            busy.waiting = 0  # type: ignore[misc]
        server = session.process.server
        assert isinstance(server, Session)
        server.gate.set()
        await holding
        server.gate.clear()
        session.cast(Session.hold)
        with pytest.raises(DeadlineExceeded):
            await expire(session, clock)
        server.gate.set()
        await settle()
        assert (info(session).expired, info(session).place) == (1, None)
        session.kill()
        ended = info(session)
        assert (ended.state, ended.waiting, ended.handled) == ("ended", 0, 6)

    run(scenario, clock)


async def expire(session: Pid[Session], clock: VirtualClock) -> None:
    call = asyncio.create_task(session.within(1.0).call(Session.ping))
    await settle()
    clock.advance(1.0)
    await call


@pytest.mark.row("PR-16")
def test_links_and_monitors_are_told_from_both_sides_and_go_with_either_end() -> None:
    async def scenario(system: System) -> None:
        one, two, three = [await system.start(Probe, trap=True) for _ in range(3)]
        await linked(one, two)
        await one.call(Probe.do, lambda probe: [probe.monitor(two), probe.monitor(three)])
        number = await two.call(Probe.do, lambda probe: probe.monitor(three))
        assert (info(one).links, info(one).monitors, info(one).watched_by) == ((two,), (two, three), ())
        assert (info(two).links, info(two).watched_by) == ((one,), (one,))
        assert info(three).watched_by == (one, two)
        assert isinstance(number, int)
        await two.call(Probe.do, lambda probe: probe.demonitor(three, number))
        assert info(two).monitors == ()
        assert info(three).watched_by == (one,)
        three.kill()
        assert info(one).monitors == (two,)
        one.kill()  # nothing of it stays with those whom it watched
        assert (info(two).watched_by, info(two).links) == ((), ())
        assert not two.process.watchers

    run(scenario)


@pytest.mark.row("PR-16")
def test_ancestors_and_the_list_of_all_processes() -> None:
    async def scenario(system: System) -> None:
        grandparent, parent, child = [await system.start(Probe) for _ in range(3)]
        child.process.parent, parent.process.parent = parent.process, grandparent.process
        assert info(child).parent == parent
        assert info(child).ancestors == (parent, grandparent)
        assert processes(system.node) == (grandparent, parent, child)
        child.exit(Exit.KILL)
        assert processes(system.node) == (grandparent, parent)
        child.process.parent = parent.process.parent = None

    run(scenario)
