"""What a backend keeps for named subscriptions: checkpoints, and who may write them."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Checkpoint(msgspec.Struct, frozen=True):
    """What is kept of one named subscription.

    Attributes:
        name: its name, unique in the store.
        stream: the stream that it reads, whose versions are its places; None for the whole log and its positions.
        place: everything up to there is done.
        token: how often it has changed hands. Only who shows the newest one may write.
        owner: who has it, as it describes itself; empty when nobody has.
        expires_at: when the owner's lease ends, in microseconds since 1970-01-01 UTC; 0 when nobody has it.
    """

    name: str
    stream: str | None
    place: int
    token: int = 0
    owner: str = ""
    expires_at: int = 0

    def is_free(self, now: int) -> bool:
        """Whether nobody has it at this time, in microseconds."""
        return not self.owner or self.expires_at <= now


class Claim(msgspec.Struct, frozen=True):
    """Somebody wants to own a subscription.

    Attributes:
        name: the subscription's name.
        stream: the stream that it reads; None for the whole log.
        start: the place behind which it begins, if it is new.
        owner: how the claimant describes itself; not empty.
        now: the claimant's time, in microseconds since 1970-01-01 UTC.
        expires_at: when its lease ends unless it is renewed.
    """

    name: str
    stream: str | None
    start: int
    owner: str
    now: int
    expires_at: int


class SubscriptionAdapter(Protocol):
    """Keeps the checkpoints of named subscriptions, and sees to it that each has one writer.

    It promises:

    - each method takes effect at once and as a whole, in order with all others on the same log, also those of other
      processes: two claims of a free subscription at the same moment give it to one of them;
    - a method that changes something returns when the change is as durable as an append is when it is answered;
    - a token is handed out once: each claim, reset and deletion makes all earlier tokens of that name worthless for
      ever, also when the subscription was deleted and made anew in between;
    - a checkpoint never goes back, except by `reset`;
    - a backend that lets one process write at a time voids all leases when another process becomes the one: the owners
      were of the process before, which can't write any more.

    Times are the callers': a backend compares `expires_at` with the `now` that it is given, and reads no clock. If the
    clocks of two machines differ, a lease may be taken over early; the token keeps that from doing harm.

    Besides what is named it may raise `StoreClosed`, `StorageFailed` and `StorageFull`, and in a store that is opened
    for reading only, where something would be changed, `StoreReadOnly`.
    """

    async def claim(self, claim: Claim) -> Checkpoint:
        """Make the claimant the owner, with a new token, if nobody else is; make the subscription if there is none.

        Returns what is kept now, the new token in it.

        Raises:
            SubscriptionTaken: its owner's lease has not ended. Nothing was changed.
            InvalidSubscription: it reads another stream. Nothing was changed.
        """

    async def save(self, name: str, token: int, place: int, expires_at: int) -> None:
        """Raise the checkpoint to `place` and let the lease last until `expires_at`.

        A place at or below the one that is kept leaves the place, and only renews the lease. A lease that has ended,
        but was not taken over, is renewed too.

        Raises:
            SubscriptionLost: the token is not the newest, or there is no such subscription. Nothing was changed.
        """

    async def release(self, name: str, token: int, place: int) -> None:
        """Raise the checkpoint like `save`, and let nobody own the subscription.

        Raises:
            SubscriptionLost: like `save`. Nothing was changed.
        """

    async def reset(self, name: str, place: int, now: int, *, force: bool) -> Checkpoint:
        """Set the checkpoint, forwards or back, make the newest token worthless, and let nobody own the subscription.

        Args:
            name: the subscription's name.
            place: where it shall go on from.
            now: the caller's time.
            force: also when somebody owns it.

        Raises:
            SubscriptionNotFound: there is none.
            SubscriptionTaken: its owner's lease has not ended, and `force` is false. Nothing was changed.
        """

    async def delete(self, name: str, now: int, *, force: bool) -> None:
        """Forget the subscription and its checkpoint.

        Raises:
            SubscriptionNotFound, SubscriptionTaken: like `reset`.
        """

    async def find(self, name: str) -> Checkpoint | None:
        """What is kept of a subscription; None when there is none."""

    async def list(self, after: str, limit: int) -> list[Checkpoint]:
        """The next subscriptions above a name, `limit` of them or all that there are.

        In the order of their names' UTF-8 bytes.
        """
