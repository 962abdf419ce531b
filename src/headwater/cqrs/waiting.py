"""Callers who wait until something has come to a place of the log."""

from __future__ import annotations

import heapq
from itertools import count
from typing import Final

from headwater.errors import ApplicationError
from headwater.runtime.reply import Deferred
from headwater.types import Position

MAX_WAITING: Final = 100_000
"""How many callers may wait for one process. Those beyond are answered `ApplicationError`."""


class Waiting:
    """The callers of one process, the one that waits for the lowest place first.

    Args:
        what: what they wait for, for messages.
    """

    def __init__(self, what: str) -> None:
        self._what: Final = what
        self._heap: list[tuple[int, int, Position, Deferred[Position]]] = []
        self._numbers: Final = count()

    def __bool__(self) -> bool:
        return bool(self._heap)

    def add(self, place: int, position: Position, deferred: Deferred[Position]) -> None:
        """One more. It is answered with the position, when the place is reached."""
        if len(self._heap) >= MAX_WAITING and not self._forget_abandoned():
            deferred.fail(ApplicationError(f"{MAX_WAITING:,} callers wait for {self._what} already"))
        else:
            heapq.heappush(self._heap, (place, next(self._numbers), position, deferred))

    def reached(self, place: int) -> None:
        """Answer those who have waited for it."""
        while self._heap and self._heap[0][0] <= place:
            _, _, position, deferred = heapq.heappop(self._heap)
            deferred.reply(position)

    def answer(self, position: Position) -> None:
        """The same where places are positions: they are told how far it has come."""
        while self._heap and self._heap[0][0] <= position:
            heapq.heappop(self._heap)[3].reply(position)

    def fail(self, error: Exception) -> None:
        """Answer all of them with an error."""
        waiting, self._heap = self._heap, []
        for _, _, _, deferred in waiting:
            deferred.fail(error)

    def _forget_abandoned(self) -> bool:
        """Make room where callers have given up. False if there is none."""
        for _, _, position, deferred in self._heap:
            if deferred.abandoned:
                deferred.reply(position)  # nobody hears it; it is released
        self._heap = [entry for entry in self._heap if not entry[3].resolved]
        heapq.heapify(self._heap)
        return len(self._heap) < MAX_WAITING
