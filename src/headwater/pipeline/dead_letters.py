"""Where messages go that can't be handled."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from headwater.errors import InvalidPipeline

LETTERS: Final = 1_000
"""How many dead letters are kept in memory, unless told otherwise."""

_log: Final = logging.getLogger("headwater.pipeline")


class DeadLetter(msgspec.Struct, frozen=True):
    """A message that has failed as often as it may.

    Attributes:
        pipeline: the name of the pipeline.
        item: what its source gave.
        data: what the handlers had made of it.
        reason: why it failed the last time.
        attempts: how often its handler has had it.
        batcher: the batcher whose batch processor had it; None for a processor.
        at: when it was parked, in nanoseconds since 1970-01-01 UTC.
    """

    pipeline: str
    item: object
    data: object
    reason: object
    attempts: int
    batcher: str | None
    at: int


class DeadLetters(Protocol):
    """Where dead letters are parked: a table, a stream, a queue for people to look at."""

    async def park(self, letters: Sequence[DeadLetter]) -> None:
        """Keep these letters. When it returns, their messages are acknowledged as failed.

        The same message may be parked twice, after a crash. If it raises, it is called again as the pipeline's `retry`
        says; then the stage that called it ends, and the messages are given again.
        """


class MemoryDeadLetters:
    """Keeps the newest letters in memory. When it is full, the oldest is dropped, counted and logged.

    Args:
        limit: how many letters it keeps.

    Attributes:
        dropped: how many were dropped.

    Raises:
        InvalidPipeline: a limit below 1.
    """

    def __init__(self, limit: int = LETTERS) -> None:
        if limit < 1:
            raise InvalidPipeline(f"at least 1 dead letter is kept, not {limit}")
        self._letters: deque[DeadLetter] = deque(maxlen=limit)
        self._limit = limit
        self.dropped = 0

    async def park(self, letters: Sequence[DeadLetter]) -> None:
        """Keep these letters."""
        dropped = max(len(self._letters) + len(letters) - self._limit, 0)
        self._letters.extend(letters)
        if dropped:
            self.dropped += dropped
            _log.error("%d dead letters were dropped: no more than %d are kept in memory", dropped, self._limit)

    def letters(self) -> list[DeadLetter]:
        """What is kept, oldest first."""
        return list(self._letters)
