"""The facade's subscriptions: transient ones, and named ones that remember how far they have got."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from operator import attrgetter
from typing import Final, Literal, overload

import msgspec

from headwater.clock import Clock
from headwater.codec import Codec
from headwater.errors import InvalidSubscription
from headwater.runtime.pid import Pid
from headwater.store.adapter import StoreAdapter
from headwater.store.decoding import OnUndecodable
from headwater.store.following import FollowingStore
from headwater.store.model import Recorded, StoredEvent
from headwater.store.query import EventQuery
from headwater.store.reading import PAGE
from headwater.store.subscription import EventSubscription
from headwater.store.subscription_adapter import Checkpoint
from headwater.store.subscription_info import SubscriptionInfo
from headwater.store.subscription_options import PartitionKey, SubscriptionOptions, check_name
from headwater.store.subscription_owners import Entry, SubscriptionOwners
from headwater.store.subscription_process import ProcessSubscription
from headwater.store.subscription_start import Start, StartFrom, check_start, end_of, place_of
from headwater.telemetry import Telemetry


class SubscribingStore(FollowingStore):
    """Delivers events. See `EventStore`."""

    def __init__(
        self,
        adapter: StoreAdapter,
        codec: Codec,
        *,
        clock: Clock | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        super().__init__(adapter, codec, clock=clock, telemetry=telemetry)
        self._subscriptions: Final = SubscriptionOwners(self)

    async def subscribe(
        self,
        after: StartFrom = Start.ORIGIN,
        stream: str | None = None,
        *,
        query: EventQuery | None = None,
        undecodable: OnUndecodable = "raise",
    ) -> AsyncGenerator[Recorded, None]:
        """The events behind a place, then those to come, decoded. Nothing is remembered and nothing acknowledged.

        Each event comes once, in order, none is left out. The next page is read when the last one was taken: who is
        slow reads later and holds no more than a page. Ends when the store is closed. `follow` gives the same, raw
        and page by page.

        Args:
            after: where to begin; a `Start` and a moment are looked up when the first event is asked for.
            stream: only the events of this stream; `after` is a version then.
            query: only what it means; the store looks for it.
            undecodable: `raise`, or `keep`: an event that can't be decoded then comes as `Undecoded`.

        Raises:
            InvalidSubscription: it can't begin there, or none can be called so.
            UnknownType, Undecodable: see `read_all`.
            StoreClosed, StorageFailed: see `follow`.
        """
        check_start(after)
        place = await place_of(self, stream, after)
        unfold = self._unfolding(query, undecodable)
        async with aclosing(self.follow(place, stream, query=self.as_stored(query))) as pages:
            async for page in pages:
                for event in unfold(page):
                    yield event

    @overload
    def subscription(
        self,
        name: str,
        *,
        stream: str | None = None,
        query: EventQuery | None = None,
        start_from: StartFrom = Start.ORIGIN,
        max_unacknowledged: int = 100,
        max_consumers: int = 1,
        partition_by: PartitionKey | None = None,
        checkpoint_every: int = 100,
        checkpoint_within: float = 1.0,
        lease: float = 30.0,
        wait: float | None = None,
        undecodable: OnUndecodable = "raise",
        raw: Literal[False] = False,
    ) -> EventSubscription[Recorded]: ...

    @overload
    def subscription(
        self,
        name: str,
        *,
        stream: str | None = None,
        query: EventQuery | None = None,
        start_from: StartFrom = Start.ORIGIN,
        max_unacknowledged: int = 100,
        max_consumers: int = 1,
        partition_by: PartitionKey | None = None,
        checkpoint_every: int = 100,
        checkpoint_within: float = 1.0,
        lease: float = 30.0,
        wait: float | None = None,
        raw: Literal[True],
    ) -> EventSubscription[StoredEvent]: ...

    def subscription(
        self,
        name: str,
        *,
        stream: str | None = None,
        query: EventQuery | None = None,
        start_from: StartFrom = Start.ORIGIN,
        max_unacknowledged: int = 100,
        max_consumers: int = 1,
        partition_by: PartitionKey | None = None,
        checkpoint_every: int = 100,
        checkpoint_within: float = 1.0,
        lease: float = 30.0,
        wait: float | None = None,
        undecodable: OnUndecodable = "raise",
        raw: bool = False,
    ) -> EventSubscription[Recorded] | EventSubscription[StoredEvent]:
        """A consumer of a named subscription, whose checkpoint the store keeps. To be used in `async with`.

        Only one process at a time consumes a subscription; it holds a lease, and another one that enters waits for
        it. Within one store, several consumers may enter under one name, with the same options.

        Args:
            name: 1 to 255 printable characters.
            stream: the stream to read; the whole log by default. Fixed for the life of the name.
            query: only what it means. May differ from the last time; what was passed over then stays so.
            start_from: where to begin if the name is new; otherwise it goes on from its checkpoint.
            max_unacknowledged: how many events a consumer may have without having acknowledged them.
            max_consumers: how many consumers there may be at a time.
            partition_by: the key of an event: events of one key are handled in order, also by several consumers.
            checkpoint_every: a checkpoint is written after so many acknowledgements …
            checkpoint_within: … or so many seconds after the first one that isn't written down. What is acknowledged
                and not written down comes again after a crash.
            lease: for how many seconds nobody else can have the subscription if this process dies. Renewed by itself.
                With SQLite, whoever opens the store for writing after that has it at once.
            wait: for how many seconds to wait, on entering, while another process has it; 0 refuses at once, None
                waits as long as it takes.
            undecodable: `raise`, or `keep`: an event that can't be decoded then comes as `Undecoded`.
            raw: give events as they lie in the log.

        Raises:
            InvalidSubscription: the name, the start or an option isn't possible; or, on entering, it doesn't fit
                the consumers that are there or the stream of the last time.
            SubscriptionTaken: on entering: another process had it all the time.
            TooManyConsumers: on entering: there are as many as may be.
            StoreClosed, StoreReadOnly, StorageFailed: on entering: as for an append.
        """
        options = SubscriptionOptions(
            name=name,
            stream=stream,
            query=query if raw else self.as_stored(query),
            max_unacknowledged=max_unacknowledged,
            max_consumers=max_consumers,
            partition_by=partition_by,
            checkpoint_every=checkpoint_every,
            checkpoint_within=checkpoint_within,
            lease=lease,
        )
        entry = _checked(Entry(options, start_from, wait))
        if raw:
            return EventSubscription[StoredEvent](self._subscriptions, entry, iter, _same)
        return EventSubscription[Recorded](
            self._subscriptions,
            entry,
            self._unfolding(query, undecodable),
            attrgetter("stored"),
            upcasts=any(True for _ in self.codec.upcasters),
        )

    async def subscribe_process(
        self,
        pid: Pid[object],
        options: SubscriptionOptions,
        *,
        start_from: StartFrom = Start.ORIGIN,
        wait: float | None = None,
    ) -> ProcessSubscription:
        """Make a process a consumer of a named subscription: it gets `Subscribed`, then `EventsArrived` messages.

        An event that can't be decoded comes as `Undecoded`. The process leaves by itself when it ends: what it had
        not acknowledged goes to other consumers before anybody hears of its end.

        Args:
            pid: the process.
            options: see `subscription`.
            start_from: see `subscription`.
            wait: see `subscription`.

        Raises:
            InvalidSubscription, SubscriptionTaken, TooManyConsumers, StoreClosed, StoreReadOnly, StorageFailed: see
                `subscription`.
        """
        unfold = self._unfolding(options.query, "keep")
        options = msgspec.structs.replace(options, query=self.as_stored(options.query))
        entry = _checked(Entry(options, start_from, wait))
        consumer = ProcessSubscription(self._subscriptions, pid, options.name, unfold)
        consumer.bind(await self._subscriptions.join(entry, consumer))
        return consumer

    async def subscription_info(self, name: str) -> SubscriptionInfo | None:
        """What is known of a named subscription; None when there is none.

        Raises:
            InvalidSubscription: none can be called so.
            StoreClosed, StorageFailed: see `page`.
        """
        check_name(name)
        kept = await self.adapter.subscriptions.find(name)
        return None if kept is None else await self._info(kept)

    async def subscriptions(self, after: str = "") -> AsyncGenerator[SubscriptionInfo, None]:
        """All named subscriptions above a name, in the order of their names' UTF-8 bytes.

        Raises:
            StoreClosed, StorageFailed: see `page`.
        """
        if after:
            check_name(after)
        while page := await self.adapter.subscriptions.list(after, PAGE):
            for kept in page:
                yield await self._info(kept)
            after = page[-1].name

    async def reset_subscription(
        self, name: str, to: StartFrom = Start.ORIGIN, *, force: bool = False
    ) -> SubscriptionInfo:
        """Let a named subscription go on from another place, forwards or back.

        Args:
            name: its name.
            to: the new place.
            force: also while somebody consumes it: the consumers get `SubscriptionLost`, and those that enter again
                begin at the new place.

        Raises:
            InvalidSubscription: it can't begin there, or none can be called so.
            SubscriptionNotFound: there is no such subscription.
            SubscriptionTaken: somebody consumes it, and `force` is false. Nothing was changed.
            StoreClosed, StoreReadOnly, StorageFailed: see `append`.
        """
        check_name(name)
        check_start(to)
        kept = await self.adapter.subscriptions.find(name)
        place = 0 if kept is None else await place_of(self, kept.stream, to)
        changed = await self.adapter.subscriptions.reset(name, place, self._now(), force=force)
        self._subscriptions.lose(name)
        return await self._info(changed)

    async def delete_subscription(self, name: str, *, force: bool = False) -> None:
        """Forget a named subscription. Who enters under its name again begins anew.

        Args:
            name: its name.
            force: also while somebody consumes it: the consumers get `SubscriptionLost`.

        Raises:
            InvalidSubscription, SubscriptionNotFound, SubscriptionTaken: see `reset_subscription`.
            StoreClosed, StoreReadOnly, StorageFailed: see `append`.
        """
        check_name(name)
        await self.adapter.subscriptions.delete(name, self._now(), force=force)
        self._subscriptions.lose(name)

    async def _info(self, kept: Checkpoint) -> SubscriptionInfo:
        owner = self._subscriptions.find(kept.name)
        machine = None if owner is None else owner.machine
        return SubscriptionInfo(
            name=kept.name,
            stream=kept.stream,
            checkpoint=kept.place,
            lag=max(0, await end_of(self, kept.stream) - kept.place),
            owner=None if kept.is_free(self._now()) else kept.owner,
            phase=None if machine is None else machine.phase,
            consumers=0 if machine is None else machine.consumers,
            unacknowledged=0 if machine is None else machine.unacknowledged,
        )

    def _now(self) -> int:
        return self.clock.wall() // 1_000


def _checked(entry: Entry) -> Entry:
    entry.options.check()
    check_start(entry.start)
    if entry.wait is not None and not entry.wait >= 0:
        raise InvalidSubscription(f"wait is a number of seconds from 0, or None for ever, not {entry.wait!r}")
    return entry


def _same(event: StoredEvent) -> StoredEvent:
    return event
