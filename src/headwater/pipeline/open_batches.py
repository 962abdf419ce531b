"""OpenBatches: messages that are put together. Pure: the time is passed in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from headwater.pipeline.batch import Batch, BatchInfo, Trigger
from headwater.pipeline.message import Message
from headwater.pipeline.options import Accumulator, Batcher
from headwater.runtime.partitions import partition_of

Data = TypeVar("Data")


class OpenBatches(Generic[Data]):
    """The batches of one batcher that are not full yet, one for each batch key.

    A message is in one batch; batches of one key keep the order of their messages. Every open batch holds a message,
    so there are never more of them than messages in the pipeline.

    Args:
        name: the batcher's.
        options: how messages are put together.
        keyed: whether order per key is to be kept over several batch processors: then messages for different ones
            are put into different batches.
    """

    __slots__ = ("_name", "_open", "_options", "_overdue", "_partitions", "_timeout")

    def __init__(self, name: str, options: Batcher, *, keyed: bool) -> None:
        self._name = name
        self._options = options
        self._timeout = options.timeout
        self._overdue: Trigger = "timeout"
        self._partitions = options.concurrency if keyed else 1
        self._open: OrderedDict[tuple[Hashable, int], _Open[Data]] = OrderedDict()  # oldest first

    def add(self, messages: Iterable[Message[Data]], now: float) -> list[Batch[Data]]:
        """Put messages into their batches. Returns those that are full now."""
        full: list[Batch[Data]] = []
        size, batches, single = self._options.size, self._open, self._partitions == 1
        for message in messages:
            place = (message.batch_key, 0 if single else partition_of(message.key, self._partitions))
            batch = batches.get(place)
            if batch is None:
                batch = batches[place] = self._begin(now)
            batch.messages.append(message)
            if message.flush:
                full.append(self._close(place, "flush"))
            elif len(batch.messages) >= size or (batch.accumulator is not None and batch.accumulator.add(message)):
                full.append(self._close(place, "size"))
        return full

    def expire(self, now: float) -> list[Batch[Data]]:
        """Close the batches whose time is over."""
        expired = []
        while (due := self.due) is not None and due <= now:
            expired.append(self._close(next(iter(self._open)), self._overdue))
        return expired

    def drain(self, timeout: float, now: float) -> None:
        """From now on a batch waits no longer than this, in seconds; those that are open included."""
        self._timeout = min(timeout, self._timeout)
        self._overdue = "drain"
        for batch in self._open.values():
            batch.due = min(batch.due, now + self._timeout)

    @property
    def due(self) -> float | None:
        """When the time of the oldest batch is over; None if there is none."""
        return next(iter(self._open.values())).due if self._open else None

    def _begin(self, now: float) -> _Open[Data]:
        make = self._options.accumulator
        return _Open(now + self._timeout, None if make is None else make())

    def _close(self, place: tuple[Hashable, int], trigger: Trigger) -> Batch[Data]:
        return Batch(self._open.pop(place).messages, BatchInfo(self._name, place[0], trigger), place[1])


class _Open(Generic[Data]):
    """A batch that is not full.

    Attributes:
        messages: what is in it.
        due: when its time is over.
        accumulator: decides whether it is full.
    """

    __slots__ = ("accumulator", "due", "messages")

    def __init__(self, due: float, accumulator: Accumulator | None) -> None:
        self.messages: list[Message[Data]] = []
        self.due = due
        self.accumulator = accumulator
