"""How a named subscription shall work."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import msgspec

from headwater.errors import InvalidSubscription
from headwater.store.model import StoredEvent
from headwater.store.naming import LONGEST, NUL
from headwater.store.query import EventQuery
from headwater.store.reading import PAGE
from headwater.store.subscription_limits import WINDOW, Limits

PartitionKey = Callable[[StoredEvent], Hashable]
"""Tells the key of an event: events of one key are handled in order, whoever handles them."""


class SubscriptionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a named subscription works. All its consumers in one store share it.

    Attributes:
        name: the subscription's name.
        stream: the stream that it reads; None for the whole log.
        query: only what it means; None for everything.
        max_unacknowledged: how many events a consumer may have without having acknowledged them.
        max_consumers: how many consumers there may be at a time.
        partition_by: the key of an event; None: no order between consumers.
        checkpoint_every: a checkpoint is written after so many acknowledgements …
        checkpoint_within: … or so many seconds after the first one that isn't written down.
        lease: for how many seconds nobody else can have the subscription if this process dies. With SQLite, whoever
            opens the store for writing after that has it at once.
    """

    name: str
    stream: str | None = None
    query: EventQuery | None = None
    max_unacknowledged: int = 100
    max_consumers: int = 1
    partition_by: PartitionKey | None = None
    checkpoint_every: int = 100
    checkpoint_within: float = 1.0
    lease: float = 30.0

    @property
    def limits(self) -> Limits:
        """The numbers of the state machine."""
        window = max(WINDOW, self.max_unacknowledged * self.max_consumers)
        return Limits(self.max_unacknowledged, self.checkpoint_every, PAGE, window)

    def check(self) -> None:
        """Make sure that it can work so.

        Raises:
            InvalidSubscription: it can't.
        """
        check_name(self.name)
        if self.stream is not None and NUL in self.stream:
            raise InvalidSubscription(
                f"subscription {self.name!r} reads a stream with a NUL character: {self.stream!r}"
            )
        for option in ("max_unacknowledged", "max_consumers", "checkpoint_every"):
            value = getattr(self, option)
            if not isinstance(value, int) or value < 1:
                raise InvalidSubscription(f"{option} is a number from 1, not {value!r}")
        for option in ("checkpoint_within", "lease"):
            value = getattr(self, option)
            if not value > 0:
                raise InvalidSubscription(f"{option} is a positive number of seconds, not {value!r}")

    def check_same(self, other: SubscriptionOptions) -> None:
        """Make sure that one more consumer wants what those before it wanted. Two keys are taken for the same one.

        Raises:
            InvalidSubscription: it doesn't.
        """
        for option in self.__struct_fields__:
            mine, wanted = getattr(self, option), getattr(other, option)
            if option == "partition_by":
                mine, wanted = mine is not None, wanted is not None
            if mine != wanted:
                raise InvalidSubscription(f"subscription {self.name!r} has {option} {mine!r} already, not {wanted!r}")


def check_name(name: str) -> None:
    """Make sure that a subscription may be called so: 1 to 255 printable characters.

    Raises:
        InvalidSubscription: it may not.
    """
    if not isinstance(name, str):
        raise InvalidSubscription(f"a subscription's name is a string, not {name!r}")
    if not name:
        raise InvalidSubscription("a subscription's name is empty")
    if len(name) > LONGEST:
        raise InvalidSubscription(f"a subscription's name has {len(name)} characters, {LONGEST} are allowed: {name!r}")
    if not name.isprintable():
        raise InvalidSubscription(f"a subscription's name holds a character that can't be printed: {name!r}")
