"""What a dispatcher must do. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

from headwater.errors import SubscriptionRefused
from headwater.stages.options import SubscribeOptions

E = TypeVar("E")


class Delivery(NamedTuple, Generic[E]):
    """Events for one consumer.

    Attributes:
        key: the subscription's.
        events: never empty, never more than the consumer has asked for. The list is the consumer's own.
    """

    key: int
    events: list[E]


class Dispatcher(Generic[E]):
    """Decides which consumer gets which event. Subclass it to make one of your own.

    It is a value that its producer owns: no clock, no loop, no I/O. It knows each subscription by a key that it gets
    with `subscribe`. The producer calls `ask` and `cancel` only with keys that are subscribed, and `dispatch` with at
    most `room` events. Whatever it raises, it has changed nothing.

    - For each subscription it MUST have delivered no more events than were asked for.
    - It MUST deliver the events of one subscription in the order in which they were dispatched.
    - It MUST place all the events that it is given: deliver them, keep them until they are asked for (then they count
      as `queued`), or leave out those that no consumer wants.
    - `wanted` MUST NOT be above `room`.
    """

    def subscribe(self, key: int, process: Hashable, options: SubscribeOptions[E]) -> str | None:
        """Take a new consumer, which has asked for nothing yet.

        Args:
            key: the subscription's.
            process: who the consumer is; several subscriptions may have the same.
            options: on what terms.

        Returns:
            What the operator should know about it, for the log; or None.

        Raises:
            SubscriptionRefused: it can't have this consumer on these terms.
        """
        raise NotImplementedError

    def ask(self, key: int, demand: int) -> list[Delivery[E]]:
        """The consumer asks for so many events more. Returns what was kept for it."""
        raise NotImplementedError

    def cancel(self, key: int) -> None:
        """The consumer has left. What it had asked for and not got is forgotten."""
        raise NotImplementedError

    def dispatch(self, events: list[E]) -> list[Delivery[E]]:
        """Place events, at most `room` of them."""
        raise NotImplementedError

    @property
    def wanted(self) -> int:
        """How many events the producer should be asked for, those included that it owes already."""
        raise NotImplementedError

    @property
    def room(self) -> int:
        """How many events could be placed now, whatever they are."""
        return self.wanted

    @property
    def queued(self) -> int:
        """How many events it keeps."""
        return 0

    def mark(self, message: object) -> bool:
        """Keep a message until what is queued now has left. False if nothing is: then it isn't kept."""
        return False

    def due(self) -> list[object]:
        """The messages that it has kept long enough. Each is returned once."""
        return []


def refuse_option(options: SubscribeOptions[E], name: str, dispatcher: str) -> None:
    """Refuse an option that a dispatcher has no use for.

    Raises:
        SubscriptionRefused: the option is given.
    """
    if getattr(options, name) is not None:
        raise SubscriptionRefused(f"the producer has a {dispatcher}, which knows no {name}; leave it out")
