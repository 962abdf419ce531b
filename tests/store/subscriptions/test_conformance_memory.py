"""The conformance suite of subscriptions, on the backend in memory."""

from headwater.testing.conformance.store_subscriptions import SubscriptionsSuite

from ..plugs import Memory


class TestSubscriptions(Memory, SubscriptionsSuite): ...
