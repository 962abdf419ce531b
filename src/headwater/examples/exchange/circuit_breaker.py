"""What halts trading when a price jumps: people get time to look, and to withdraw what they no longer want."""

from typing import Final

from headwater import Command, Committed, ProcessManager, Rejected, accepted, expires, rejected, starts, stops
from headwater.examples.exchange.market import instrument_of
from headwater.examples.exchange.messages import Halt, PriceJumped, Resume, TradingResumed

PAUSE: Final = 120.0
"""For how many seconds trading is halted."""


class CircuitBreaker(ProcessManager, name="circuit-breaker"):
    """One for each instrument: it halts trading upon a jump of the price, and lets it go on after a pause.

    Orders that come between the jump and the halt, some milliseconds, are taken. A halt that somebody else has
    ordered is theirs to end.
    """

    halts: bool = False

    @starts(by=instrument_of)
    def jumped(self, event: PriceJumped) -> Command | None:
        """Halt trading; the price may jump again before that is done."""
        if self.halts:
            return None
        self.halts = True
        return Halt(self.id, f"the price jumped from {event.reference} to {event.price}")

    @accepted
    def halted(self, command: Halt, committed: Committed) -> None:
        """Nobody trades; wait."""
        self.set_timer("pause", after=PAUSE)

    @expires("pause")
    def waited(self) -> Command:
        """Let trading go on."""
        return Resume(self.id)

    @stops(by=instrument_of)
    def resumed(self, event: TradingResumed) -> None:
        """That's all until the next jump, whoever has let trading go on."""

    @rejected
    def overruled(self, command: Halt | Resume, rejection: Rejected) -> None:
        """Somebody else has halted trading before, or has resumed it."""
        self.stop()
