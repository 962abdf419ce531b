"""Acknowledgements in any order, folded into «all up to here». Pure."""

from __future__ import annotations

from collections.abc import Iterable

from headwater.errors import InvalidAcknowledgement, MessageAlreadyAcknowledged


class Watermark:
    """Hands out numbers 0, 1, 2 … and knows up to where all of them are done.

    It keeps the numbers that are done out of order: at most as many as were issued and lie above the watermark.

    Attributes:
        issued: how many numbers were handed out.
        low: all numbers below it are done; it isn't, or was never issued.
    """

    __slots__ = ("_done", "issued", "low")

    def __init__(self) -> None:
        self.issued = 0
        self.low = 0
        self._done: set[int] = set()

    def issue(self) -> int:
        """The next number."""
        number = self.issued
        self.issued += 1
        return number

    def done(self, numbers: Iterable[int]) -> bool:
        """These are done. Returns whether the watermark has risen.

        Raises:
            MessageAlreadyAcknowledged: one of them was done before, or stands there twice. Nothing has changed.
            InvalidAcknowledgement: one of them was never issued. Nothing has changed.
        """
        fresh = list(numbers)
        self._check(fresh)
        done, low = self._done, self.low
        done.update(fresh)
        while low in done:
            done.remove(low)
            low += 1
        risen, self.low = low > self.low, low
        return risen

    @property
    def pending(self) -> int:
        """How many numbers are issued and not done."""
        return self.issued - self.low - len(self._done)

    def _check(self, numbers: list[int]) -> None:
        if not numbers:
            return
        if len(set(numbers)) < len(numbers) or min(numbers) < self.low or not self._done.isdisjoint(numbers):
            raise MessageAlreadyAcknowledged("a delivery is acknowledged once; one of these is a second time")
        if max(numbers) >= self.issued:
            raise InvalidAcknowledgement(f"{max(numbers)} was never issued: there are {self.issued} numbers so far")
