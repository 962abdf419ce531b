"""The side of a stage that gives events: the process around an `Outlet`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

from headwater.errors import StageNotSubscribed, SubscriptionRefused
from headwater.runtime.exits import Exit, Reason, is_abnormal
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process
from headwater.stages.buffer import Buffer, Keep
from headwater.stages.dispatchers.dispatcher import Delivery, Dispatcher
from headwater.stages.messages import (
    Ask,
    Cancel,
    Cancelled,
    Departed,
    Events,
    Proceed,
    StageSubscription,
    Subscribe,
    Subscribed,
)
from headwater.stages.outlet import DemandForm, Outlet
from headwater.stages.stage import deliver, unwatch, watch
from headwater.stages.steps import Steps
from headwater.telemetry import SpanEvent, SpanName

Out = TypeVar("Out")

DISCARDED: Final = SpanName("headwater", "stages", "discarded")
"""Emitted, with phase `stop`, when events were discarded. Metadata: `process`; `count`; `reason`: `buffer full`, or
`ended` for a stage that ended with events that it had not passed on."""

_log: Final = logging.getLogger("headwater.stages")


class Giving(Protocol[Out]):
    """What the user's stage says about the events that it gives."""

    buffer_size: int
    buffer_keep: Keep
    demand_mode: DemandForm

    def dispatcher(self) -> Dispatcher[Out]:
        """Who gets what."""

    def handle_subscribe(self, subscription: StageSubscription) -> object:
        """A consumer has come."""

    def handle_cancel(self, subscription: StageSubscription, reason: Reason) -> object:
        """A consumer has left."""

    def handle_discarded(self, events: list[Out]) -> object:
        """Events were discarded."""


