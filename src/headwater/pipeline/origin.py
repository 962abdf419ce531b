"""Origin: what messages know of the source stage that they come from."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from headwater.pipeline.message import Message
from headwater.pipeline.reader import Reader
from headwater.pipeline.source import Feed
from headwater.runtime.process import Process

Data = TypeVar("Data")


class Settled(msgspec.Struct, Generic[Data], frozen=True):
    """To a source stage: messages have gone through the pipeline.

    Attributes:
        handled: those that were handled.
        failed: those that were parked.
    """

    handled: list[Message[Data]]
    failed: list[Message[Data]]


class Early(msgspec.Struct, Generic[Data], frozen=True):
    """To a source stage: a message is to be acknowledged now."""

    message: Message[Data]


class LiveOrigin(Generic[Data]):
    """What messages know of the source stage that they come from.

    Args:
        process: its process.
        reader: what reads the source.
        batcher: where its messages go unless they are told otherwise.

    Attributes:
        live: whether it has not ended.
    """

    __slots__ = ("_batcher", "_process", "_reader", "live")

    def __init__(self, process: Process, reader: Reader[Data], batcher: str) -> None:
        self._process = process
        self._reader = reader
        self._batcher = batcher
        self.live = True
        if process.cleanups is None:
            process.cleanups = []
        process.cleanups.append(self._end)

    @property
    def feed(self) -> Feed[Data]:
        """What it reads."""
        return self._reader.feed

    @property
    def batcher(self) -> str:
        """Where its messages go unless they are told otherwise."""
        return self._batcher

    def acknowledge_early(self, message: Message[Data]) -> None:
        """Tell the source that the message is handled, while it is still in the pipeline."""
        self._process.inform(Early(message))

    def settle(self, handled: list[Message[Data]], failed: list[Message[Data]]) -> None:
        """These have gone through the pipeline."""
        self._process.inform(Settled(handled, failed))

    def _end(self) -> None:
        self.live = False
