"""SubscriptionSource: a named subscription as a pipeline's source."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from contextlib import AsyncExitStack
from typing import Final

from headwater.pipeline.source import Delivery, Feed
from headwater.store.decoding import OnUndecodable
from headwater.store.model import Recorded
from headwater.store.query import EventQuery
from headwater.store.subscribing import SubscribingStore
from headwater.store.subscription import EventSubscription
from headwater.store.subscription_start import Start, StartFrom


class SubscriptionSource:
    """A source of the events of a store, whose checkpoint the store keeps.

        pipeline = Mailer(SubscriptionSource(store, "mailer", query=store.query(Ordered)))

    Events come in the order of the log, each at least once: what the pipeline had not acknowledged comes again when
    its source stage dies, when it is stopped and started, and after a restart of the program. They may be
    acknowledged in any order; the checkpoint stays below the lowest one that isn't. When the pipeline stops, the
    checkpoint is written and the lease given back.

    It is open once at a time. A second pipeline of the same source, like another program, waits until the first one
    has stopped. Another source of the same name and store fails with `TooManyConsumers`.

    A successor of a dead source stage begins when its predecessor has given the subscription back, which takes one
    write, however long the lease is. If the subscription is lost, reset or deleted, or the log can't be read, the
    source stage ends with that error, and its successor opens it anew. When the store is closed, the source is over;
    what is acknowledged after that comes again. So stop the pipeline first.

    Args:
        store: where the events are.
        name: the subscription's name.
        stream: only the events of this stream.
        query: only what it means.
        start_from: where to begin if the name is new.
        max_unacknowledged: how many events may be read and not acknowledged, those included that wait for the
            pipeline. With fewer than its processors and batchers hold, batches aren't full before their timeout.
        checkpoint_every: a checkpoint is written after so many acknowledgements …
        checkpoint_within: … or so many seconds. What is acknowledged and not written down comes again only if the
            whole program dies.
        lease: for how many seconds no other program can have it if this one dies.
        wait: for how many seconds to wait while another program has it; None waits as long as it takes.
        undecodable: `raise`: an event that can't be decoded ends the source stage, again and again, and so the
            pipeline. `keep`: it comes as `Undecoded`, for `handle_message` to fail it.
        entered: is given the subscription each time that it was entered.

    Raises:
        InvalidSubscription: the name, the start or an option isn't possible.
    """

    def __init__(
        self,
        store: SubscribingStore,
        name: str,
        *,
        stream: str | None = None,
        query: EventQuery | None = None,
        start_from: StartFrom = Start.ORIGIN,
        max_unacknowledged: int = 10_000,
        checkpoint_every: int = 1_000,
        checkpoint_within: float = 1.0,
        lease: float = 30.0,
        wait: float | None = None,
        undecodable: OnUndecodable = "raise",
        entered: Callable[[EventSubscription[Recorded]], None] | None = None,
    ) -> None:
        def consumer() -> EventSubscription[Recorded]:
            return store.subscription(
                name,
                stream=stream,
                query=query,
                start_from=start_from,
                max_unacknowledged=max_unacknowledged,
                checkpoint_every=checkpoint_every,
                checkpoint_within=checkpoint_within,
                lease=lease,
                wait=wait,
                undecodable=undecodable,
            )

        consumer()  # raises if it can't be
        self._consumer: Final = consumer
        self._entered: Final = entered
        self._one_at_a_time: Final = asyncio.Lock()

    async def open(self) -> Feed[Recorded]:
        """Go on from the checkpoint, when whoever had it before has given it back.

        Raises:
            SubscriptionTaken: another program had it all the time.
            TooManyConsumers: something else in this program consumes it.
            InvalidSubscription: it reads another stream.
            StoreClosed, StoreReadOnly, StorageFailed: like an append.
        """
        async with AsyncExitStack() as held:
            await held.enter_async_context(self._one_at_a_time)
            subscription = await held.enter_async_context(self._consumer())
            if self._entered is not None:
                self._entered(subscription)
            return _SubscriptionFeed(subscription, held.pop_all())


class _SubscriptionFeed(Feed[Recorded]):
    """A subscription that was entered. It takes acknowledgements in any order itself, so nothing is kept here."""

    def __init__(self, subscription: EventSubscription[Recorded], held: AsyncExitStack) -> None:
        self._subscription = subscription
        self._held = held

    async def fetch(self, demand: int) -> Sequence[Delivery[Recorded]]:
        return [Delivery(event) for event in await self._subscription.take(demand)]

    async def acknowledge(
        self, reference: Hashable, successful: Sequence[Delivery[Recorded]], failed: Sequence[Delivery[Recorded]]
    ) -> None:
        await self._subscription.ack_many([delivery.item for delivery in (*successful, *failed)])

    async def close(self) -> None:
        await self._held.aclose()
