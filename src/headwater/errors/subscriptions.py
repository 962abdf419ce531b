"""Named subscriptions of the event store."""

from __future__ import annotations

from headwater.errors.store import StoreError


class SubscriptionError(StoreError):
    """Base of what goes wrong with named subscriptions. No event is lost by it, and no checkpoint moved."""


class InvalidSubscription(SubscriptionError, ValueError):
    """A subscription's name, start or option is not possible, or doesn't fit the subscription that is there."""


class SubscriptionTaken(SubscriptionError):
    """Another owner has the subscription. Nothing was changed.

    Args:
        message: which subscription, and who has it.
        owner: who, as it describes itself.
        expires_at: when the lease ends unless it is renewed, in microseconds since 1970-01-01 UTC.
    """

    def __init__(self, message: str, /, *, owner: str, expires_at: int) -> None:
        super().__init__(message)
        self.owner = owner
        self.expires_at = expires_at


class TooManyConsumers(SubscriptionError):
    """The subscription has as many consumers as it may have. This one gets no events."""


class SubscriptionLost(SubscriptionError):
    """The subscription has another owner now, or was reset or deleted. What wasn't written down comes again."""


class SubscriptionClosed(SubscriptionError):
    """The consumer has left the subscription, or never entered it, or the store is closed."""


class SubscriptionNotFound(SubscriptionError):
    """There is no subscription of this name."""


class NotDelivered(SubscriptionError):
    """The event was not delivered to this consumer, so it can't acknowledge it. Nothing was acknowledged."""


class AlreadyAcknowledged(SubscriptionError):
    """The event was acknowledged before, or stands twice in one acknowledgement. Nothing was acknowledged."""
