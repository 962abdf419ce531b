"""The conformance suites, on PostgreSQL."""

from headwater.testing.conformance.store_append import AppendSuite
from headwater.testing.conformance.store_chain import ChainSuite
from headwater.testing.conformance.store_condition import ConditionSuite
from headwater.testing.conformance.store_keys import KeysSuite
from headwater.testing.conformance.store_names import NamesSuite
from headwater.testing.conformance.store_read import ReadSuite
from headwater.testing.conformance.store_streams import StreamsSuite
from headwater.testing.conformance.store_transfer import TransferSuite

from .driving import Postgres


class TestAppend(Postgres, AppendSuite): ...


class TestCondition(Postgres, ConditionSuite): ...


class TestRead(Postgres, ReadSuite): ...


class TestStreams(Postgres, StreamsSuite): ...


class TestChain(Postgres, ChainSuite): ...


class TestKeys(Postgres, KeysSuite): ...


class TestNames(Postgres, NamesSuite): ...


class TestTransfer(Postgres, TransferSuite): ...
