"""Who may have a subscription, and what is said to those who may not. Pure; shared by the backends."""

from __future__ import annotations

import msgspec

from headwater.clock import instant
from headwater.errors import (
    InvalidSubscription,
    StoreError,
    SubscriptionLost,
    SubscriptionNotFound,
    SubscriptionTaken,
)
from headwater.store.subscription_adapter import Checkpoint, Claim


def claimed(kept: Checkpoint | None, claim: Claim, token: int) -> Checkpoint | StoreError:
    """What is kept after a claim, or why it is refused.

    Args:
        kept: what is kept now; None when there is no such subscription.
        claim: the claim.
        token: the new token.
    """
    kept = kept or Checkpoint(claim.name, claim.stream, claim.start)
    if kept.stream != claim.stream:
        return InvalidSubscription(
            f"subscription {claim.name!r} reads {_what(kept.stream)}, not {_what(claim.stream)}: use another name, or "
            "delete it first"
        )
    if not kept.is_free(claim.now):
        return taken(kept)
    return msgspec.structs.replace(kept, token=token, owner=claim.owner, expires_at=claim.expires_at)


def taken(kept: Checkpoint) -> SubscriptionTaken:
    """The error for a subscription that has an owner."""
    return SubscriptionTaken(
        f"subscription {kept.name!r} belongs to {kept.owner} until {instant(kept.expires_at):%F %T} UTC at least",
        owner=kept.owner,
        expires_at=kept.expires_at,
    )


def lost(name: str) -> SubscriptionLost:
    """The error for an owner who is none any more."""
    return SubscriptionLost(f"subscription {name!r} has another owner now, or was reset or deleted")


def unchangeable(kept: Checkpoint | None, name: str, now: int, *, force: bool) -> StoreError | None:
    """Why a subscription may not be reset or deleted, if it may not."""
    if kept is None:
        return SubscriptionNotFound(f"there is no subscription {name!r}")
    return None if force or kept.is_free(now) else taken(kept)


def _what(stream: str | None) -> str:
    return "the whole log" if stream is None else f"stream {stream!r}"
