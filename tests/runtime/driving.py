"""How tests run processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from headwater import GenServer, Pid, System
from headwater.testing.clock import VirtualClock

Scenario = Callable[[System], Coroutine[object, object, None]]


def run(scenario: Scenario, clock: VirtualClock | None = None) -> None:
    """Run a scenario in a system of its own."""

    async def main() -> None:
        async with System("test", clock=clock) as system:
            await scenario(system)

    asyncio.run(main())


async def settle() -> None:
    """Let everything run that can run."""
    for _ in range(20):
        await asyncio.sleep(0)


class Probe(GenServer):
    """A process that keeps what it hears, and does what it is told."""

    def init(self, log: list[object] | None = None, trap: bool = False) -> None:
        self.trap_exit = trap
        self.log: list[object] = [] if log is None else log

    def handle_info(self, message: object) -> None:
        self.log.append(message)

    def terminate(self, reason: object) -> None:
        self.log.append(("terminate", reason))

    def history(self) -> list[object]:
        return list(self.log)

    def watch(self, pid: Pid[object], tag: object) -> int:
        return self.monitor(pid, tag)

    def do(self, action: Callable[[Probe], object]) -> object:
        return action(self)

    async def do_async(self, action: Callable[[Probe], Coroutine[object, object, object]]) -> object:
        return await action(self)


async def linked(one: Pid[Probe], other: Pid[Probe]) -> None:
    """Link two probes."""
    await one.call(Probe.do, lambda probe: probe.link(other))
