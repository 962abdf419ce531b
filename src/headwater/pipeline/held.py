"""Held: messages that wait for their next attempt, and those of the same keys behind them. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from headwater.pipeline.fair_queue import Keyed

K = TypeVar("K", bound=Keyed)


class Held(Generic[K]):
    """The lines of those who wait. A key is in one line at most; messages without a key wait for nobody.

    Attributes:
        keys: the keys that are held, and the numbers of their lines. Not to be changed from outside.
    """

    __slots__ = ("_lines", "_next", "keys")

    def __init__(self) -> None:
        self._lines: dict[int, list[K]] = {}
        self.keys: dict[Hashable, int] = {}
        self._next = 0

    def __len__(self) -> int:
        return sum(len(line) for line in self._lines.values())

    def hold(self, messages: list[K]) -> int:
        """Messages begin to wait, none of whose keys is held. Returns the number of their line."""
        number = self._next
        self._next += 1
        self._lines[number] = messages
        self.keys.update((message.key, number) for message in messages if message.key is not None)
        return number

    def follow(self, message: K) -> bool:
        """Let the message wait if its key is held. Returns whether it has to."""
        number = self.keys.get(message.key)
        if number is None:
            return False
        self._lines[number].append(message)
        return True

    def release(self, number: int) -> list[K]:
        """The line's messages, in the order in which they came. Their keys are held no more."""
        line = self._lines.pop(number)
        for message in line:
            self.keys.pop(message.key, None)
        return line
