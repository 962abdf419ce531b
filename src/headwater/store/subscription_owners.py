"""The subscriptions that one store owns, each with the consumers that it has in this process."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from headwater.errors import StoreClosed, StoreError, SubscriptionLost
from headwater.store.following import FollowingStore
from headwater.store.subscription_lease import Lease
from headwater.store.subscription_options import SubscriptionOptions
from headwater.store.subscription_owner import Receiver, SubscriptionOwner
from headwater.store.subscription_start import StartFrom, place_of


class Entry(NamedTuple):
    """What somebody needs to consume a subscription.

    Attributes:
        options: how it shall work.
        start: where it begins, if it is new.
        wait: for how many seconds to wait while another process owns it; None for as long as it takes.
    """

    options: SubscriptionOptions
    start: StartFrom
    wait: float | None


class Membership(NamedTuple):
    """One consumer of a subscription.

    Attributes:
        owner: what it belongs to.
        number: its number there.
    """

    owner: SubscriptionOwner
    number: int


class SubscriptionOwners:
    """Brings consumers and owners together: the first consumer makes the owner, the last one ends it.

    Args:
        store: where the events are.
    """

    def __init__(self, store: FollowingStore) -> None:
        self._store: Final = store
        self._owners: Final[dict[str, SubscriptionOwner]] = {}
        self._doors: Final[WeakValueDictionary[str, asyncio.Lock]] = WeakValueDictionary()
        self._closed = False

    def find(self, name: str) -> SubscriptionOwner | None:
        """What owns a subscription in this store."""
        return self._owners.get(name)

    async def join(self, entry: Entry, receiver: Receiver) -> Membership:
        """Become a consumer; wait for the lease if need be.

        Raises:
            TooManyConsumers, SubscriptionTaken, InvalidSubscription: it can't.
            StoreClosed, StoreReadOnly, StorageFailed: like an append.
        """
        options = entry.options
        async with self._door(options.name):
            owner = self._owners.get(options.name)
            if owner is not None and not owner.open:
                await owner.close()
                owner = None
            if owner is None:
                owner = await self._open(entry)
            owner.options.check_same(options)
            return Membership(owner, owner.join(receiver))

    async def leave(self, member: Membership) -> None:
        """Be a consumer no more. The last one waits until the checkpoint is written and the lease given back."""
        if member.owner.leave(member.number):
            await member.owner.close()

    def leave_soon(self, member: Membership) -> None:
        """Be a consumer no more, at once; what has to be written is written by itself."""
        if member.owner.leave(member.number):
            member.owner.begin_close()

    def lose(self, name: str) -> None:
        """The subscription was taken from its owner here, if it has one."""
        owner = self._owners.get(name)
        if owner is not None:
            owner.lose(SubscriptionLost(f"subscription {name!r} was reset or deleted"))

    async def close(self) -> None:
        """End all of them in good order."""
        self._closed = True
        await asyncio.gather(*[owner.close() for owner in list(self._owners.values())])

    def _door(self, name: str) -> asyncio.Lock:
        return self._doors.setdefault(name, asyncio.Lock())

    async def _open(self, entry: Entry) -> SubscriptionOwner:
        store, options = self._store, entry.options
        known = await store.adapter.subscriptions.find(options.name)
        start = 0 if known is not None else await place_of(store, options.stream, entry.start)
        lease = await Lease.acquire(
            store.adapter.subscriptions,
            store.clock,
            options.name,
            options.stream,
            start=start,
            seconds=options.lease,
            wait=entry.wait,
        )
        if self._closed:
            with suppress(StoreError):
                await lease.release(lease.place)
            raise StoreClosed(f"{store.location}: the store is closed")
        owner = self._owners[options.name] = SubscriptionOwner(store, options, lease, self._forget)
        return owner

    def _forget(self, owner: SubscriptionOwner) -> None:
        if self._owners.get(owner.options.name) is owner:
            del self._owners[owner.options.name]
