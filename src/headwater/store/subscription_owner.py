"""The side of a subscription that does things: reads pages, delivers, writes checkpoints, keeps the lease."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from operator import attrgetter
from typing import Final, Protocol

from headwater.clock import Timer
from headwater.errors import (
    HeadwaterError,
    StoreError,
    SubscriptionClosed,
    SubscriptionError,
    SubscriptionLost,
    TooManyConsumers,
)
from headwater.store.following import FollowingStore
from headwater.store.model import StoredEvent
from headwater.store.page import Selection
from headwater.store.subscription_fsm import SubscriptionMachine
from headwater.store.subscription_lease import Lease
from headwater.store.subscription_options import SubscriptionOptions
from headwater.store.subscription_output import Deliver, Output, Read, Release, StartTimer, WriteCheckpoint
from headwater.store.subscription_start import end_of
from headwater.telemetry import SpanName

CHECKPOINT: Final = SpanName("headwater", "store", "checkpoint")
"""One checkpoint written. Metadata: subscription, place."""

_log: Final = logging.getLogger("headwater.store")

Outputs = Sequence[Output[StoredEvent]]


class Receiver(Protocol):
    """A consumer, as far as the owner has to know it."""

    def deliver(self, events: Sequence[StoredEvent]) -> None:
        """Take events. Never blocks; they are not more than it may have."""

    def end(self, error: HeadwaterError | None) -> None:
        """No more events come: because of an error, or because the store is closed."""


class SubscriptionOwner:
    """Runs the state machine of one subscription in the process that owns it.

    It has a task only while a page is read or a checkpoint is written; an idle subscription is a watcher and a timer.

    Args:
        store: where the events are.
        options: how it shall work.
        lease: the right to do it.
        ended: called once, when it has ended for whatever reason.
    """

    def __init__(
        self,
        store: FollowingStore,
        options: SubscriptionOptions,
        lease: Lease,
        ended: Callable[[SubscriptionOwner], None],
    ) -> None:
        self.options: Final = options
        self._store: Final = store
        self._lease: Final = lease
        self._ended: Final = ended
        place_of = attrgetter("position" if options.stream is None else "version")
        self.machine: Final = SubscriptionMachine[StoredEvent](
            lease.place, options.limits, place_of, options.partition_by
        )
        self._place_of: Final[Callable[[StoredEvent], int]] = place_of
        self._receivers: Final[dict[int, Receiver]] = {}
        self._numbers = 0
        self._tasks: Final[set[asyncio.Task[None]]] = set()
        self._writing: asyncio.Task[None] | None = None
        self._write_error: StoreError | None = None
        self._closing: asyncio.Task[None] | None = None
        self._timer: Timer | None = None
        self._floor_watchers: Final[list[Callable[[], None]]] = []
        self._floor = lease.place
        self._unwatch = store.watch(self._wake)
        self._renewal: Timer = store.clock.call_later(lease.renew_after, self._renew)
        self._obey(self.machine.start())

    # --- consumers ---------------------------------------------------------------------------------------------

    @property
    def open(self) -> bool:
        """Whether a consumer can join."""
        return self._closing is None

    def join(self, receiver: Receiver) -> int:
        """Deliver to one more consumer. Returns its number.

        Raises:
            TooManyConsumers: there are as many as there may be.
        """
        most = self.options.max_consumers
        if len(self._receivers) >= most:
            raise TooManyConsumers(
                f"subscription {self.options.name!r} has {len(self._receivers)} consumers, as many as it may have; "
                "raise max_consumers to have more"
            )
        self._numbers += 1
        self._receivers[self._numbers] = receiver
        self._obey(self.machine.join(self._numbers))
        return self._numbers

    def leave(self, number: int) -> bool:
        """Deliver to a consumer no more, and give what it had to others. Returns whether it was the last one."""
        if self._receivers.pop(number, None) is None:
            return False
        self._obey(self.machine.leave(number))
        return not self._receivers

    def acknowledge(self, number: int, events: Sequence[StoredEvent]) -> None:
        """A consumer has done with events.

        Raises:
            NotDelivered, AlreadyAcknowledged: see `SubscriptionMachine.acknowledge`.
        """
        self._obey(self.machine.acknowledge(number, events))

    def acknowledge_up_to(self, number: int, event: StoredEvent) -> None:
        """A consumer has done with an event and with all that it was given before.

        Raises:
            NotDelivered, AlreadyAcknowledged: see `SubscriptionMachine.acknowledge`.
        """
        self._obey(self.machine.acknowledge_up_to(number, event))

    async def flush(self) -> None:
        """Wait until everything that is acknowledged now is written down as far as it can be.

        Raises:
            SubscriptionLost: somebody else has the subscription.
            SubscriptionClosed: it has ended meanwhile.
            StorageFailed: it could not be written.
        """
        wanted = self.machine.floor
        while self.machine.checkpoint < wanted:
            self._obey(self.machine.checkpoint_due())
            if self._writing is None or self._closing is not None:
                raise SubscriptionClosed(f"subscription {self.options.name!r} has ended")
            await asyncio.shield(self._writing)
            if self._write_error is not None:
                raise self._write_error

    def watch_floor(self, risen: Callable[[], None]) -> None:
        """Call `risen` whenever the floor has risen, as long as the subscription is owned."""
        self._floor_watchers.append(risen)

    # --- the end -----------------------------------------------------------------------------------------------

    async def close(self, error: HeadwaterError | None = None) -> None:
        """End: write the last checkpoint, give back the lease, tell the consumers. Harmless when it has ended.

        A caller that is cancelled leaves the closing to go on by itself.
        """
        self.begin_close(error)
        assert self._closing is not None  # noqa: S101 - it has just been begun
        await asyncio.shield(self._closing)

    def begin_close(self, error: HeadwaterError | None = None) -> None:
        """Like `close`, without waiting."""
        if self._closing is not None:
            return
        self._unwatch()
        self._renewal.cancel()
        if self._timer is not None:
            self._timer.cancel()
        for receiver in tuple(self._receivers.values()):
            receiver.end(error)
        self._closing = asyncio.get_running_loop().create_task(self._close(), name="headwater-subscription")

    def lose(self, error: HeadwaterError) -> None:
        """End without writing anything: somebody else has the subscription."""
        self.machine.lose()
        self.begin_close(error)

    async def _close(self) -> None:
        try:
            while self._writing is not None and not self._writing.done():
                await self._writing
            for output in self.machine.close():
                if isinstance(output, Release):
                    await self._lease.release(output.place)
        except StoreError as failure:
            _log.warning("subscription %r: the last checkpoint was not written: %s", self.options.name, failure)
        finally:
            self._ended(self)

    # --- what the machine wants --------------------------------------------------------------------------------

    def _obey(self, outputs: Outputs) -> None:
        for output in outputs:
            if isinstance(output, Deliver):
                self._receivers[output.consumer].deliver(output.events)
            elif isinstance(output, Read):
                self._spawn(self._read(output))
            elif isinstance(output, WriteCheckpoint):
                self._write_error = None
                self._writing = self._spawn(self._write(output.place))
            elif isinstance(output, StartTimer):
                self._timer = self._store.clock.call_later(self.options.checkpoint_within, self._timer_fired)
        if self._floor_watchers and self.machine.floor > self._floor:
            self._floor = self.machine.floor
            for risen in self._floor_watchers:
                risen()

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._guard(work), name="headwater-subscription")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guard(self, work: Coroutine[object, object, None]) -> None:
        """Whatever goes wrong ends the subscription, and its consumers hear of it."""
        try:
            await work
        except SubscriptionLost as error:
            self.lose(error)
        except HeadwaterError as error:
            self.begin_close(error)
        except Exception as error:  # noqa: BLE001 - the application's key function may raise anything
            failure = SubscriptionError(f"subscription {self.options.name!r} failed: {type(error).__name__}: {error}")
            failure.__cause__ = error
            self.begin_close(failure)

    async def _read(self, read: Read) -> None:
        stream, query = self.options.stream, self.options.query
        # Of a stream's page the store tells no head. What the stream had before the page was read is covered by it.
        end = await end_of(self._store, stream) if stream is not None else 0
        page = await self._store.page(Selection(stream, query, read.after), read.limit)
        more = len(page.events) == read.limit
        covered = self._place_of(page.events[-1]) if page.events else read.after
        if not more:
            covered = max(covered, end if stream is not None else page.head)
        self._obey(self.machine.page(page.events, covered, more=more))

    async def _write(self, place: int) -> None:
        try:
            with self._store.telemetry.span(CHECKPOINT, subscription=self.options.name, place=place):
                await self._lease.save(place)
        except StoreError as error:
            self._write_error = error
            self._writing = None
            if isinstance(error, SubscriptionLost) or self._lease.over:
                raise
            _log.warning("subscription %r: a checkpoint was not written: %s", self.options.name, error)
            self._obey(self.machine.checkpoint_failed())
        else:
            self._writing = None
            self._obey(self.machine.checkpoint_written())

    # --- what happens ------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        self._obey(self.machine.wake())

    def _timer_fired(self) -> None:
        self._obey(self.machine.timer_fired())

    def _renew(self) -> None:
        self._renewal = self._store.clock.call_later(self._lease.renew_after, self._renew)
        self._spawn(self._save_again())

    async def _save_again(self) -> None:
        try:
            await self._lease.save(self.machine.checkpoint)
        except SubscriptionLost:
            raise
        except StoreError as error:
            if self._lease.over:
                raise SubscriptionLost(f"the lease of {self.options.name!r} ended: it could not be renewed") from error
            _log.warning("subscription %r: its lease was not renewed: %s", self.options.name, error)
