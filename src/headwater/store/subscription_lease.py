"""The right to consume a subscription, for a time."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import suppress
from functools import partial
from typing import Final

from headwater.clock import Clock
from headwater.errors import StoreError, StoreReadOnly, SubscriptionTaken
from headwater.store.subscription_adapter import Checkpoint, Claim, SubscriptionAdapter

_RETRY_SECONDS: Final = 1.0
_RENEWALS: Final = 3


class Lease:
    """One owner's right to a subscription. Made by `acquire`.

    It ends by itself unless it is renewed, which each checkpoint does too. Whoever takes it over gets a higher token,
    and what the old owner writes after that is refused.

    Args:
        adapter: where it is kept.
        clock: the time; the wall clock is what other processes compare it with.
        name: the subscription's name.
        seconds: how long it lasts.
        token: shows that it is this one.
        place: the checkpoint that was there.
        began: the clock's monotonic time before it was asked for.
    """

    def __init__(
        self,
        adapter: SubscriptionAdapter,
        clock: Clock,
        name: str,
        seconds: float,
        *,
        token: int,
        place: int,
        began: float,
    ) -> None:
        self.name: Final = name
        self.place: Final = place
        self.token: Final = token
        self._adapter: Final = adapter
        self._clock: Final = clock
        self._seconds: Final = seconds
        self._ends = began + seconds

    @classmethod
    async def acquire(
        cls,
        adapter: SubscriptionAdapter,
        clock: Clock,
        name: str,
        stream: str | None,
        *,
        start: int,
        seconds: float,
        wait: float | None,
    ) -> Lease:
        """Become the owner. Asks again each second while somebody else is.

        Args:
            adapter: where it is kept.
            clock: the time.
            name: the subscription's name.
            stream: the stream that it reads.
            start: the place behind which it begins, if it is new.
            seconds: how long the lease lasts.
            wait: for how many seconds to ask; 0 asks once, None as long as it takes.

        Raises:
            SubscriptionTaken: somebody else has had it all the time.
            InvalidSubscription: it reads another stream.
            StoreReadOnly: the checkpoint can't be kept: this store was opened for reading only.
            StoreClosed, StorageFailed: like an append.
        """
        patience = None if wait is None else clock.monotonic() + wait
        while True:
            began, now = clock.monotonic(), _now(clock)
            claim = Claim(name, stream, start, _owner(), now, now + _microseconds(seconds))
            try:
                kept = await _claim(adapter, claim)
            except StoreReadOnly as error:
                raise StoreReadOnly(
                    f"subscription {name!r} keeps its checkpoint in the store, which was opened for reading only here: "
                    "consume it where the store is open for writing (with SQLite that is one process; with PostgreSQL "
                    "any), or use `subscribe(after=…)` and keep the position yourself"
                ) from error
            except SubscriptionTaken as taken:
                pause = min(_RETRY_SECONDS, max((taken.expires_at - now) / 1_000_000, 0.001))
                if patience is not None:
                    if clock.monotonic() >= patience:
                        raise
                    pause = min(pause, patience - clock.monotonic())
                await _sleep(clock, pause)
            else:
                return cls(adapter, clock, name, seconds, token=kept.token, place=kept.place, began=began)

    @property
    def renew_after(self) -> float:
        """Seconds after which it should be renewed: it may fail twice without harm."""
        return self._seconds / _RENEWALS

    @property
    def over(self) -> bool:
        """Whether it has ended because it couldn't be renewed in time. Then somebody else may have it."""
        return self._clock.monotonic() >= self._ends

    async def save(self, place: int) -> None:
        """Write a checkpoint, and renew it.

        Raises:
            SubscriptionLost: somebody else has it, or had it.
            StoreClosed, StorageFailed: like an append.
        """
        began = self._clock.monotonic()
        await self._adapter.save(self.name, self.token, place, _now(self._clock) + _microseconds(self._seconds))
        self._ends = began + self._seconds

    async def release(self, place: int) -> None:
        """Write the last checkpoint, and give it back.

        Raises:
            SubscriptionLost, StoreClosed, StorageFailed: like `save`.
        """
        await self._adapter.release(self.name, self.token, place)


async def _claim(adapter: SubscriptionAdapter, claim: Claim) -> Checkpoint:
    """Claim; a caller that is cancelled meanwhile gives back what it got."""
    claiming = asyncio.ensure_future(adapter.claim(claim))
    try:
        return await asyncio.shield(claiming)
    except asyncio.CancelledError:
        with suppress(StoreError):
            kept = await claiming
            await adapter.release(kept.name, kept.token, kept.place)
        raise


def _owner() -> str:
    return f"process {os.getpid()} ({sys.argv[0] or sys.executable}) on {socket.gethostname()}"


def _now(clock: Clock) -> int:
    return clock.wall() // 1_000


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


async def _sleep(clock: Clock, seconds: float) -> None:
    woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    timer = clock.call_later(seconds, partial(_wake, woken))
    try:
        await woken
    finally:
        timer.cancel()
