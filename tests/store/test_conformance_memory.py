"""The conformance suites, on the backend in memory."""

from headwater.testing.conformance.store_append import AppendSuite
from headwater.testing.conformance.store_chain import ChainSuite
from headwater.testing.conformance.store_condition import ConditionSuite
from headwater.testing.conformance.store_keys import KeysSuite
from headwater.testing.conformance.store_names import NamesSuite
from headwater.testing.conformance.store_read import ReadSuite
from headwater.testing.conformance.store_streams import StreamsSuite
from headwater.testing.conformance.store_transfer import TransferSuite

from .plugs import Memory


class TestAppend(Memory, AppendSuite): ...


class TestCondition(Memory, ConditionSuite): ...


class TestRead(Memory, ReadSuite): ...


class TestStreams(Memory, StreamsSuite): ...


class TestChain(Memory, ChainSuite): ...


class TestKeys(Memory, KeysSuite): ...


class TestNames(Memory, NamesSuite): ...


class TestTransfer(Memory, TransferSuite): ...
