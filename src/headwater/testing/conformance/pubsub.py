"""What every PubSub adapter has to do.

    class TestMine(ClusterConformance):
        def adapter(self, node: str) -> PubSubAdapter:
            return MyAdapter(node, url=...)

All adapters that one test makes join each other, and those of another test never do: where a server outlives a test,
let `setup_method` choose another prefix, or the like. Nothing here depends on how long a transport takes, as long as it
takes less than `PATIENCE`.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, TypeAlias

import msgspec
import pytest

from headwater.codec import Codec, TypeName, TypeRegistry
from headwater.errors import DispatcherUnknown, NodeTaken, NodeUnknown, PubSubClosed, UnknownType
from headwater.pubsub.adapter import PubSubAdapter
from headwater.pubsub.broker import PubSub
from headwater.pubsub.entry import Dispatcher, Entry
from headwater.pubsub.subscription import Subscription
from headwater.runtime.pid import Pid

PATIENCE: Final = 10.0
"""Seconds that a message may take from node to node."""


class Note(msgspec.Struct, frozen=True):
    """The messages of this suite.

    Attributes:
        text: whatever.
    """

    text: str


class Node:
    """A joined adapter, and what it has received."""

    def __init__(self, adapter: PubSubAdapter) -> None:
        self.adapter = adapter
        self._arrived: asyncio.Queue[bytes] = asyncio.Queue()

    def receive(self, data: bytes) -> None:
        """Take what arrives."""
        self._arrived.put_nowait(data)

    async def take(self, count: int) -> list[bytes]:
        """The next ones, in order."""
        async with asyncio.timeout(PATIENCE):
            return [await self._arrived.get() for _ in range(count)]

    @property
    def has_more(self) -> bool:
        """Whether something has arrived that was not taken."""
        return not self._arrived.empty()


Joined: TypeAlias = Callable[[Sequence[Node]], Coroutine[object, object, None]]
Cluster: TypeAlias = Callable[[Sequence[PubSub]], Coroutine[object, object, None]]


class PubSubConformance(ABC):
    """The suite for every adapter, also for one that joins nobody."""

    @abstractmethod
    def adapter(self, node: str) -> PubSubAdapter:
        """An adapter for a node of this name, not started."""

    # --- tests -----------------------------------------------------------------------------------------------

    def test_it_says_what_it_can_do(self) -> None:
        adapter = self.adapter("a")
        assert adapter.node == "a"
        assert isinstance(adapter.distributed, bool)
        assert isinstance(adapter.knows_nodes, bool)

    def test_nothing_is_sent_before_the_start_and_after_the_stop(self) -> None:
        async def scenario(nodes: Sequence[Node]) -> None:
            adapter = nodes[0].adapter
            await adapter.stop()
            for _ in range(2):
                with pytest.raises(PubSubClosed):
                    adapter.broadcast(b"x")
                with pytest.raises(PubSubClosed):
                    adapter.direct_broadcast("b", b"x")
                await adapter.stop()  # harmless

        self.join(scenario, "a")
        with pytest.raises(PubSubClosed):
            self.adapter("a").broadcast(b"x")

    def test_a_broadcast_never_reaches_its_own_node(self) -> None:
        async def scenario(nodes: Sequence[Node]) -> None:
            nodes[0].adapter.broadcast(b"x")
            await _settle()
            assert not nodes[0].has_more

        self.join(scenario, "a")

    def test_a_node_that_is_not_there_is_refused_if_it_can_be_known(self) -> None:
        async def scenario(nodes: Sequence[Node]) -> None:
            if nodes[0].adapter.knows_nodes:
                with pytest.raises(NodeUnknown, match="nowhere"):
                    nodes[0].adapter.direct_broadcast("nowhere", b"x")
            else:
                nodes[0].adapter.direct_broadcast("nowhere", b"x")

        self.join(scenario, "a")

    def test_it_serves_a_pubsub(self) -> None:
        async def scenario(pubsubs: Sequence[PubSub]) -> None:
            async with pubsubs[0].subscription("t") as messages:
                assert pubsubs[0].broadcast("t", Note("x")) == 1
                assert await _take(messages, 1) == [Note("x")]

        self.cluster(scenario, "a")

    # --- for tests -------------------------------------------------------------------------------------------

    def join(self, scenario: Joined, *names: str) -> None:
        """Run a scenario with adapters that have joined."""

        async def main() -> None:
            nodes = [Node(self.adapter(name)) for name in names]
            async with AsyncExitStack() as stack:
                for node in nodes:
                    await node.adapter.start(node.receive)
                    stack.push_async_callback(node.adapter.stop)
                await scenario(nodes)

        asyncio.run(main())

    def cluster(self, scenario: Cluster, *names: str, dispatchers: dict[str, Dispatcher] | None = None) -> None:
        """Run a scenario with PubSubs that have joined."""

        async def main() -> None:
            async with AsyncExitStack() as stack:
                codec = Codec(TypeRegistry([(Note, TypeName("note", 1))]))
                pubsubs = [
                    await stack.enter_async_context(PubSub(self.adapter(name), codec=codec, dispatchers=dispatchers))
                    for name in names
                ]
                await scenario(pubsubs)

        asyncio.run(main())


class ClusterConformance(PubSubConformance):
    """The suite for adapters that join several nodes."""

    def test_it_joins_several_nodes(self) -> None:
        assert self.adapter("a").distributed

    # --- the adapter -----------------------------------------------------------------------------------------

    def test_a_broadcast_reaches_every_other_node_once(self) -> None:
        async def scenario(nodes: Sequence[Node]) -> None:
            a, b, c = nodes
            a.adapter.broadcast(b"from a")
            assert await b.take(1) == await c.take(1) == [b"from a"]
            b.adapter.broadcast(b"from b")
            assert await a.take(1) == await c.take(1) == [b"from b"]
            assert not any(node.has_more for node in nodes)

        self.join(scenario, "a", "b", "c")

    def test_a_direct_broadcast_reaches_one_node(self) -> None:
        async def scenario(nodes: Sequence[Node]) -> None:
            a, b, c = nodes
            a.adapter.direct_broadcast("b", b"only b")
            a.adapter.broadcast(b"all")
            assert await b.take(2) == [b"only b", b"all"]
            assert await c.take(1) == [b"all"]
            assert not any(node.has_more for node in nodes)

        self.join(scenario, "a", "b", "c")

    def test_what_one_node_sends_arrives_in_that_order(self) -> None:
        async def scenario(nodes: Sequence[Node]) -> None:
            a, b = nodes
            sent = [str(number).encode() for number in range(1_000)]
            for number, data in enumerate(sent):
                if number % 3:
                    a.adapter.broadcast(data)
                else:
                    a.adapter.direct_broadcast("b", data)
            assert await b.take(len(sent)) == sent

        self.join(scenario, "a", "b")

    def test_bytes_arrive_as_they_were_sent(self) -> None:
        async def scenario(nodes: Sequence[Node]) -> None:
            a, b = nodes
            sent = [b"", bytes(range(256)), b"\r\n" * 10, b"x" * 100_000]
            for data in sent:
                a.adapter.broadcast(data)
            assert await b.take(len(sent)) == sent

        self.join(scenario, "a", "b")

    def test_nothing_is_received_within_the_call_that_sends(self) -> None:
        async def scenario(nodes: Sequence[Node]) -> None:
            a, b = nodes
            a.adapter.broadcast(b"x")
            a.adapter.direct_broadcast("b", b"y")
            assert not b.has_more
            assert await b.take(2) == [b"x", b"y"]

        self.join(scenario, "a", "b")

    def test_a_node_that_has_left_gets_nothing_and_may_come_back(self) -> None:
        async def scenario(nodes: Sequence[Node]) -> None:
            a, b, c = nodes
            a.adapter.broadcast(b"perhaps lost")
            await c.take(1)
            await b.adapter.stop()
            while b.has_more:
                await b.take(1)
            a.adapter.broadcast(b"without b")
            assert await c.take(1) == [b"without b"]
            await b.adapter.start(b.receive)
            a.adapter.broadcast(b"with b")
            assert await b.take(1) == await c.take(1) == [b"with b"]

        self.join(scenario, "a", "b", "c")

    def test_two_nodes_of_one_name_are_refused_if_nodes_are_known(self) -> None:
        async def scenario(nodes: Sequence[Node]) -> None:
            a, b = nodes
            other = self.adapter("a")
            if not other.knows_nodes:
                return
            with pytest.raises(NodeTaken, match="'a'"):
                await other.start(lambda _: None)
            await other.stop()
            b.adapter.direct_broadcast("a", b"x")
            assert await a.take(1) == [b"x"]

        self.join(scenario, "a", "b")

    # --- a PubSub on it --------------------------------------------------------------------------------------

    def test_messages_arrive_as_values_of_their_class(self) -> None:
        async def scenario(pubsubs: Sequence[PubSub]) -> None:
            a, b = pubsubs
            async with b.subscription("t", of=Note) as there, a.subscription("t", of=Note) as here:
                note = Note("x")
                assert a.broadcast("t", note) == 1
                [arrived] = await _take(there, 1)
                assert arrived == note
                assert arrived is not note
                [own] = await _take(here, 1)
                assert own is note

        self.cluster(scenario, "a", "b")

    def test_a_local_broadcast_stays_and_a_direct_one_reaches_its_node(self) -> None:
        async def scenario(pubsubs: Sequence[PubSub]) -> None:
            a = pubsubs[0]
            async with _all_subscribed(pubsubs) as (at_a, at_b, at_c):
                a.local_broadcast("t", Note("local"))
                a.direct_broadcast("b", "t", Note("direct"))
                a.direct_broadcast("a", "t", Note("own"))
                a.broadcast("t", Note("all"))
                assert await _take(at_a, 3) == [Note("local"), Note("own"), Note("all")]
                assert await _take(at_b, 2) == [Note("direct"), Note("all")]
                assert await _take(at_c, 1) == [Note("all")]

        self.cluster(scenario, "a", "b", "c")

    def test_a_dispatcher_runs_on_each_node_by_its_name(self) -> None:
        def reverse(entries: Sequence[Entry], message: object, source: Pid[object] | None) -> None:
            assert source is None
            assert isinstance(message, Note)
            for entry in entries:
                entry.subscriber.send(Note(message.text[::-1]))

        async def scenario(pubsubs: Sequence[PubSub]) -> None:
            async with _all_subscribed(pubsubs) as subscriptions:
                pubsubs[0].broadcast("t", Note("abc"), dispatcher="reverse")
                for subscription in subscriptions:
                    assert await _take(subscription, 1) == [Note("cba")]

        self.cluster(scenario, "a", "b", dispatchers={"reverse": reverse})

    def test_what_cannot_be_sent_reaches_nobody(self) -> None:
        async def scenario(pubsubs: Sequence[PubSub]) -> None:
            a, _ = pubsubs
            async with _all_subscribed(pubsubs) as subscriptions:
                with pytest.raises(UnknownType):
                    a.broadcast("t", object())
                with pytest.raises(DispatcherUnknown):
                    a.broadcast("t", Note("x"), dispatcher="unknown")
                a.broadcast("t", Note("y"))
                for subscription in subscriptions:
                    assert await _take(subscription, 1) == [Note("y")]

        self.cluster(scenario, "a", "b")

    def test_what_cannot_be_delivered_is_counted_and_does_no_harm(self) -> None:
        async def scenario(pubsubs: Sequence[PubSub]) -> None:
            a, b = pubsubs
            async with b.subscription("t") as messages:
                a.adapter.broadcast(b"no packet")
                a.broadcast("t", Note("x"))
                assert await _take(messages, 1) == [Note("x")]
                assert b.undelivered == 1

        self.cluster(scenario, "a", "b")


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def _take(subscription: Subscription[Note] | Subscription[object], count: int) -> list[object]:
    async with asyncio.timeout(PATIENCE):
        return [await anext(subscription) for _ in range(count)]


@asynccontextmanager
async def _all_subscribed(pubsubs: Sequence[PubSub]) -> AsyncIterator[list[Subscription[object]]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(pubsub.subscription("t")) for pubsub in pubsubs]
