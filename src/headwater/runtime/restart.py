"""When a supervisor brings a child back, and when it gives up. Pure: the time is passed in."""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

from headwater.errors import DefinitionError
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


class OneForOne:
    """Strategy: only the child that ended is restarted.

    Args:
        max_restarts: how many restarts are bearable …
        within: … in so many seconds. One more, and the supervisor itself gives up with reason `shutdown`.

    Raises:
        DefinitionError: a negative number of restarts, or a time that isn't positive.
    """

    __slots__ = ("max_restarts", "within")

    def __init__(self, max_restarts: int = 3, within: float = 5.0) -> None:
        if max_restarts < 0:
            raise DefinitionError(f"max_restarts is 0 or more, not {max_restarts}")
        if not within > 0:
            raise DefinitionError(f"within is a positive number of seconds, not {within}")
        self.max_restarts = max_restarts
        self.within = within


class RestartIntensity:
    """Counts restarts in a sliding window of time.

    Args:
        strategy: how many are bearable, and in what time.
    """

    __slots__ = ("_strategy", "_times")

    def __init__(self, strategy: OneForOne) -> None:
        self._strategy = strategy
        self._times: deque[float] = deque()

    def allows(self, now: float) -> bool:
        """Count one more restart at `now` (seconds, monotonic). False if that is one too many."""
        while self._times and now - self._times[0] > self._strategy.within:
            self._times.popleft()
        self._times.append(now)
        return len(self._times) <= self._strategy.max_restarts
