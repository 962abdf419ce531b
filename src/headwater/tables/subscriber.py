"""A process that listens to a table."""

from __future__ import annotations

import asyncio

from headwater.runtime.pid import Pid
from headwater.tables.changes import Changes, ChangeSubscription, TableChanged


class ProcessListener(ChangeSubscription):
    """A process's subscription. It ends with the process, before anybody hears of that.

    Args:
        changes: of which table.
        pid: the process.
    """

    __slots__ = ("_pid",)

    def __init__(self, changes: Changes, pid: Pid[object]) -> None:
        self._pid = pid
        super().__init__(changes, self._send)
        process = pid.process
        if not process.alive:
            super().end()
        elif process.cleanups is None:
            process.cleanups = [self.end]
        else:
            process.cleanups.append(self.end)

    def end(self) -> None:
        """Hear no more."""
        super().end()
        cleanups = self._pid.process.cleanups
        if cleanups is not None and self.end in cleanups:
            cleanups.remove(self.end)

    def _send(self, change: TableChanged) -> None:
        loop = self._pid.process.node.loop
        if _runs_here(loop):
            self._pid.send(change)
        else:  # a reader in another thread was the first to see that a row's time was over
            loop.call_soon_threadsafe(self._pid.send, change)


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
