"""What a subscription's state machine wants to be done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec

E = TypeVar("E")


class Read(msgspec.Struct, frozen=True):
    """Read the events behind a place, and give the machine the page.

    Attributes:
        after: the place.
        limit: how many events at most.
    """

    after: int
    limit: int


class Deliver(msgspec.Struct, Generic[E], frozen=True):
    """Hand events to a consumer.

    Attributes:
        consumer: its number.
        events: at least one.
    """

    consumer: int
    events: Sequence[E]


class WriteCheckpoint(msgspec.Struct, frozen=True):
    """Write down that everything up to a place is done, and tell the machine how it went.

    Attributes:
        place: the place.
    """

    place: int


class StartTimer(msgspec.Struct, frozen=True):
    """Tell the machine that a checkpoint is due, in the time after which one shall be written."""


class Release(msgspec.Struct, frozen=True):
    """Write down the last checkpoint and give up the lease. Nothing else comes after it.

    Attributes:
        place: everything up to it is done.
    """

    place: int


class Abandon(msgspec.Struct, frozen=True):
    """Somebody else owns the subscription: write nothing, tell the consumers. Nothing else comes after it."""


Output = Read | Deliver[E] | WriteCheckpoint | StartTimer | Release | Abandon
