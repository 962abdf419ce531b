"""What is known of a named subscription."""

from __future__ import annotations

import msgspec

from headwater.store.subscription_limits import Phase


class SubscriptionInfo(msgspec.Struct, frozen=True):
    """A named subscription, seen from outside.

    Attributes:
        name: its name.
        stream: the stream that it reads; None for the whole log.
        checkpoint: everything up to this position, or version of the stream, is done and written down.
        lag: how many places lie behind the checkpoint; also those of events that it doesn't ask for.
        owner: the process that owns it, as it describes itself; None when nobody does.
        phase: what it is doing; None when no consumer is in this store.
        consumers: how many consumers this store has.
        unacknowledged: how many events they have and have not acknowledged.
    """

    name: str
    stream: str | None
    checkpoint: int
    lag: int
    owner: str | None
    phase: Phase | None
    consumers: int
    unacknowledged: int
