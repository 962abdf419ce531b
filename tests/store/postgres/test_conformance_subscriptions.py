"""The conformance suites of subscriptions, on PostgreSQL."""

from headwater.testing.conformance.store_subscription_owners import SubscriptionOwnersSuite
from headwater.testing.conformance.store_subscriptions import SubscriptionsSuite

from .driving import Postgres


class TestSubscriptions(Postgres, SubscriptionsSuite): ...


class TestSubscriptionOwners(Postgres, SubscriptionOwnersSuite): ...
