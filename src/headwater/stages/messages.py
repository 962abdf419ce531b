"""What producers and consumers say to each other.

A subscription is made by the consumer. From then on the two stages know it by its number, which no other subscription
of the system has. Messages of one stage to another arrive in the order in which they were sent.

**To the producer.**

- `Subscribe` MUST come first. The producer MUST answer with `Subscribed` or with `Cancelled`.
- `Ask` MAY follow at once, without waiting for the answer, and any number of times. The demands add up. A producer that
  doesn't know the subscription MUST answer with `Cancelled`.
- `Cancel` MAY come at any time, and from anybody who knows the subscription. The producer MUST answer the consumer with
  `Cancelled`, and MUST NOT send it any events afterwards.

**To the consumer.**

- `Subscribed`: the producer has accepted.
- `Events`: the producer MUST NOT have sent more events than were asked for, MUST NOT send an empty list, and MUST NOT
  touch the list afterwards. The consumer SHOULD ask for more before it has run dry.
- `Cancelled`: the last message of a subscription. The producer MAY send it at any time. The consumer MUST handle the
  events that came before it first.

Each of the two MUST watch the other's process, and MUST take its end for a `Cancel`, or a `Cancelled`, with its
reason. A stage MAY drop messages of subscriptions that it doesn't know. A stage's end needs no farewell.
"""

from __future__ import annotations

from typing import Generic, TypeAlias, TypeVar

import msgspec

from headwater.runtime.exits import Exit, Reason
from headwater.runtime.pid import Pid
from headwater.stages.demand import check_demand
from headwater.stages.options import SubscribeOptions
from headwater.stages.stage import deliver

E = TypeVar("E")


class StageSubscription(msgspec.Struct, frozen=True):
    """A consumer's subscription to a producer. Both stages, and whoever subscribed, hold the same one.

    Attributes:
        producer: the address of the one.
        consumer: the address of the other.
        number: what it is known by, unique in the system.
    """

    producer: Pid[object]
    consumer: Pid[object]
    number: int

    def ask(self, demand: int) -> None:
        """Ask the producer for so many events more. For manual demand; an automatic subscription asks by itself.

        Dropped if the producer is dead; the consumer hears of that anyway.

        Raises:
            InvalidDemand: the demand isn't a positive whole number. Nothing was asked for.
        """
        deliver(self.producer, Ask(self, check_demand(demand)))

    def cancel(self, reason: Reason = Exit.NORMAL) -> None:
        """End the subscription. Events that are on their way are handled before.

        The consumer's `cancel` mode decides what becomes of the consumer. Harmless when it has ended already.
        """
        deliver(self.producer, Cancel(self, reason))


class Subscribe(msgspec.Struct, Generic[E], frozen=True):
    """To a producer: a consumer wants its events.

    Attributes:
        subscription: which.
        options: on what terms.
    """

    subscription: StageSubscription
    options: SubscribeOptions[E]


class Ask(msgspec.Struct, frozen=True):
    """To a producer: a consumer wants so many events more.

    Attributes:
        subscription: which.
        demand: how many, 1 or more.
    """

    subscription: StageSubscription
    demand: int


class Cancel(msgspec.Struct, frozen=True):
    """To a producer: a subscription is over.

    Attributes:
        subscription: which.
        reason: why.
    """

    subscription: StageSubscription
    reason: Reason


class Subscribed(msgspec.Struct, frozen=True):
    """To a consumer: the producer has accepted the subscription.

    Attributes:
        subscription: which.
    """

    subscription: StageSubscription


class Events(msgspec.Struct, Generic[E], frozen=True):
    """To a consumer: events, in order.

    Attributes:
        subscription: for which.
        events: at least one. The list belongs to the consumer.
    """

    subscription: StageSubscription
    events: list[E]


class Cancelled(msgspec.Struct, frozen=True):
    """To a consumer: a subscription is over, or was refused.

    Attributes:
        subscription: which.
        reason: why; a `StageError` if it was refused.
    """

    subscription: StageSubscription
    reason: Reason


ToProducer: TypeAlias = Subscribe[E] | Ask | Cancel
"""Messages of consumers to producers."""

ToConsumer: TypeAlias = Subscribed | Events[E] | Cancelled
"""Messages of producers to consumers."""


class Departed(msgspec.Struct, frozen=True):
    """From a producer to itself: a consumer's process has ended.

    Attributes:
        subscription: its subscription.
        reason: why.
    """

    subscription: StageSubscription
    reason: Reason


class Proceed(msgspec.Struct, frozen=True):
    """From a producer to itself: there may be demand."""


class Drained(msgspec.Struct, frozen=True):
    """From a producer-consumer to itself: all that came from a subscription has flowed on; now it may end.

    Attributes:
        cancelled: what its producer has said.
    """

    cancelled: Cancelled