class Outflow(Generic[Out]):
    """Takes the messages of consumers, and sends them events.

    Args:
        stage: the user's stage.
        cell: its process.
        supply: what to do when there may be demand.
        marked: told of each message whose turn has come between the events.
        held: how many events the stage holds besides those that wait for demand.

    Attributes:
        discarded: how many events were discarded so far.
    """

    def __init__(
        self,
        stage: Giving[Out],
        cell: Process,
        supply: Callable[[], Steps | None],
        marked: Callable[[object], None],
        held: Callable[[], int],
    ) -> None:
        self._stage = stage
        self._cell = cell
        self._supply = supply
        self._marked = marked
        self._held = held
        self._consumers: dict[int, _Consumer] = {}
        self._outlet: Outlet[Out] | None = None
        self._woken = False
        self.discarded = 0
        if cell.cleanups is None:
            cell.cleanups = []
        cell.cleanups.append(self._report_lost)

    @property
    def outlet(self) -> Outlet[Out]:
        """What is owed and kept. Made when it is first needed, so that `init` may say how."""
        if self._outlet is None:
            stage = self._stage
            self._outlet = Outlet(stage.dispatcher(), Buffer(stage.buffer_size, stage.buffer_keep), stage.demand_mode)
        return self._outlet

    @property
    def subscriptions(self) -> list[StageSubscription]:
        """The subscriptions of the consumers, oldest first."""
        return [consumer.subscription for consumer in self._consumers.values()]

    def react(self, message: object) -> Steps | None:
        """What a message makes the stage do."""
        if type(message) is Ask:
            return self._ask(message)
        if type(message) is Subscribe:
            return self._subscribe(message)
        if isinstance(message, Cancel | Departed):
            return self._leave(message)
        if type(message) is Proceed:
            self._woken = False
            return self._supply()
        _log.error("%s got a stage message that it has no use for: %r", self._cell.label, message)
        return None

    def emit(self, events: Sequence[Out], *, bounded: bool = True) -> None:
        """Send events to the consumers that have asked; keep the others."""
        deliveries, discarded = self.outlet.emit(events if type(events) is list else list(events), bounded=bounded)
        self._send(deliveries)
        if discarded:
            self._discard(discarded)

    def mark(self, message: object) -> None:
        """Queue a message behind the events that wait."""
        self.outlet.mark(message)
        self._send([])

    def wake(self) -> None:
        """See soon whether there is demand."""
        if not self._woken:
            self._woken = True
            deliver(Pid(self._cell), Proceed())

    def send(self, deliveries: list[Delivery[Out]]) -> None:
        """Send what the dispatcher has given by itself, not in answer to a message or an event."""
        self._send(deliveries)

    def forgive(self) -> None:
        """Ask the stage anew for all that is wanted, whatever it was asked for before."""
        self.outlet.forgive()

    # --- messages of consumers -------------------------------------------------------------------------------

    def _ask(self, message: Ask) -> Steps | None:
        subscription = message.subscription
        if subscription.number not in self._consumers:
            _refuse(subscription, StageNotSubscribed(f"{self._cell.label} knows no subscription {subscription.number}"))
            return None
        self._send(self.outlet.ask(subscription.number, message.demand))
        return self._supply()

    def _subscribe(self, message: Subscribe[Any]) -> Steps | None:
        subscription = message.subscription
        try:
            remark = self.outlet.subscribe(subscription.number, subscription.consumer, message.options)
        except SubscriptionRefused as error:
            _refuse(subscription, error.with_traceback(None))
            return None
        if remark is not None:
            _log.warning("%s: %s", self._cell.label, remark)
        number = watch(self._cell, subscription.consumer, partial(Departed, subscription))
        self._consumers[subscription.number] = _Consumer(subscription, number)
        deliver(subscription.consumer, Subscribed(subscription))
        return self._welcome(subscription)

    def _welcome(self, subscription: StageSubscription) -> Steps:
        yield self._stage.handle_subscribe(subscription)

    def _leave(self, message: Cancel | Departed) -> Steps | None:
        subscription = message.subscription
        consumer = self._consumers.pop(subscription.number, None)
        if consumer is None:
            return None
        unwatch(self._cell, subscription.consumer, consumer.watch)
        deliver(subscription.consumer, Cancelled(subscription, message.reason))
        self._send(self.outlet.cancel(subscription.number))
        return self._bid_farewell(message)

    def _bid_farewell(self, message: Cancel | Departed) -> Steps:
        yield self._stage.handle_cancel(message.subscription, message.reason)
        steps = self._supply()
        if steps is not None:
            yield from steps

    # --- events ----------------------------------------------------------------------------------------------

    def _send(self, deliveries: list[Delivery[Out]]) -> None:
        consumers = self._consumers
        for key, events in deliveries:
            subscription = consumers[key].subscription
            deliver(subscription.consumer, Events(subscription, events))
        for message in self.outlet.due():
            self._marked(message)

    def _discard(self, events: list[Out]) -> None:
        self.discarded += len(events)
        self._tell(len(events), "buffer full")
        self._stage.handle_discarded(events)

    def _report_lost(self) -> None:
        lost = self._held() + (0 if self._outlet is None else self._outlet.buffered)
        if lost:
            level = logging.WARNING if is_abnormal(self._cell.reason or Exit.NORMAL) else logging.INFO
            _log.log(level, "%s has ended with %d events that it had not passed on", self._cell.label, lost)
            self._tell(lost, "ended")

    def _tell(self, count: int, reason: str) -> None:
        telemetry = self._cell.node.telemetry
        if telemetry.listening:
            said = {"process": self._cell.label, "count": count, "reason": reason}
            telemetry.emit(SpanEvent(DISCARDED, "stop", 0.0, said))


class _Consumer:
    """A consumer of this stage.

    Attributes:
        subscription: its subscription.
        watch: the number of the watch over its process.
    """

    __slots__ = ("subscription", "watch")

    def __init__(self, subscription: StageSubscription, number: int) -> None:
        self.subscription = subscription
        self.watch = number


def _refuse(subscription: StageSubscription, error: Exception) -> None:
    deliver(subscription.consumer, Cancelled(subscription, error))
