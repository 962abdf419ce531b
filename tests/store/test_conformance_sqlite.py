"""The conformance suites, on SQLite."""

from headwater.testing.conformance.store_append import AppendSuite
from headwater.testing.conformance.store_chain import ChainSuite
from headwater.testing.conformance.store_condition import ConditionSuite
from headwater.testing.conformance.store_keys import KeysSuite
from headwater.testing.conformance.store_names import NamesSuite
from headwater.testing.conformance.store_read import ReadSuite
from headwater.testing.conformance.store_streams import StreamsSuite
from headwater.testing.conformance.store_transfer import TransferSuite

from .plugs import Sqlite


class TestAppend(Sqlite, AppendSuite): ...


class TestCondition(Sqlite, ConditionSuite): ...


class TestRead(Sqlite, ReadSuite): ...


class TestStreams(Sqlite, StreamsSuite): ...


class TestChain(Sqlite, ChainSuite): ...


class TestKeys(Sqlite, KeysSuite): ...


class TestNames(Sqlite, NamesSuite): ...


class TestTransfer(Sqlite, TransferSuite): ...
