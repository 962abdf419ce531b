"""The checkpoints of subscriptions, in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from headwater.errors import StoreError
from headwater.store.subscription_adapter import Checkpoint, Claim
from headwater.store.subscription_claims import claimed, lost, unchangeable


class MemorySubscriptions:
    """Fulfils `headwater.store.subscription_adapter.SubscriptionAdapter`.

    Args:
        require_open: raises `StoreClosed` once the store is closed.
    """

    def __init__(self, require_open: Callable[[], None]) -> None:
        self._require_open: Final = require_open
        self._kept: Final[dict[str, Checkpoint]] = {}
        self._token = 0

    async def claim(self, claim: Claim) -> Checkpoint:
        """Make the claimant the owner."""
        self._require_open()
        outcome = claimed(self._kept.get(claim.name), claim, self._token + 1)
        if isinstance(outcome, StoreError):
            raise outcome
        self._token += 1
        self._kept[claim.name] = outcome
        return outcome

    async def save(self, name: str, token: int, place: int, expires_at: int) -> None:
        """Raise the checkpoint and renew the lease."""
        kept = self._owned(name, token)
        self._kept[name] = msgspec.structs.replace(kept, place=max(kept.place, place), expires_at=expires_at)

    async def release(self, name: str, token: int, place: int) -> None:
        """Raise the checkpoint and end the lease."""
        kept = self._owned(name, token)
        self._kept[name] = msgspec.structs.replace(kept, place=max(kept.place, place), owner="", expires_at=0)

    async def reset(self, name: str, place: int, now: int, *, force: bool) -> Checkpoint:
        """Set the checkpoint."""
        kept = self._changeable(name, now, force=force)
        self._token += 1
        self._kept[name] = Checkpoint(name, kept.stream, place, self._token)
        return self._kept[name]

    async def delete(self, name: str, now: int, *, force: bool) -> None:
        """Forget the subscription."""
        self._changeable(name, now, force=force)
        del self._kept[name]

    async def find(self, name: str) -> Checkpoint | None:
        """What is kept of a subscription."""
        self._require_open()
        return self._kept.get(name)

    async def list(self, after: str, limit: int) -> list[Checkpoint]:
        """The next subscriptions."""
        self._require_open()
        names = sorted((name for name in self._kept if name.encode() > after.encode()), key=str.encode)
        return [self._kept[name] for name in names[:limit]]

    def _owned(self, name: str, token: int) -> Checkpoint:
        self._require_open()
        kept = self._kept.get(name)
        if kept is None or kept.token != token:
            raise lost(name)
        return kept

    def _changeable(self, name: str, now: int, *, force: bool) -> Checkpoint:
        self._require_open()
        kept = self._kept.get(name)
        error = unchangeable(kept, name, now, force=force)
        if error is not None:
            raise error
        assert kept is not None  # noqa: S101 - or there was an error
        return kept
