"""What a process hears of another's end."""

from __future__ import annotations

import msgspec

from headwater.runtime.exits import Reason
from headwater.runtime.pid import Pid


class Down(msgspec.Struct, frozen=True):
    """A monitored process has ended. Delivered exactly once for each monitor, after its name was released.

    Attributes:
        monitor: what `GenServer.monitor` returned.
        pid: the process that ended.
        reason: why.
        tag: what was given to `GenServer.monitor`, to tell monitors apart.
    """

    monitor: int
    pid: Pid[object]
    reason: Reason
    tag: object = None


class Exited(msgspec.Struct, frozen=True):
    """An exit signal, as a process that traps exits receives it.

    Attributes:
        pid: who sent it: a linked process that ended; None for code that is no process.
        reason: why.
    """

    pid: Pid[object] | None
    reason: Reason
