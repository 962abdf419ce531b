"""What the writer does besides appends, in the same queue and the same transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import apsw

from headwater.store.adapter import settle
from headwater.store.sqlite.draft import Draft

T = TypeVar("T")


class Task(Generic[T]):
    """A change that is no append: of a stream, a snapshot, or whatever has a table of its own.

    Args:
        run: changes something, given the writer's connection in its transaction and the draft, of which everything
            that was queued before has been written. It raises a `StoreError` only before it has changed anything.
        streams: the streams that it will ask the draft for.
        answer: resolved with what `run` returned, once that is durable, or with its error.
        quiet: it changes nothing that a reader of the log sees, and nobody is woken for it.
    """

    __slots__ = ("answer", "quiet", "run", "streams")

    def __init__(
        self,
        run: Callable[[apsw.Connection, Draft], T],
        streams: Sequence[str],
        answer: asyncio.Future[T],
        *,
        quiet: bool = False,
    ) -> None:
        self.run = run
        self.streams = streams
        self.answer = answer
        self.quiet = quiet

    def resolve(self, outcome: object) -> None:
        """Answer it, unless its caller was cancelled: with what `run` returned, or an error."""
        settle(self.answer, outcome)
