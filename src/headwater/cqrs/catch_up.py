"""The way of a view from where it starts to where the log ends at that moment."""

from __future__ import annotations

import logging
from typing import Final

from headwater.clock import Clock
from headwater.errors import ViewCatchingUp

REPORT_EVERY: Final = 10.0
"""Seconds between two lines in the log about a view that catches up."""

_log: Final = logging.getLogger("headwater.cqrs")


class CatchUp:
    """How far a view has to come before it is asked anything. One that takes long is reported in the log.

    Args:
        view: the view's name.
        position: where it starts.
        head: where the log ends.
        clock: for the reports.

    Attributes:
        done: whether the view has been there. Set it when another build, that has, takes over.
    """

    def __init__(self, view: str, position: int, head: int, clock: Clock) -> None:
        self._view: Final = view
        self._first: Final = position
        self._head: Final = head
        self._now: Final = clock.monotonic
        self._started: Final = self._now()
        self._report_at = self._started + REPORT_EVERY
        self._position = position
        self.done = False

    def reached(self, position: int) -> bool:
        """The view is at this position. True the first time that this is far enough."""
        if self.done:
            return False
        self._position = position
        if position >= self._head:
            self.done = True
            return True
        if self._now() >= self._report_at:
            self._report()
        return False

    def refusal(self) -> ViewCatchingUp:
        """What a query is answered meanwhile."""
        return ViewCatchingUp(self._view, self._position, self._head)

    def _report(self) -> None:
        now = self._now()
        self._report_at = now + REPORT_EVERY
        rate = (self._position - self._first) / (now - self._started)
        left = self._head - self._position
        _log.info(
            "view %r catches up: at position %d of %d, %.0f events a second, %.0f s to go",
            self._view,
            self._position,
            self._head,
            rate,
            left / rate if rate else float("inf"),
        )
