"""How a process hears of another's end."""

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
    """

    monitor: int
    pid: Pid[object]
    reason: Reason
