"""The side of a stage that takes events: its subscriptions to producers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

from headwater.errors import ProducerDown, StageError, StageNotSubscribed, SubscriptionRefused
from headwater.runtime.exits import Reason, describe, is_abnormal
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process
from headwater.runtime.reply import Deferred
from headwater.stages.emitter import Emitter
from headwater.stages.messages import Ask, Cancel, Cancelled, Events, StageSubscription, Subscribe, Subscribed
from headwater.stages.options import SubscribeOptions
from headwater.stages.stage import deliver, unwatch, watch
from headwater.stages.steps import Steps

In = TypeVar("In")

_log: Final = logging.getLogger("headwater.stages")


class Taking(Protocol):
    """What the user's stage says about the events that it takes."""

    def handle_subscribe(self, subscription: StageSubscription) -> object:
        """A producer has accepted."""

    def handle_cancel(self, subscription: StageSubscription, reason: Reason) -> object:
        """A subscription has ended."""

    def stop(self, reason: Reason) -> None:
        """End the stage."""


class Source(Generic[In]):
    """A subscription as its consumer knows it.

    Attributes:
        subscription: which.
        options: on what terms.
        window: what it asks for.
        waiting: who waits for the producer's answer; None when it has come.
        watch: the number of the watch over the producer.
        replaced: whether the stage has subscribed anew, so that the end of this subscription means nothing.
        over: whether asking is in vain.
    """

    __slots__ = ("options", "over", "replaced", "subscription", "waiting", "watch", "window")

    def __init__(
        self,
        subscription: StageSubscription,
        options: SubscribeOptions[In],
        waiting: Deferred[StageSubscription] | None,
    ) -> None:
        self.subscription = subscription
        self.options = options
        self.window = options.window()
        self.waiting = waiting
        self.watch = 0
        self.replaced = False
        self.over = False

    def handled(self, count: int) -> None:
        """So many events were handled: ask for more, if it is time."""
        ask = self.window.handled(count)
        if ask and not self.over and self.options.mode == "automatic":
            deliver(self.subscription.producer, Ask(self.subscription, ask))

    def batch(self, events: list[In], start: int) -> list[In]:
        """The events from `start` on that are to be handled at once: with manual demand, all of them."""
        size = self.window.batch_size if self.options.mode == "automatic" else len(events)
        return events if not start and size >= len(events) else events[start : start + size]


