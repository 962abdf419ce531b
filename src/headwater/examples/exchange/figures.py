"""What a run has done so far, and how fast."""

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from headwater import Committed, HeadwaterError, Rejected

_MILLISECONDS: Final = 1_000


class Latency(msgspec.Struct, frozen=True):
    """How long commands took from being handed in to their durable answer, in milliseconds."""

    median: float
    p99: float
    worst: float


class Figures:
    """Counts commands as they are answered.

    Attributes:
        commands: how many were answered.
        committed: how many of them brought events about.
        events: how many events those are.
        rejected: how many were rejected, by reason.
    """

    def __init__(self) -> None:
        self.commands = 0
        self.committed = 0
        self.events = 0
        self.rejected: Counter[str] = Counter()
        self._latencies = array("f")

    def add(self, result: Committed | HeadwaterError, seconds: float) -> None:
        """Count one answer.

        Raises:
            HeadwaterError: the result, if it is neither an acceptance nor a rejection.
        """
        if isinstance(result, Committed):
            self.committed += 1
            self.events += len(result.events)
        elif isinstance(result, Rejected):
            self.rejected[result.reason] += 1
        else:
            raise result
        self.commands += 1
        self._latencies.append(seconds)

    def latency(self, last: int | None = None) -> Latency:
        """The latencies of the last so many commands, or of all."""
        chosen: Sequence[float] = self._latencies if last is None else self._latencies[-last:] if last else ()
        ordered = sorted(chosen)
        if not ordered:
            return Latency(0.0, 0.0, 0.0)
        return Latency(
            median=_percentile(ordered, 50) * _MILLISECONDS,
            p99=_percentile(ordered, 99) * _MILLISECONDS,
            worst=ordered[-1] * _MILLISECONDS,
        )


def _percentile(ordered: Sequence[float], percent: int) -> float:
    """The smallest value that so many percent of the values don't exceed."""
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]
