"""A consumer of a named subscription, for code that runs in a task: `async with`, `async for`, `ack`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from itertools import islice
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from headwater.errors import CodecError, HeadwaterError, SubscriptionClosed, SubscriptionError
from headwater.store.decoding import Unfold
from headwater.store.model import Recorded, StoredEvent
from headwater.store.subscription_limits import Phase
from headwater.store.subscription_owners import Entry, Membership, SubscriptionOwners
from headwater.store.subscription_parts import Counted, PartialAcknowledgements, is_whole, left_out

T = TypeVar("T", bound=Recorded | StoredEvent)

TURN: Final = 100
"""After so many events the event loop gets a turn, even if the consumer never waits for anything."""


class EventSubscription(Generic[T]):
    """One consumer of a named subscription. Made by `EventStore.subscription`; can be entered once.

        async with store.subscription("mailer") as events:
            async for event in events:
                await send_mail(event)
                await events.ack(event)

    Each event comes at least once: what was not acknowledged when the consumer left, failed or died comes again, to
    another consumer or to the next one that enters. Its position is what a handler can tell a repetition by. Events
    come in the order of the log; among several consumers, in the order of each key. At most `max_unacknowledged` are
    given before one has to be acknowledged.

    Leaving the block writes down what was acknowledged, and gives the lease back. The iteration ends when the store
    is closed. It raises when the subscription is lost or the log can't be read; nothing more comes then.

    Args:
        owners: the store's subscriptions.
        entry: which one, and how.
        unfold: makes of stored events what is given.
        stored: the reverse.
        upcasts: whether it may make several of one, or none. One of which it makes none is acknowledged by itself; one
            of which it makes several, when all of these are.
    """

    def __init__(
        self,
        owners: SubscriptionOwners,
        entry: Entry,
        unfold: Unfold[T],
        stored: Callable[[T], StoredEvent],
        *,
        upcasts: bool = False,
    ) -> None:
        self._upcasts: Final = upcasts
        self._parts: Final = PartialAcknowledgements()
        self._ready: Final[deque[T]] = deque()
        self._stored: Final[Callable[[T], StoredEvent]] = stored
        self._owners: Final = owners
        self._entry: Final = entry
        self._unfold: Final[Unfold[T]] = unfold
        self._queue: Final[deque[StoredEvent]] = deque()
        self._arrived: Final = asyncio.Event()
        self._member: Membership | None = None
        self._asked = 0
        self._entered = False
        self._ended = False
        self._error: HeadwaterError | None = None

    # --- coming and going --------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._entered:
            raise SubscriptionError(f"a subscription object is entered once; make another one for {self.name!r}")
        self._entered = True
        self._member = await self._owners.join(self._entry, self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        member, self._member = self._member, None
        self.end(None)
        if member is not None:
            await self._owners.leave(member)

    @property
    def name(self) -> str:
        """The subscription's name."""
        return self._entry.options.name

    @property
    def phase(self) -> Phase:
        """What the subscription is doing."""
        return self._joined().owner.machine.phase

    @property
    def floor(self) -> int:
        """Everything up to this place is done, by whichever consumer, written down or not."""
        return self._joined().owner.machine.floor

    def watch_floor(self, risen: Callable[[], None]) -> None:
        """Call `risen` whenever the floor has risen, until the subscription has ended. It must not raise."""
        self._joined().owner.watch_floor(risen)

    # --- events ------------------------------------------------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        """The next event.

        Raises:
            UnknownType, Undecodable: it can't be decoded. It stays the next one.
            SubscriptionLost: somebody else has the subscription now, or it was reset or deleted.
            SubscriptionClosed: the block was left.
            StorageFailed: the log could not be read.
        """
        self._asked += 1
        if self._asked % TURN == 0:
            await asyncio.sleep(0)
        if self._upcasts:
            await self._make_ready(1)
            return self._ready.popleft()
        if not self._queue:
            await self._wait()
        [event] = self._unfold((self._queue[0],))
        self._queue.popleft()
        return event

    async def take(self, most: int = 1_000) -> list[T]:
        """Wait until there are events, and take as many as are there. None when the store is closed.

        If one of them can't be decoded, those before it come first; it raises when it is the next one. A caller that
        is cancelled while it waits has taken none.

        Args:
            most: how many at most.

        Raises:
            UnknownType, Undecodable, SubscriptionLost, SubscriptionClosed, StorageFailed: like the iteration.
        """
        try:
            if self._upcasts:
                await self._make_ready(most)
                return [self._ready.popleft() for _ in range(min(most, len(self._ready)))]
            if not self._queue:
                await self._wait()
        except StopAsyncIteration:
            return []
        taken = self._decoded(most)
        for _ in taken:
            self._queue.popleft()
        return taken

    async def batches(self, size: int = 1_000) -> AsyncGenerator[list[T], None]:
        """The events, as many at a time as are there, at most `size`. No batch is empty.

        Raises:
            UnknownType, Undecodable, SubscriptionLost, SubscriptionClosed, StorageFailed: like the iteration.
        """
        while True:
            await asyncio.sleep(0)  # let the next page be read while this one is worked on
            batch = await self.take(size)
            if not batch:
                return
            yield batch

    # --- acknowledgements --------------------------------------------------------------------------------------

    async def ack(self, event: T) -> None:
        """Say that an event is done. It doesn't wait until that is written down; see `flush`.

        Raises:
            NotDelivered: it was not given to this consumer. Nothing was acknowledged.
            AlreadyAcknowledged: it was acknowledged before.
            SubscriptionLost: somebody else has the subscription now.
            SubscriptionClosed: the block was left, or never entered, or the store is closed.
        """
        self._acknowledge((event,))

    async def ack_many(self, events: Iterable[T]) -> None:
        """Say that events are done, in any order; all of them or, if it raises, none.

        Raises:
            NotDelivered, AlreadyAcknowledged, SubscriptionLost, SubscriptionClosed: see `ack`.
        """
        self._acknowledge(list(events))

    async def ack_up_to(self, event: T) -> None:
        """Say that an event is done, and all that were given to this consumer before it.

        Of several parts that upcasters have made of one event only the last one counts.

        Raises:
            NotDelivered, AlreadyAcknowledged, SubscriptionLost, SubscriptionClosed: see `ack`.
        """
        member = self._joined()
        if is_whole(event):
            member.owner.acknowledge_up_to(member.number, self._stored(event))

    async def flush(self) -> None:
        """Wait until what is acknowledged is written down, as far as no event before it is outstanding.

        Raises:
            SubscriptionLost, SubscriptionClosed: see `ack`.
            StorageFailed: it could not be written.
        """
        await self._joined().owner.flush()

    # --- what the owner calls ----------------------------------------------------------------------------------

    def deliver(self, events: Sequence[StoredEvent]) -> None:
        """Take events from the owner."""
        if not self._ended:
            self._queue.extend(events)
            self._arrived.set()

    def end(self, error: HeadwaterError | None) -> None:
        """Take no more events."""
        self._ended = True
        self._error = self._error or error
        self._ready.clear()
        self._queue.clear()  # nobody could acknowledge them
        self._arrived.set()

    # --- inside ------------------------------------------------------------------------------------------------

    async def _wait(self) -> None:
        """Until there is an event."""
        while not self._queue:
            if self._ended:
                self._raise_if_over()
                raise StopAsyncIteration
            self._joined()
            self._arrived.clear()
            await self._arrived.wait()

    def _decoded(self, most: int) -> list[T]:
        """The next events, up to one that can't be decoded."""
        decoded: list[T] = []
        try:
            for event in self._unfold(islice(self._queue, most)):
                decoded.append(event)  # noqa: PERF402 - what came before an error is kept
        except CodecError:
            if not decoded:
                raise
        return decoded

    async def _make_ready(self, most: int) -> None:
        """Until upcasters have left something to give."""
        while not self._ready:
            if not self._queue:
                await self._wait()
            self._unfold_next(most)

    def _unfold_next(self, most: int) -> None:
        """Unfold the next stored events, up to one that can't be decoded."""
        member, counted = self._joined(), Counted(self._queue, most)
        unfolded: list[T] = []
        try:
            for event in self._unfold(counted):
                unfolded.append(event)  # noqa: PERF402 - what came before an error is kept
        except CodecError:
            counted.taken.pop()
            if not counted.taken:
                raise
        for _ in counted.taken:
            self._queue.popleft()
        self._ready.extend(unfolded)
        gone = left_out(counted.taken, unfolded)
        if gone:
            member.owner.acknowledge(member.number, gone)

    def _acknowledge(self, events: Sequence[T]) -> None:
        member = self._joined()
        if not self._upcasts:
            member.owner.acknowledge(member.number, list(map(self._stored, events)))
            return
        done = self._parts.complete(events)
        if done:
            member.owner.acknowledge(member.number, done)
        self._parts.note(events, done)

    def _joined(self) -> Membership:
        self._raise_if_over()
        if self._member is None or self._ended:
            raise SubscriptionClosed(f"subscription {self.name!r} is not open here; use it inside `async with`")
        return self._member

    def _raise_if_over(self) -> None:
        if self._error is not None:
            raise self._error
        if self._entered and self._ended and self._member is None:
            raise SubscriptionClosed(f"subscription {self.name!r} was left")
