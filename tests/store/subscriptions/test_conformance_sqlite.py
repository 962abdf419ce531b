"""The conformance suite of subscriptions, on SQLite."""

from headwater.testing.conformance.store_subscriptions import SubscriptionsSuite

from ..plugs import Sqlite


class TestSubscriptions(Sqlite, SubscriptionsSuite): ...
