"""The conformance suites of subscriptions, on SQLite."""

from headwater.testing.conformance.store_subscription_owners import SubscriptionOwnersSuite
from headwater.testing.conformance.store_subscriptions import SubscriptionsSuite

from ..plugs import Sqlite


class TestSubscriptions(Sqlite, SubscriptionsSuite): ...


class TestSubscriptionOwners(Sqlite, SubscriptionOwnersSuite): ...
