"""What all processes of a system share: time, chance, names, and whose turn it is."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeAlias

from headwater.clock import Clock, Rng
from headwater.runtime.names import Names
from headwater.telemetry import Telemetry

TURN_MESSAGES: Final = 256
"""How many messages a process handles before the next process has its turn."""

INLINE_TURNS: Final = 256
"""How many calls may run in their callers' turns before the event loop gets a turn."""

DETACHED_GRACE: Final = 1.0
"""Seconds that the task of an ended process may take to end, before it is reported."""

_log: Final = logging.getLogger("headwater.runtime")


Scheduler: TypeAlias = "Callable[[Node], RunQueue]"
"""Makes the run queue of a node."""


class Runnable(Protocol):
    """A process, as far as its surroundings have to know it."""

    @property
    def label(self) -> str:
        """What it is called in messages and logs."""

    def take_turn(self) -> None:
        """Handle some of the messages that wait."""


class RunQueue:
    """The processes that have something to do, in the order in which it came up.

    It costs nothing while nobody has anything to do. One round gives every process that was waiting at its
    beginning a turn; then the event loop does, before the next round. A round runs in the context variables of the
    system's beginning, not in those of whoever happened to be the first to send something.
    """

    __slots__ = ("_context", "_loop", "_ready", "_scheduled")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._context = contextvars.copy_context()
        self._ready: deque[Runnable] = deque()
        self._scheduled = False

    def add(self, process: Runnable) -> None:
        """Give the process a turn soon."""
        self._ready.append(process)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.round, context=self._context.copy())

    def round(self) -> None:
        """Give a turn to each process that waits for one now."""
        ready = self._ready
        for _ in range(len(ready)):
            ready.popleft().take_turn()
        self._scheduled = bool(ready)
        if ready:
            self._loop.call_soon(self.round, context=self._context.copy())


class SignalQueue:
    """Signals under way: an end that ends others is told step by step, however long the chain."""

    __slots__ = ("_busy", "_signals")

    def __init__(self) -> None:
        self._signals: deque[Callable[[], None]] = deque()
        self._busy = False

    def post(self, signal: Callable[[], None]) -> None:
        """Deliver a signal, behind those that are under way."""
        self._signals.append(signal)
        if self._busy:
            return
        self._busy = True
        try:
            while self._signals:
                self._signals.popleft()()
        finally:
            self._busy = False


class Node:
    """The surroundings of a system's processes. Made by `System` on the running event loop.

    Args:
        clock: where the time comes from.
        rng: where chance comes from.
        telemetry: who wants to know.
        scheduler: makes the run queue, or None for one that is first in, first out.
        debug: done to every process at its start; see `introspect_options`.

    Attributes:
        inline_turns: how many more calls may run in their callers' turns before the event loop has to run.
        numbers: each is given to one process or one monitor of this system.
        processes: all living processes, oldest first.
    """

    __slots__ = (
        "clock",
        "debug",
        "inline_turns",
        "loop",
        "names",
        "numbers",
        "processes",
        "rng",
        "run_queue",
        "signals",
        "telemetry",
    )

    def __init__(
        self,
        clock: Clock,
        rng: Rng,
        telemetry: Telemetry,
        scheduler: Scheduler | None = None,
        debug: Sequence[Callable[[Any], None]] = (),  # of a Process, which this module doesn't know
    ) -> None:
        self.clock = clock
        self.rng = rng
        self.telemetry = telemetry
        self.loop = asyncio.get_running_loop()
        self.names: Names[Runnable] = Names()
        self.debug = debug
        self.run_queue = RunQueue(self.loop) if scheduler is None else scheduler(self)
        self.signals = SignalQueue()
        self.processes: dict[Runnable, None] = {}
        self.inline_turns = INLINE_TURNS
        self.numbers = itertools.count(1)

    def detach(self, task: asyncio.Task[None], label: str) -> None:
        """Cancel the task of a process that has ended; report it if it doesn't end for that."""
        task.cancel()
        report = self.clock.call_later(DETACHED_GRACE, lambda: _report_detached(task, label))
        task.add_done_callback(lambda _: report.cancel())


def _report_detached(task: asyncio.Task[None], label: str) -> None:
    if not task.done():
        _log.error("%s has ended, but its task swallows cancellation and goes on: %r", label, task)