class Inflow(Generic[In]):
    """Takes the messages of producers.

    Args:
        stage: the user's stage.
        cell: its process.
        arrived: what to do with events.
        ended: what to do with the end of a subscription that was accepted.
    """

    def __init__(
        self,
        stage: Taking,
        cell: Process,
        arrived: Callable[[Source[In], list[In]], Steps | None],
        ended: Callable[[Cancelled], Steps | None],
    ) -> None:
        self._stage = stage
        self._cell = cell
        self._arrived = arrived
        self._ended = ended
        self._sources: dict[int, Source[In]] = {}

    @property
    def subscriptions(self) -> list[StageSubscription]:
        """The subscriptions that have not ended, oldest first."""
        return [source.subscription for source in self._sources.values() if not source.replaced]

    def subscribe(
        self,
        producer: Pid[Emitter[In]],
        options: SubscribeOptions[In],
        waiting: Deferred[StageSubscription] | None = None,
    ) -> StageSubscription:
        """Subscribe, and ask at once if the stage asks by itself.

        Args:
            producer: to whom.
            options: on what terms.
            waiting: who wants to know whether the producer accepts. Without it a refusal is like any other end of a
                subscription.

        Raises:
            SubscriptionRefused: it is no producer, or this stage itself.
            ProducerDown: the producer is dead.
        """
        check_producer(producer, Pid(self._cell))
        subscription = StageSubscription(producer, Pid(self._cell), next(self._cell.node.numbers))
        source = self._sources[subscription.number] = Source(subscription, options, waiting)
        source.watch = watch(self._cell, producer, partial(Cancelled, subscription))
        deliver(producer, Subscribe(subscription, options))
        if options.mode == "automatic":
            deliver(producer, Ask(subscription, options.max_demand))
        return subscription

    def replace(
        self,
        old: StageSubscription,
        producer: Pid[Emitter[In]],
        options: SubscribeOptions[In],
        reason: Reason,
        waiting: Deferred[StageSubscription] | None = None,
    ) -> StageSubscription:
        """Cancel a subscription whose end then means nothing to the stage, and subscribe anew.

        Raises:
            StageNotSubscribed: there is no such subscription, or no longer.
            SubscriptionRefused, ProducerDown: as `subscribe` does. The old one stays.
        """
        source = self._sources.get(old.number)
        if source is None or source.over:
            raise StageNotSubscribed(f"{self._cell.label} has no subscription {old.number}, or no longer")
        check_producer(producer, Pid(self._cell))
        source.replaced = source.over = True
        deliver(old.producer, Cancel(old, reason))
        return self.subscribe(producer, options, waiting)

    def react(self, message: object) -> Steps | None:
        """What a message makes the stage do."""
        if type(message) is Events:
            source = self._sources.get(message.subscription.number)
            if source is not None:
                return self._arrived(source, message.events)
            _log.error("%s got %d events of a subscription that has ended", self._cell.label, len(message.events))
        elif type(message) is Subscribed:
            return self._accepted(message.subscription)
        elif type(message) is Cancelled:
            return self._cancelled(message)
        else:
            _log.error("%s got a stage message that it has no use for: %r", self._cell.label, message)
        return None

    def close(self, message: Cancelled) -> Steps:
        """End a subscription, and the stage if its terms say so."""
        source = self._sources.pop(message.subscription.number)
        yield self._stage.handle_cancel(source.subscription, message.reason)
        mode = source.options.cancel
        if not source.replaced and (mode == "permanent" or (mode == "transient" and is_abnormal(message.reason))):
            self._stage.stop(message.reason)

    def _accepted(self, subscription: StageSubscription) -> Steps | None:
        source = self._sources.get(subscription.number)
        if source is None:
            return None
        waiting, source.waiting = source.waiting, None
        if waiting is not None:
            waiting.reply(subscription)
        return self._welcome(subscription)

    def _welcome(self, subscription: StageSubscription) -> Steps:
        yield self._stage.handle_subscribe(subscription)

    def _cancelled(self, message: Cancelled) -> Steps | None:
        source = self._sources.get(message.subscription.number)
        if source is None or not source.watch:
            return None
        unwatch(self._cell, message.subscription.producer, source.watch)
        source.watch = 0
        source.over = True
        if source.waiting is None:
            return self._ended(message)
        del self._sources[message.subscription.number]
        source.waiting.fail(_refusal(message))
        return None


def check_producer(producer: Pid[Emitter[In]], consumer: Pid[object]) -> None:
    """Look at a producer before subscribing.

    Raises:
        SubscriptionRefused: it is no producer, or the consumer itself.
        ProducerDown: it is dead.
    """
    server = producer.process.server
    if not isinstance(server, Emitter):
        raise SubscriptionRefused(f"{producer.label} is no producer, but a {type(server).__qualname__}")
    if producer == consumer:
        raise SubscriptionRefused(f"{producer.label} can't subscribe to itself")
    if not producer.alive:
        raise _dead(producer, producer.process.reason)


def _refusal(message: Cancelled) -> StageError:
    reason = message.reason
    return reason if isinstance(reason, StageError) else _dead(message.subscription.producer, reason)


def _dead(producer: Pid[object], reason: Reason | None) -> ProducerDown:
    why = "" if reason is None else f" ({describe(reason)})"
    return ProducerDown(f"{producer.label} has ended{why}; nobody can subscribe to it", reason=reason)
