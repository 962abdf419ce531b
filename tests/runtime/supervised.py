"""Processes for the tests of supervisors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import pytest

from headwater import Child, GenServer, OneForOne, Pid, Supervisor, System
from headwater.errors import ProcessDown, StartIgnored
from headwater.runtime.restart import Restart
from tests.runtime.driving import settle


class Worker(GenServer):
    """Says when it starts and ends, and ends as it is told."""

    trap_exit = True

    def init(self, label: str, log: list[str], fail: Callable[[], object] = lambda: False) -> None:
        if fail():
            raise OSError("cannot start")
        self.label = label
        self.log = log
        log.append(f"start {label}")

    def boom(self) -> None:
        raise ValueError("boom")

    def leave(self) -> None:
        self.stop()

    def ping(self) -> str:
        return self.label

    def terminate(self, reason: object) -> object:
        self.log.append(f"end {self.label}")
        return None


class Stubborn(Worker):
    """Never ends when asked."""

    async def terminate(self, reason: object) -> None:
        self.log.append(f"asked {self.label}")
        await asyncio.Event().wait()


class Idle(GenServer):
    """Is not needed as long as its switch is off."""

    def init(self, switch: list[bool]) -> None:
        if not switch[0]:
            raise StartIgnored("not now")


class Slow(GenServer):
    """Is ready when its gate opens."""

    async def init(self, gate: asyncio.Event) -> None:
        await gate.wait()


async def crash(system: System, name: str) -> None:
    """Make a worker raise, and let its supervisor act."""
    with pytest.raises(ProcessDown):
        await system.named(Worker, name).call(Worker.boom)
    await settle()


async def leave(system: System, name: str) -> None:
    """Make a worker end by itself, and let its supervisor act."""
    system.named(Worker, name).cast(Worker.leave)
    await settle()


class Team(Supervisor):
    strategy = OneForOne(max_restarts=3, within=5.0)

    def children(self, log: list[str]) -> Iterable[Child]:
        yield Child(Worker, "a", log, name="a")
        yield Child(Worker, "b", log, name="b", restart="transient")
        yield Child(Worker, "c", log, name="c", restart="temporary")


def workers(names: str, log: list[str], restart: Restart = "permanent") -> list[Child]:
    return [Child(Worker, name, log, name=name, restart=restart) for name in names]


async def states(supervisor: Pid[Supervisor]) -> dict[str, str]:
    return {info.id: info.state for info in await supervisor.call(Supervisor.which_children)}


def significant(names: str, restart: Restart) -> list[Child]:
    return [child.override(significant=True) for child in workers(names, [], restart)]
