"""The tree of a system's processes."""

import time
from collections.abc import Iterable

import msgspec
import pytest

from headwater import Child, OneForOne, Supervisor, System
from headwater.runtime import introspect
from headwater.runtime.genserver import GenServer
from headwater.runtime.spawn import spawn
from headwater.runtime.tree import text, tree

from .driving import Probe, run, settle


class Worker(GenServer):
    def boom(self) -> None:
        raise ValueError("boom")

    def leave(self) -> None:
        self.stop()

    def ping(self) -> None:
        pass


class Team(Supervisor):
    strategy = OneForOne(max_restarts=3, within=5.0)

    def children(self) -> Iterable[Child]:
        yield Child(Worker, name="a")
        yield Child(Worker, name="b", restart="transient")


class Bank(Supervisor):
    def children(self) -> Iterable[Child]:
        yield Child(Team, name="team")
        yield Child(Worker, name="ledger")


@pytest.mark.row("BR-08")
def test_the_tree_is_one_immutable_value_with_restarts_and_those_who_are_gone() -> None:
    async def scenario(system: System) -> None:
        bank = await system.start(Bank, name="bank")
        await system.start(Probe)
        system.named(Worker, "a").cast(Worker.boom)
        system.named(Worker, "b").cast(Worker.leave)
        await settle()
        ledger = system.named(Worker, "ledger")
        await ledger.call(Worker.ping)
        await introspect.suspend(ledger)
        ledger.cast(Worker.ping)
        whole = tree(system)
        assert (whole.system, whole.processes, whole.hidden) == ("test", 5, 0)
        assert [root.label for root in whole.roots] == ["Bank 'bank'", f"Probe #{whole.roots[1].pid.process.number}"]  # type: ignore[union-attr]
        assert whole.roots[0].pid == bank
        team, told = whole.roots[0].children
        assert (told.state, told.waiting, told.handled) == ("suspended", 1, 1)
        a, b = team.children
        assert (a.label, a.pid, a.restart, a.restarts) == ("Worker 'a'", system.whereis("a"), "permanent", 1)
        assert (b.label, b.pid, b.state, b.restart) == ("b", None, "ended", "transient")
        with pytest.raises(AttributeError):
            a.restarts = 0  # type: ignore[misc]
        assert text(whole).splitlines()[:5] == [
            "test: 5 processes",
            "├─ Bank 'bank' (idle)",
            "│  ├─ Team 'team' (idle, handled 2)",
            "│  │  ├─ Worker 'a' (idle, restarts 1)",
            "│  │  └─ b (ended)",
        ]
        assert text(whole).splitlines()[5] == "│  └─ Worker 'ledger' (suspended, waiting 1, handled 1)"
        await introspect.resume(ledger)

    run(scenario)


@pytest.mark.row("BR-08")
def test_depth_and_width_can_be_limited_and_say_what_they_hide() -> None:
    async def scenario(system: System) -> None:
        await system.start(Bank, name="bank")
        for _ in range(4):
            await system.start(Probe)
        flat = tree(system, depth=1, width=2)
        assert (len(flat.roots), flat.hidden) == (2, 3)
        assert (flat.roots[0].children, flat.roots[0].hidden) == ((), 2)
        assert tree(system, depth=2).roots[0].children[0].hidden == 2
        lines = text(tree(system), width=2).splitlines()
        assert lines[-1] == "└─ … 3 more"
        assert text(flat).splitlines()[2] == "│  └─ … 2 more"

    run(scenario)


@pytest.mark.row("BR-08")
def test_a_hundred_thousand_processes_are_no_problem() -> None:
    async def scenario(system: System) -> None:
        parent = await system.start(Probe, trap=True)
        for _ in range(100_000):
            process = await spawn(system.node, Worker, (), {}, parent=parent.process)
        started = time.monotonic()
        whole = tree(system, width=10)
        lines = text(whole).splitlines()
        assert time.monotonic() - started < 5.0
        assert whole.processes == 100_001
        assert lines[-1] == "   └─ … 99,990 more"
        assert len(msgspec.structs.asdict(tree(system).roots[0])["children"]) == 100_000
        parent.process.links = None  # so that its end isn't a hundred thousand signals
        for process in list(system.node.processes):  # type: ignore[assignment]
            process.links = process.parent = None
            process.end(ValueError("over"))

    run(scenario)


def test_a_deep_tree_is_cut_off() -> None:
    async def scenario(system: System) -> None:
        process = None
        for _ in range(1_000):
            process = await spawn(system.node, Probe, (None, True), {}, parent=process)
        assert len(text(tree(system)).splitlines()) == 34  # the system, 32 generations, «1 more»

    run(scenario)
