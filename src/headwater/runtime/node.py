"""What all processes of a system share: time, chance, names, and whose turn it is."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from typing import Final, Protocol

from headwater.clock import Clock, Rng
from headwater.runtime.names import Names
from headwater.telemetry import Telemetry

TURN_MESSAGES: Final = 64
"""How many messages a process handles before the next process has its turn."""

INLINE_TURNS: Final = 256
"""How many calls may run in their callers' turns before the event loop gets a turn."""


class Runnable(Protocol):
    """A process, as far as its surroundings have to know it."""

    @property
    def label(self) -> str:
        """What it is called in messages and logs."""

    def take_turn(self, budget: int) -> None:
        """Handle up to `budget` messages."""


class RunQueue:
    """The processes that have something to do, in the order in which it came up.

    It costs nothing while nobody has anything to do. One round gives every process that was waiting at its
    beginning a turn; then the event loop does, before the next round.
    """

    __slots__ = ("_loop", "_ready", "_scheduled")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ready: deque[Runnable] = deque()
        self._scheduled = False

    def add(self, process: Runnable) -> None:
        """Give the process a turn soon."""
        self._ready.append(process)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._round)

    def _round(self) -> None:
        for _ in range(len(self._ready)):
            self._ready.popleft().take_turn(TURN_MESSAGES)
        self._scheduled = bool(self._ready)
        if self._scheduled:
            self._loop.call_soon(self._round)


class Node:
    """The surroundings of a system's processes. Made by `System` on the running event loop.

    Args:
        clock: where the time comes from.
        rng: where chance comes from.
        telemetry: who wants to know.
    """

    def __init__(self, clock: Clock, rng: Rng, telemetry: Telemetry) -> None:
        self.clock = clock
        self.rng = rng
        self.telemetry = telemetry
        self.loop = asyncio.get_running_loop()
        self.names: Names[Runnable] = Names()
        self.run_queue = RunQueue(self.loop)
        self._numbers = itertools.count(1)
        self._inline_turns = 0

    def next_number(self) -> int:
        """A number that no process and no monitor of this system has had yet."""
        return next(self._numbers)

    def may_run_inline(self) -> bool:
        """Whether one more call may run in its caller's turn. If not, the caller has to let the loop run."""
        self._inline_turns += 1
        if self._inline_turns < INLINE_TURNS:
            return True
        self._inline_turns = 0
        return False
