"""An event loop in virtual time whose order of turns comes from a seed.

Of all that could run next, a seeded choice decides what does: which task goes on, which process has its turn, and
whether a call to an idle process runs at once or waits in its mailbox. Orders that the runtime promises are kept:
messages of one sender, and plain callbacks of the loop. When nothing can run, time jumps to the next timer.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor
from random import Random
from typing import Any, Final, TypeAlias, TypeVar, TypeVarTuple

from headwater.errors import HeadwaterError
from headwater.runtime.introspect_client import where
from headwater.runtime.node import INLINE_TURNS, Node, Runnable, RunQueue

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")
Work: TypeAlias = "Coroutine[Any, Any, Result] | Generator[Any, None, Result]"  # as asyncio declares it


class SimulationError(HeadwaterError):
    """Base of what a simulation finds by itself."""


class Deadlock(SimulationError):
    """Nothing can run, and no timer is set: what waits would wait for ever."""


class Endless(SimulationError):
    """The simulation has taken as many steps as it may, and isn't finished."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """The event loop of a simulation. It has neither sockets nor threads: work for a thread is done at once.

    Args:
        seed: what all its choices come from. The same seed makes the same choices.
        steps: how many callbacks it may run.

    Attributes:
        taken: how many callbacks it has run.
        rng: where chance comes from, for what is simulated.
    """

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, seed: int, steps: int) -> None:
        super().__init__()
        self.rng: Final = Random(f"chance {seed}")
        self._order: Final = Random(f"order {seed}")  # apart, so that what a scenario draws doesn't change the order
        self.taken = 0
        self._steps = steps
        self._now = 0.0
        self._turns: list[asyncio.Handle] = []
        self._nodes: list[Node] = []
        self._numbers = itertools.count()

    def scheduler(self, node: Node) -> RunQueue:
        """The run queue of a node whose turns this loop orders. To be given to `System`."""
        self._nodes.append(node)
        return _TurnQueue(self)

    def allow(self, steps: int) -> None:
        """Let it run so many more callbacks than it has."""
        self._steps = self.taken + steps

    def time(self) -> float:
        """Virtual seconds since the beginning."""
        return self._now

    def call_soon(
        self,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """Run a callback: a task's or a process's in any order, others in the order in which they came."""
        if not isinstance(getattr(callback, "__self__", None), asyncio.Task):
            return super().call_soon(callback, *args, context=context)
        handle = asyncio.Handle(callback, args, self, context)
        self._turns.append(handle)
        return handle

    def create_task(
        self, coro: Work[Result], *, name: object = None, context: contextvars.Context | None = None
    ) -> asyncio.Task[Result]:
        """Make a task. Sets of tasks keep their order from run to run."""
        return _Task(next(self._numbers), self, coro, name, context)

    def add_turn(self, callback: Callable[[], object]) -> None:
        """Run a callback in any order."""
        self._turns.append(asyncio.Handle(callback, (), self))

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[*Arguments], Result],
        *args: *Arguments,
    ) -> asyncio.Future[Result]:
        """Do the work at once: it takes no virtual time, and its end is always the same."""
        future: asyncio.Future[Result] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it is the asker's
            future.set_exception(error)
        return future

    def _run_once(self) -> None:
        self._ring()
        while not self._ready and not self._turns:
            self._jump()
        self.taken += 1
        if self.taken > self._steps:
            raise Endless(f"not finished after {self._steps:,} steps, {self._now} s of virtual time; {self.waiting()}")
        handle = self._choose()
        if not handle.cancelled():
            handle._run()  # noqa: SLF001 - what BaseEventLoop does with a handle

    def _choose(self) -> asyncio.Handle:
        """The next of the plain callbacks, or any of the turns, all equally likely."""
        for node in self._nodes:
            node.inline_turns = self._order.choice((0, INLINE_TURNS))
        turns = self._turns
        index = self._order.randrange(len(turns) + bool(self._ready))
        if index == len(turns):
            return self._ready.popleft()
        turns[index], turns[-1] = turns[-1], turns[index]
        return turns.pop()

    def _ring(self) -> None:
        """Make ready the timers whose time has come; those of the same moment in any order."""
        due: list[asyncio.TimerHandle] = []
        while self._scheduled and self._scheduled[0].when() <= self._now:
            due.append(heapq.heappop(self._scheduled))
        self._order.shuffle(due)
        self._ready.extend(due)

    def _jump(self) -> None:
        while self._scheduled and self._scheduled[0].cancelled():
            heapq.heappop(self._scheduled)
        if not self._scheduled:
            raise Deadlock(f"nothing can run and no timer is set; {self.waiting()}")
        self._now = max(self._now, self._scheduled[0].when())
        self._ring()

    def waiting(self) -> str:
        """The tasks that are not done, and where they stand, for messages."""
        tasks = sorted(asyncio.all_tasks(self), key=hash)
        return "waiting: " + ("; ".join(f"{task.get_name()} at {where(task)}" for task in tasks) or "nobody")

    def _write_to_self(self) -> None:
        """There is no other thread that would wait for this."""


class _Task(asyncio.Task[Result]):
    """A task with a number, by which it is hashed."""

    def __init__(
        self, number: int, loop: SimulatedLoop, work: Work[Result], name: object, context: contextvars.Context | None
    ) -> None:
        self._number = number  # first: the task is put into a set as it is made
        super().__init__(work, loop=loop, name=f"task {number}" if name is None else str(name), context=context)

    def __hash__(self) -> int:
        return self._number


class _TurnQueue(RunQueue):
    """A run queue that leaves the order to the loop."""

    __slots__ = ("_simulated",)

    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__(loop)
        self._simulated = loop

    def add(self, process: Runnable) -> None:
        """Give the process a turn some time."""
        self._simulated.add_turn(process.take_turn)
