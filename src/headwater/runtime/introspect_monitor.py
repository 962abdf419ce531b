"""One process's watch over another's end."""

from __future__ import annotations

from headwater.runtime.down import Down
from headwater.runtime.exits import Reason
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process


class Monitor:
    """Tells its owner once, with a `Down`, that the target has ended. It ends with either of the two.

    Args:
        owner: who wants to know.
        target: whose end.
        tag: for the `Down`.
    """

    __slots__ = ("_number", "_tag", "_target", "owner")

    def __init__(self, owner: Process, target: Pid[object], tag: object) -> None:
        self.owner = owner
        self._target = target
        self._tag = tag
        self._number = 0

    def begin(self) -> int:
        """Begin to watch. Returns the monitor's number."""
        self._number = self._target.watch(self)
        if self.owner.monitors is None:
            self.owner.monitors = {}
        self.owner.monitors[self._number] = self._target.process
        return self._number

    def __call__(self, reason: Reason) -> None:
        """The target has ended."""
        if self.owner.monitors is not None:
            self.owner.monitors.pop(self._number, None)
        self.owner.inform(Down(self._number, self._target, reason, self._tag))
