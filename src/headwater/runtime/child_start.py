"""The start of a supervisor's child, beside everything else that the supervisor does."""

from __future__ import annotations

import asyncio

from headwater.errors import StartFailed
from headwater.runtime.pid import Pid
from headwater.runtime.reply import Deferred
from headwater.runtime.slot import Slot


class ChildStart:
    """A start that is under way, and the message that tells of its outcome.

    Attributes:
        slot: the child.
        deferred: who waits for its first start; None if it is a restart.
        before: the process whose place it takes.
        error: why it failed.
        task: what is under way.
    """

    __slots__ = ("before", "deferred", "error", "slot", "task")

    def __init__(self, slot: Slot, deferred: Deferred[Pid[object] | None] | None) -> None:
        self.slot = slot
        self.deferred = deferred
        self.before = slot.last
        self.error: StartFailed | None = None
        self.task: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        """Give it up. A process that is starting is ended."""
        if self.task is not None:
            self.task.cancel()
