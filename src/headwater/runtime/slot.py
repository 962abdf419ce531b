"""A child's place under its supervisor."""

from __future__ import annotations

import asyncio
from typing import Final

from headwater.clock import Rng
from headwater.errors import StartFailed, StartIgnored
from headwater.runtime.child import Child, ChildInfo, ChildState
from headwater.runtime.exits import describe
from headwater.runtime.genserver import GenServer
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process
from headwater.runtime.strategy import Strategy
from headwater.runtime.timer import MessageTimer
from headwater.telemetry import SpanName

RESTART: Final = SpanName("headwater", "supervisor", "restart")
"""A child is brought back, until its `init` has finished. Metadata: `supervisor` and `child`."""


class Slot:
    """One child: how to start it, and the process that stands there now.

    Attributes:
        child: what is known about it.
        process: the process; None if there is none.
        last: the process that stands there, or that stood there last.
        restarts: how often it was started again, failed attempts included.
        due: the message that is to bring it back, if one is under way.
    """

    __slots__ = ("_failures", "_timer", "child", "due", "last", "process", "restarts")

    def __init__(self, child: Child[GenServer]) -> None:
        self.child = child
        self.process: Process | None = None
        self.last: Process | None = None
        self.restarts = 0
        self.due: Due | None = None
        self._failures = 0
        self._timer: MessageTimer | None = None

    async def _spawn(self, parent: Process, extra: tuple[object, ...]) -> Process:
        if not self.restarts:
            return await self.child.spawn(parent, extra)
        with parent.node.telemetry.span(RESTART, supervisor=parent.label, child=self.child.id):
            return await self.child.spawn(parent, extra)

    async def start(self, parent: Process, extra: tuple[object, ...] = ()) -> None:
        """Start the process, if its `init` doesn't ignore that.

        Args:
            parent: the supervisor.
            extra: arguments that come before the child's own.

        Raises:
            StartFailed: it could not start, for whatever reason; `__cause__` is the reason.
        """
        try:
            self.process = self.last = await self._spawn(parent, extra)
        except StartIgnored:
            self.process = None
        except Exception as error:  # noqa: BLE001 - whatever a child's class raises, its supervisor goes on
            raise self._failed(error) from (error.__cause__ or error)
        except asyncio.CancelledError as error:
            if _is_cancelled():
                raise
            raise self._failed(error) from error  # the child's own `init` raised it

    def _failed(self, error: BaseException) -> StartFailed:
        return StartFailed(f"child {self.child.id!r} could not start: {describe(error.__cause__ or error)}")

    # --- coming back -----------------------------------------------------------------------------------------

    def vacate(self, now: float, strategy: Strategy) -> None:
        """The process is no more. If it had lived for long, the next wait is the first again."""
        process, self.process = self.process, None
        if process is not None and now - process.started >= strategy.within:
            self._failures = 0

    def wait(self, parent: Process, strategy: Strategy, rng: Rng) -> None:
        """Have the supervisor get a `Due` when the back-off is over; at once, if there is none."""
        self.due = due = Due(self)
        if strategy.backoff is None:
            parent.inform(due)
            return
        delay = strategy.backoff.delay(self._failures, rng.random())
        self._failures += 1
        self._timer = MessageTimer(parent.node.clock, parent, delay, due)

    def cancel_wait(self) -> None:
        """Don't bring it back."""
        self.due = None
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    # --- seen from outside -----------------------------------------------------------------------------------

    @property
    def pid(self) -> Pid[object] | None:
        """The process's address."""
        return None if self.process is None else Pid(self.process)

    @property
    def state(self) -> ChildState:
        """Whether it runs or comes back."""
        if self.process is not None:
            return "running"
        return "stopped" if self.due is None else "restarting"

    def info(self) -> ChildInfo:
        """The child as it stands now."""
        child = self.child
        return ChildInfo(
            id=child.id,
            pid=self.pid,
            restart=child.restart,
            restarts=self.restarts,
            kind=child.kind,
            state=self.state,
        )


class Due:
    """A message from a supervisor to itself: the child in this slot is to be started again."""

    __slots__ = ("slot",)

    def __init__(self, slot: Slot) -> None:
        self.slot = slot


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
