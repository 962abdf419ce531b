"""Subscribing one stage to another, from outside of both."""

from __future__ import annotations

from typing import TypeVar, Unpack

from headwater.errors import SubscriptionRefused
from headwater.runtime.exits import Exit, Reason
from headwater.runtime.pid import Pid
from headwater.stages.emitter import Emitter
from headwater.stages.inflow import check_producer
from headwater.stages.messages import StageSubscription
from headwater.stages.options import SubscribeOptions, Terms
from headwater.stages.receiver import Receiver

E = TypeVar("E")


async def subscribe(
    consumer: Pid[Receiver[E]], producer: Pid[Emitter[E]], /, **terms: Unpack[Terms[E]]
) -> StageSubscription:
    """Subscribe a consumer to a producer, and wait until the producer has accepted.

        subscription = await subscribe(printer, numbers, max_demand=100)

    If it fails, both go on as if nothing had happened. A consumer asks at once, unless its `mode` is manual.

    Args:
        consumer: who wants events. How long the answer may take is up to its address; see `Pid.within`.
        producer: who gives them.
        terms: on what terms; see `SubscribeOptions`.

    Raises:
        InvalidDemand: a `max_demand` below 1, or a `min_demand` that isn't below it.
        SubscriptionRefused: the terms don't fit each other or the producer, or one of the two is no such stage. Its
            subclasses `UnknownPartition`, `PartitionTaken` and `AlreadySubscribed` are of the dispatchers.
        ProducerDown: the producer is dead, or died before it accepted.
        ProcessDown: the consumer is dead, or died.
        DeadlineExceeded: no answer in time; the subscription may still come about.
    """
    options = _checked(consumer, producer, terms)
    return await consumer.call(Receiver.join, producer, options)


def subscribe_soon(consumer: Pid[Receiver[E]], producer: Pid[Emitter[E]], /, **terms: Unpack[Terms[E]]) -> None:
    """Subscribe a consumer to a producer, without waiting.

    If the producer refuses, or dies first, that is like any other end of a subscription: the consumer's
    `handle_cancel` is told, and `cancel` decides what becomes of it.

    Raises:
        InvalidDemand, SubscriptionRefused, ProducerDown: as `subscribe` does, as far as it is known at once.
    """
    consumer.cast(Receiver.join_soon, producer, _checked(consumer, producer, terms))


async def resubscribe(
    old: StageSubscription,
    producer: Pid[Emitter[E]],
    /,
    reason: Reason = Exit.NORMAL,
    **terms: Unpack[Terms[E]],
) -> StageSubscription:
    """Replace a subscription by another one of the same consumer, and wait until the producer has accepted.

    The end of the old one has no consequences for the consumer. Events of it that are on their way are still handled.

    Args:
        old: the subscription that is to end.
        producer: of the new one; it may be the same.
        reason: why the old one ends, for its producer.
        terms: of the new one; see `SubscribeOptions`.

    Raises:
        StageNotSubscribed: the old one has ended already. Nothing was subscribed.
        InvalidDemand, SubscriptionRefused, ProducerDown, ProcessDown, DeadlineExceeded: as `subscribe` does. If the
            producer refuses, the old one has ended all the same.
    """
    consumer: Pid[Receiver[E]] = old.consumer  # type: ignore[assignment]  # whoever subscribes is one
    options = _checked(consumer, producer, terms)
    return await consumer.call(Receiver.rejoin, old, producer, options, reason)


def _checked(consumer: Pid[Receiver[E]], producer: Pid[Emitter[E]], terms: Terms[E]) -> SubscribeOptions[E]:
    if not isinstance(consumer.process.server, Receiver):
        raise SubscriptionRefused(f"{consumer.label} is no consumer")
    options = SubscribeOptions(**terms)
    check_producer(producer, consumer)
    return options
