"""Callers that wait for a view to reach a position."""

from __future__ import annotations

import heapq
from itertools import count
from typing import Final

from headwater.errors import ApplicationError, HeadwaterError
from headwater.runtime.reply import Deferred
from headwater.types import Position

MAX_WAITING: Final = 100_000
"""How many callers may wait for one view. Those beyond are answered `ApplicationError`."""


class ViewWaiters:
    """Who waits for which position, the lowest first.

    Args:
        view: the view's name, for messages.
    """

    def __init__(self, view: str) -> None:
        self._view: Final = view
        self._waiting: list[tuple[int, int, Deferred[Position]]] = []
        self._numbers: Final = count()

    def add(self, position: int, deferred: Deferred[Position]) -> None:
        """Answer `deferred` when the view is there."""
        if len(self._waiting) >= MAX_WAITING and not self._forget_abandoned():
            deferred.fail(ApplicationError(f"{MAX_WAITING:,} callers wait for view {self._view!r} already"))
        else:
            heapq.heappush(self._waiting, (position, next(self._numbers), deferred))

    def answer(self, position: Position) -> None:
        """The view is there: answer those who wait for this position or a lower one."""
        while self._waiting and self._waiting[0][0] <= position:
            heapq.heappop(self._waiting)[2].reply(position)

    def fail(self, error: HeadwaterError) -> None:
        """The view has stopped: tell all of them."""
        waiting, self._waiting = self._waiting, []
        for _, _, deferred in waiting:
            deferred.fail(error)

    def _forget_abandoned(self) -> bool:
        """Make room where callers have given up. False if there is none."""
        for _, _, deferred in self._waiting:
            if deferred.abandoned:
                deferred.reply(Position(0))  # nobody hears it; it is released
        self._waiting = [entry for entry in self._waiting if not entry[2].resolved]
        heapq.heapify(self._waiting)
        return len(self._waiting) < MAX_WAITING
