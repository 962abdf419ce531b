"""How long to wait before a child is brought back. Pure: chance is passed in."""

from __future__ import annotations

import math

from headwater.errors import DefinitionError


class Backoff:
    """Waits that grow from restart to restart: `first`, `first * factor`, `first * factor²` … up to `limit`.

    Args:
        first: seconds before the first restart.
        limit: seconds that no wait exceeds.
        factor: how many times longer each wait is than the one before it; at least 1.
        jitter: the part of a wait that chance may take off, from 0 to 1, so that children which fell together don't
            come back together.

    Raises:
        DefinitionError: one of them is out of its range.
    """

    __slots__ = ("factor", "first", "jitter", "limit")

    def __init__(self, first: float, limit: float, factor: float = 2.0, jitter: float = 0.1) -> None:
        if not 0 < first <= limit < math.inf:
            raise DefinitionError(f"a back-off needs 0 < first <= limit, in seconds, not first {first}, limit {limit}")
        if not 1 <= factor < math.inf:
            raise DefinitionError(f"the factor of a back-off is at least 1, not {factor}")
        if not 0 <= jitter <= 1:
            raise DefinitionError(f"the jitter of a back-off is a part from 0 to 1, not {jitter}")
        self.first = first
        self.limit = limit
        self.factor = factor
        self.jitter = jitter

    def delay(self, failures: int, chance: float) -> float:
        """Seconds to wait before the next start.

        Args:
            failures: how many restarts in a row have failed before; 0 for the first.
            chance: a number from 0 to 1, see `clock.Rng`.

        Returns:
            The full wait, less at most its `jitter` part. Never more than `limit`.
        """
        return self._full(failures) * (1 - self.jitter * chance)

    def _full(self, failures: int) -> float:
        # Compared as logarithms: after some hundred failures in a row the power itself would be out of range.
        if failures * math.log(self.factor) >= math.log(self.limit) - math.log(self.first):
            return self.limit
        return min(self.limit, self.first * self.factor**failures)
