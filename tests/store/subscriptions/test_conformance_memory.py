"""The conformance suites of subscriptions, on the backend in memory."""

from headwater.testing.conformance.store_subscription_owners import SubscriptionOwnersSuite
from headwater.testing.conformance.store_subscriptions import SubscriptionsSuite

from ..plugs import Memory


class TestSubscriptions(Memory, SubscriptionsSuite): ...


class TestSubscriptionOwners(Memory, SubscriptionOwnersSuite): ...
