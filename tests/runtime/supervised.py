"""Processes for the tests of supervisors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from headwater import GenServer, System
from headwater.errors import ProcessDown, StartIgnored
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
