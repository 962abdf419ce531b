"""System: the door to a set of processes."""

from __future__ import annotations

import logging
import random
from types import TracebackType
from typing import Final, TypeVar

from headwater.clock import Clock, Rng, SystemClock
from headwater.errors import ProcessError
from headwater.runtime.exits import Exit, Reason
from headwater.runtime.genserver import GenServer
from headwater.runtime.mailbox import DEFAULT_CAPACITY
from headwater.runtime.node import Node
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process
from headwater.runtime.spawn import spawn
from headwater.telemetry import Telemetry

ServerT = TypeVar("ServerT", bound=GenServer)

_log: Final = logging.getLogger("headwater.runtime")


class System:
    """A set of processes on the running event loop. Any number of systems live in one Python process.

        async with System("demo") as system:
            counter = await system.start(Counter, 10, name="counter")
            assert await counter.call(Counter.increment, 5) == 15

    On leaving the block every process is ended in the reverse order of its start, each with its children.

    Args:
        name: for logs.
        clock: where the time comes from; the operating system by default.
        rng: where chance comes from; seeded by the operating system by default.
        telemetry: who wants to know; nobody by default.
        shutdown: seconds that each process may take to end when the system closes; then it is killed.
    """

    def __init__(
        self,
        name: str = "headwater",
        *,
        clock: Clock | None = None,
        rng: Rng | None = None,
        telemetry: Telemetry | None = None,
        shutdown: float = 5.0,
    ) -> None:
        self.name = name
        self.clock: Clock = clock or SystemClock()
        self.rng: Rng = rng or random.Random()
        self.telemetry = telemetry or Telemetry(self.clock)
        self._shutdown = shutdown
        self._node: Node | None = None
        self._processes: dict[int, Process] = {}

    async def start(
        self,
        server: type[ServerT],
        *arguments: object,
        name: str | None = None,
        capacity: int = DEFAULT_CAPACITY,
        **keywords: object,
    ) -> Pid[ServerT]:
        """Start a process that stands on its own, and wait until its `init` has finished.

        It is not restarted: put it under a `Supervisor` for that.

        Args:
            server: its class.
            arguments: for its `init`.
            name: its name, unique in this system.
            capacity: how many messages may wait in its mailbox.
            keywords: for its `init`.

        Raises:
            StartFailed: `init` raised; its `__cause__` is what it raised.
            NameTaken: a living process has the name.
            ProcessError: the system is not running.
        """
        process = await spawn(
            self._running(), server, arguments, keywords, name=name, capacity=capacity, parent=self._ended
        )
        if process.alive:
            self._processes[process.number] = process
        return Pid(process)

    def whereis(self, name: str) -> Pid[object] | None:
        """The process of this name, or None."""
        process = self._running().names.find(name)
        return Pid(process) if isinstance(process, Process) else None

    def named(self, server: type[ServerT], name: str) -> Pid[ServerT]:
        """The process of this name, which must be of this class.

        Raises:
            NameUnknown: no process has the name.
            ProcessError: the process that has it is of another class.
        """
        process = self._running().names.get(name)
        if not isinstance(process, Process) or not isinstance(process.server, server):
            raise ProcessError(f"the process {name!r} is a {process.label}, not a {server.__qualname__}")
        return Pid(process)

    async def __aenter__(self) -> System:
        if self._node is not None:
            raise ProcessError(f"system {self.name!r} is running already")
        self._node = Node(self.clock, self.rng, self.telemetry)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(list(self._processes.values())):
            await Pid[object](process).stop(Exit.SHUTDOWN, self._shutdown)
        self._processes.clear()
        self._node = None

    def _running(self) -> Node:
        if self._node is None:
            raise ProcessError(f"system {self.name!r} is not running; use it in `async with`")
        return self._node

    def _ended(self, process: Process, reason: Reason) -> None:
        self._processes.pop(process.number, None)
