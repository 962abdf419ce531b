"""Processes as consumers: events come as messages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from headwater.errors import HeadwaterError, SubscriptionClosed
from headwater.runtime.pid import Pid
from headwater.store.decoding import Unfold
from headwater.store.model import Recorded, StoredEvent
from headwater.store.subscription_owners import Membership, SubscriptionOwners
from headwater.store.subscription_parts import PartialAcknowledgements, is_whole, left_out


class Subscribed(msgspec.Struct, frozen=True):
    """The process has become a consumer. Comes before the first events.

    Attributes:
        subscription: what it acknowledges events with.
    """

    subscription: ProcessSubscription


class EventsArrived(msgspec.Struct, frozen=True):
    """Events for the process.

    Attributes:
        subscription: what it acknowledges them with.
        events: in order, at least one; decoded if the process wanted that.
    """

    subscription: ProcessSubscription
    events: tuple[Recorded, ...]


class SubscriptionEnded(msgspec.Struct, frozen=True):
    """No more events come.

    Attributes:
        subscription: which one.
        error: why; None when the store was closed.
    """

    subscription: ProcessSubscription
    error: HeadwaterError | None


class ProcessSubscription:
    """A process's part in a named subscription. Made by `EventStore.subscribe_process`.

    Events come as `EventsArrived` to the process's `handle_info`, never more than `max_unacknowledged` before it
    acknowledges some; they come in whatever its mailbox holds already. When the process ends, what it had not
    acknowledged goes to other consumers before anybody hears of its end.

    Args:
        owners: the store's subscriptions.
        pid: the process.
        name: the subscription's name.
        unfold: makes of stored events what is delivered.
    """

    def __init__(self, owners: SubscriptionOwners, pid: Pid[object], name: str, unfold: Unfold[Recorded]) -> None:
        self.name: Final = name
        self.pid: Final = pid
        self._owners: Final = owners
        self._unfold: Final = unfold
        self._parts: Final = PartialAcknowledgements()
        self._member: Membership | None = None
        self._early: list[StoredEvent] = []

    # --- for the process ---------------------------------------------------------------------------------------

    def ack(self, event: Recorded) -> None:
        """Say that an event is done. Can be called from any method of the process, sync or async.

        Raises:
            NotDelivered: it was not delivered to this process. Nothing was acknowledged.
            AlreadyAcknowledged: it was acknowledged before.
            SubscriptionClosed: the process has left, or the subscription has ended.
        """
        self.ack_many((event,))

    def ack_many(self, events: Iterable[Recorded]) -> None:
        """Say that events are done, in any order; all of them or, if it raises, none.

        A stored event of which upcasters have made several is done when all of these are.

        Raises:
            NotDelivered, AlreadyAcknowledged, SubscriptionClosed: see `ack`.
        """
        member, events = self._joined(), list(events)
        done = self._parts.complete(events)
        if done:
            member.owner.acknowledge(member.number, done)
        self._parts.note(events, done)

    def ack_up_to(self, event: Recorded) -> None:
        """Say that an event is done, and all that were delivered to this process before it.

        Of several parts that upcasters have made of one event only the last one counts.

        Raises:
            NotDelivered, AlreadyAcknowledged, SubscriptionClosed: see `ack`.
        """
        member = self._joined()
        if is_whole(event):
            member.owner.acknowledge_up_to(member.number, event.stored)

    async def leave(self) -> None:
        """Get no more events; the last consumer waits until the checkpoint is written. Harmless when it has left."""
        member = self._unbind()
        if member is not None:
            await self._owners.leave(member)

    # --- what the store calls ----------------------------------------------------------------------------------

    def bind(self, member: Membership) -> None:
        """It has become a consumer. Used once, by the store."""
        self._member = member
        process = self.pid.process
        if not process.alive:
            self._release()
            return
        process.cleanups = [*(process.cleanups or ()), self._release]
        process.inform(Subscribed(self))
        early, self._early = self._early, []
        if early:
            self.deliver(early)

    def deliver(self, events: Sequence[StoredEvent]) -> None:
        """Send events to the process. They are bounded by what it may have unacknowledged, and so always find room."""
        if self._member is None:
            self._early.extend(events)
            return
        unfolded = tuple(self._unfold(events))
        if unfolded:
            self.pid.process.inform(EventsArrived(self, unfolded))
        gone = left_out(events, unfolded)
        if gone:  # not now: it is the owner that is delivering
            asyncio.get_running_loop().call_soon(self._leave_out, gone)

    def end(self, error: HeadwaterError | None) -> None:
        """Tell the process that no more come."""
        if self._unbind() is not None:
            self.pid.process.inform(SubscriptionEnded(self, error))

    # --- inside ------------------------------------------------------------------------------------------------

    def _leave_out(self, gone: Sequence[StoredEvent]) -> None:
        """Acknowledge what upcasters have left nothing of."""
        if self._member is not None:
            self._member.owner.acknowledge(self._member.number, gone)

    def _release(self) -> None:
        """The process ends."""
        member, self._member = self._member, None
        if member is not None:
            self._owners.leave_soon(member)

    def _unbind(self) -> Membership | None:
        member, self._member = self._member, None
        cleanups = self.pid.process.cleanups
        if cleanups is not None and self._release in cleanups:
            cleanups.remove(self._release)
        return member

    def _joined(self) -> Membership:
        if self._member is None:
            raise SubscriptionClosed(f"{self.pid.label} is no consumer of subscription {self.name!r}")
        return self._member
