"""When a supervisor brings a child back, and when it gives up. Pure: the time is passed in."""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

from headwater.runtime.exits import Reason, is_abnormal

Restart = Literal["permanent", "transient", "temporary"]
"""`permanent`: always comes back. `transient`: only after an abnormal end. `temporary`: never."""

RESTARTS: Final = ("permanent", "transient", "temporary")


def should_restart(restart: Restart, reason: Reason) -> bool:
    """Whether a child of this type comes back after it ended for this reason."""
    match restart:
        case "permanent":
            return True
        case "transient":
            return is_abnormal(reason)
        case "temporary":
            return False


class RestartIntensity:
    """Counts restarts in a sliding window of time. What it remembers is bounded by `max_restarts`.

    Args:
        max_restarts: how many restarts are bearable …
        within: … in so many seconds.
    """

    __slots__ = ("_max_restarts", "_times", "_within")

    def __init__(self, max_restarts: int, within: float) -> None:
        self._max_restarts = max_restarts
        self._within = within
        self._times: deque[float] = deque(maxlen=max_restarts + 1)

    def allows(self, now: float) -> bool:
        """Count one more restart at `now` (seconds, monotonic). False if that is one too many."""
        while self._times and now - self._times[0] > self._within:
            self._times.popleft()
        self._times.append(now)
        return len(self._times) <= self._max_restarts
