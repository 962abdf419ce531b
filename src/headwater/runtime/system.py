"""System: the door to a set of processes."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from types import TracebackType
from typing import Final, TypeVar

from headwater.clock import Clock, Rng, SystemClock
from headwater.errors import DeadlineExceeded, ProcessDown, ProcessError
from headwater.runtime.exits import Exit
from headwater.runtime.frozen import freeze
from headwater.runtime.genserver import GenServer
from headwater.runtime.introspect_options import DebugOption
from headwater.runtime.node import Node, Scheduler
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process
from headwater.runtime.spawn import launch
from headwater.runtime.watchdog import Watchdog
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
        scheduler: makes the run queue; tests that are replayed have their own, see `headwater.testing.simulation`.
        watchdog: seconds of real time that a method may hold the event loop before it is reported; None watches not.
        frozen_messages: whether mutable messages are refused, for tests; see `frozen`.
    """

    def __init__(
        self,
        name: str = "headwater",
        *,
        clock: Clock | None = None,
        rng: Rng | None = None,
        telemetry: Telemetry | None = None,
        shutdown: float = 5.0,
        scheduler: Scheduler | None = None,
        watchdog: float | None = None,
        frozen_messages: bool = False,
    ) -> None:
        self.name = name
        self.clock: Clock = clock or SystemClock()
        self.rng: Rng = rng or random.Random()
        self.telemetry = telemetry or Telemetry(self.clock)
        self._shutdown = shutdown
        self._node: Node | None = None
        self._scheduler = scheduler
        self._watchdog_limit = watchdog
        self._watchdog: Watchdog | None = None
        self._debug = (freeze,) if frozen_messages else ()

    async def start(
        self,
        server: type[ServerT],
        *arguments: object,
        name: str | None = None,
        capacity: int | None = None,
        timeout: float | None = None,
        debug: Sequence[DebugOption] = (),
        **keywords: object,
    ) -> Pid[ServerT]:
        """Start a process that stands on its own, and wait until its `init` has finished.

        It is not restarted: put it under a `Supervisor` for that.

        Args:
            server: its class.
            arguments: for its `init`.
            name: its name, unique in this system.
            capacity: how many messages may wait in its mailbox; as its class says, if not given.
            timeout: seconds that its `init` may take, if it is async; None waits for ever.
            debug: what to switch on before its `init`; see `introspect_options`.
            keywords: for its `init`.

        Raises:
            StartFailed: `init` raised or took too long; its `__cause__` says what happened.
            StartIgnored: `init` raised it: the process isn't needed now.
            NameTaken: a living process has the name.
            ProcessError: the system is not running.
        """
        process, init = launch(self._running(), server, arguments, keywords, name, capacity, None, debug)
        if init is not None:
            await process.await_init(init, timeout)
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

    @property
    def node(self) -> Node:
        """The surroundings of its processes. For the runtime's own modules; applications have no use for it.

        Raises:
            ProcessError: the system is not running.
        """
        return self._running()

    async def __aenter__(self) -> System:
        if self._node is not None:
            raise ProcessError(f"system {self.name!r} is running already")
        if self._watchdog_limit is not None:
            self._watchdog = Watchdog(self._watchdog_limit)
            self._watchdog.start()
        self._node = Node(self.clock, self.rng, self.telemetry, self._scheduler, self._debug)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for process in reversed(list(self._running().processes)):
                if isinstance(process, Process) and process.alive and process.parent is None:
                    await self._end(Pid(process))
        finally:
            self._stop_watchdog()
            for process in reversed(list(self._running().processes)):
                if isinstance(process, Process):
                    process.end(Exit.KILLED)  # those below a process that took too long
            self._node = None

    async def _end(self, pid: Pid[object]) -> None:
        try:
            await pid.stop(Exit.SHUTDOWN, self._shutdown)
        except DeadlineExceeded:
            pid.kill()
        except ProcessDown:
            pass  # it ended for another reason, and that was reported

    def _stop_watchdog(self) -> None:
        watchdog, self._watchdog = self._watchdog, None
        if watchdog is not None:
            watchdog.stop()

    def _running(self) -> Node:
        if self._node is None:
            raise ProcessError(f"system {self.name!r} is not running; use it in `async with`")
        return self._node
