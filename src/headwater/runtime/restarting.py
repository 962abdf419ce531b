"""What supervisors share that bring their children back: counting restarts, waiting before them, reporting them."""

from __future__ import annotations

from headwater.runtime.exits import Exit, Reason
from headwater.runtime.report import ReportKind, report
from headwater.runtime.restart import RestartIntensity
from headwater.runtime.slot import Slot
from headwater.runtime.strategy import Strategy
from headwater.runtime.supervising import Supervising


class Restarting(Supervising, adds_methods=True):
    """A supervisor that restarts children as often as its strategy bears, and then ends."""

    def _adopt(self, strategy: Strategy) -> None:
        """Follow a strategy from now on. Used once, at the start."""
        self._strategy = strategy
        self._intensity = RestartIntensity(strategy.max_restarts, strategy.within)

    def _bears(self, slot: Slot, reason: Reason) -> bool:
        """Count a restart. If there were too many, give up."""
        if self._intensity.allows(self._now()):
            return True
        self._report("gave up", slot, reason)
        self.stop(Exit.SHUTDOWN)
        return False

    def _wait(self, slot: Slot) -> None:
        """Bring a child back later: after the strategy's back-off, or behind the messages that wait."""
        slot.wait(self._cell, self._strategy, self._cell.node.rng)

    def _now(self) -> float:
        return self._cell.node.clock.monotonic()

    def _report(self, kind: ReportKind, slot: Slot, reason: Reason | None = None) -> None:
        report(kind, self._cell.label, slot.child.id, slot.restarts, reason)
