"""Appends to aggregates' streams that are under way and don't come from the aggregates' own processes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final

from headwater.store.adapter import Append
from headwater.store.model import Appended
from headwater.types import Version


class ForeignAppends:
    """Sees to it that aggregates in memory hear of what others have put into their streams, whoever waits for it.

    From before such an append takes effect until its streams' aggregates have heard of it, they are `in` this: what an
    aggregate decides meanwhile may be upon an old state.

    Args:
        tell: tells the aggregate of a stream, behind all that it was sent before, to which version the stream has come.
            False if it has no process: then it begins with what is in the log.
    """

    def __init__(self, tell: Callable[[str, Version], bool]) -> None:
        self._tell: Final = tell
        self._under_way = Counter[str]()
        self._told = Counter[str]()

    def __contains__(self, stream: str) -> bool:
        return stream in self._under_way or stream in self._told

    def follow(self, append: Append) -> None:
        """Such an append was just submitted. Its answer must not be cancelled."""
        streams = [part.stream for part in append.parts]
        self._under_way.update(streams)
        if append.answer.done():
            self._ended(streams, append.answer)  # before whoever waits for it goes on
        else:
            append.answer.add_done_callback(partial(self._ended, streams))

    def heard(self, stream: str) -> None:
        """The aggregate has got what it was told once."""
        _take_one(self._told, stream)

    def gone(self, stream: str) -> None:
        """The aggregate's process has ended. Its successor begins with what is in the log."""
        del self._told[stream]

    def _ended(self, streams: list[str], answer: asyncio.Future[Appended]) -> None:
        for stream in streams:
            if answer.exception() is None and self._tell(stream, answer.result().version_of(stream)):
                self._told[stream] += 1
            _take_one(self._under_way, stream)


def _take_one(counter: Counter[str], stream: str) -> None:
    if counter[stream] > 1:
        counter[stream] -= 1
    else:
        del counter[stream]
