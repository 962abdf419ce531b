"""Rate: a fixed window over the messages that sources emit. Pure: the time is passed in."""

from __future__ import annotations

from headwater.pipeline.options import RateLimit


class Rate:
    """Counts what was emitted in the present interval. All source stages of a pipeline share one.

    Args:
        limit: what is allowed; None for any rate.
        now: the present, in seconds of any clock that doesn't go back.
    """

    __slots__ = ("_end", "_left", "limit")

    def __init__(self, limit: RateLimit | None, now: float) -> None:
        self._end = now
        self._left = 0
        self.change(limit, now)

    def change(self, limit: RateLimit | None, now: float) -> None:
        """Allow something else from now on. A new interval begins, of which nothing is used."""
        self.limit = limit
        if limit is not None:
            self._end = now + limit.interval
            self._left = limit.messages

    def take(self, count: int, now: float) -> int:
        """How many of `count` messages may be emitted now. They count as emitted."""
        if self.limit is None:
            return count
        if now >= self._end:
            interval = self.limit.interval
            self._end += interval * (1 + (now - self._end) // interval)
            self._left = self.limit.messages
        granted = min(count, self._left)
        self._left -= granted
        return granted

    def wait(self, now: float) -> float:
        """Seconds until the next interval begins."""
        return max(self._end - now, 0.0)
