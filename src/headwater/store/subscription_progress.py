"""How far a subscription has got. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable


class Progress:
    """Which places are done, and up to where that may be written down.

    The floor is the only place that ever becomes a checkpoint. It lies below every event that was read and isn't
    acknowledged, whether it was delivered or still waits; so no timer and no page can carry a checkpoint past one.

    Args:
        checkpoint: what is written down: everything up to there is done.

    Attributes:
        checkpoint: what is written down now.
        covered: everything up to there was looked at. What lies below and was not asked for needs no acknowledgement.
    """

    __slots__ = ("_done", "_open", "checkpoint", "covered")

    def __init__(self, checkpoint: int) -> None:
        self.checkpoint = checkpoint
        self.covered = checkpoint
        self._open: deque[int] = deque()
        self._done: set[int] = set()

    @property
    def floor(self) -> int:
        """Everything up to there is done."""
        return self._open[0] - 1 if self._open else self.covered

    @property
    def width(self) -> int:
        """How many events lie between the floor and the last one read, acknowledged or not."""
        return len(self._open)

    def read(self, places: Iterable[int], covered: int) -> None:
        """Events were read that have to be acknowledged.

        Args:
            places: where they lie, in order, all above `covered` as it was.
            covered: everything up to there was looked at.
        """
        self._open.extend(places)
        self.covered = max(self.covered, covered)

    def acknowledge(self, places: Iterable[int]) -> None:
        """Events are done, in any order."""
        waiting, done = self._open, self._done
        for place in places:
            if waiting[0] == place:  # the most frequent case
                waiting.popleft()
            else:
                done.add(place)
        while waiting and waiting[0] in done:
            done.remove(waiting.popleft())

    def is_done(self, place: int) -> bool:
        """Whether the event at a place was acknowledged."""
        return place <= self.floor or place in self._done
