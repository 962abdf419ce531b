"""The conformance suites, on SQLite files that an older Headwater has made: they work like new ones."""

from headwater.testing.conformance.store_append import AppendSuite
from headwater.testing.conformance.store_chain import ChainSuite
from headwater.testing.conformance.store_condition import ConditionSuite
from headwater.testing.conformance.store_keys import KeysSuite
from headwater.testing.conformance.store_read import ReadSuite
from headwater.testing.conformance.store_streams import StreamsSuite
from headwater.testing.conformance.store_subscription_owners import SubscriptionOwnersSuite
from headwater.testing.conformance.store_subscriptions import SubscriptionsSuite
from headwater.testing.conformance.store_transfer import TransferSuite

from .plugs import MigratedSqlite


class TestAppend(MigratedSqlite, AppendSuite): ...


class TestCondition(MigratedSqlite, ConditionSuite): ...


class TestRead(MigratedSqlite, ReadSuite): ...


class TestStreams(MigratedSqlite, StreamsSuite): ...


class TestChain(MigratedSqlite, ChainSuite): ...


class TestKeys(MigratedSqlite, KeysSuite): ...


class TestTransfer(MigratedSqlite, TransferSuite): ...


class TestSubscriptions(MigratedSqlite, SubscriptionsSuite): ...


class TestSubscriptionOwners(MigratedSqlite, SubscriptionOwnersSuite): ...
