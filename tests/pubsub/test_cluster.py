"""Several nodes: what goes where, and in which order. What every adapter has to do stands in the conformance suite."""

import asyncio
import logging
from collections.abc import Sequence

import pytest

from headwater import Entry, Fastlane, Hub, Pid, PubSub, System, fastlane
from headwater.errors import (
    CodecError,
    DefinitionError,
    DispatcherUnknown,
    NodeTaken,
    NodeUnknown,
    PubSubClosed,
    PubSubOverloaded,
    UnknownType,
)
from headwater.pubsub.adapter import Receive
from headwater.pubsub.broker import RECEIVE
from headwater.pubsub.hub import HubAdapter
from headwater.pubsub.packet import Packet
from headwater.telemetry import SpanEvent, Telemetry
from tests.pubsub.driving import CODEC, Listener, Quote, Trade, history, run_joined, settle


def tagged(entries: Sequence[Entry], message: object, source: Pid[object] | None) -> None:
    for entry in entries:
        entry.subscriber.send((entry.metadata, message, source))


@pytest.mark.row("PB-04")
def test_a_broadcast_goes_to_other_nodes_first_then_to_this_one() -> None:
    order: list[str] = []

    class Told(HubAdapter):
        def broadcast(self, data: bytes) -> None:
            order.append("remote")
            super().broadcast(data)

    def note(entries: Sequence[Entry], message: object, source: Pid[object] | None) -> None:
        order.append("dispatch")

    async def main() -> None:
        hub = Hub()
        async with (
            PubSub(Told(hub, "a"), codec=CODEC, dispatchers={"note": note}) as here,
            PubSub(hub.adapter("b"), codec=CODEC, dispatchers={"note": note}) as there,
            here.subscription("t"),
            there.subscription("t"),
        ):
            here.broadcast("t", Trade(1), dispatcher="note")
            assert order == ["remote", "dispatch"]
            await settle()
            assert order == ["remote", "dispatch", "dispatch"]

    asyncio.run(main())


@pytest.mark.row("PB-04")
def test_when_other_nodes_cannot_be_sent_to_nobody_gets_it() -> None:
    async def scenario(system: System, pubsubs: Sequence[PubSub]) -> None:
        here, there = pubsubs
        listeners = [await system.start(Listener, pubsub, "t") for pubsub in pubsubs]
        for number in range(3):
            here.broadcast("t", Trade(number))
        for attempt in (lambda: here.broadcast("t", Trade(3)), lambda: here.direct_broadcast("b", "t", Trade(3))):
            with pytest.raises(PubSubOverloaded, match="3 broadcasts wait for node 'b'"):
                attempt()
        sent = [Trade(number) for number in range(3)]
        assert [await history(listener) for listener in listeners] == [sent, sent]
        here.broadcast("t", Trade(4))
        assert await history(listeners[1]) == [*sent, Trade(4)]
        assert there.undelivered == 0

    run_joined(scenario, "a", "b", hub=Hub(capacity=3))


@pytest.mark.row("PB-05", "PB-06", "PB-07")
def test_who_gets_which_kind_of_broadcast() -> None:
    async def scenario(system: System, pubsubs: Sequence[PubSub]) -> None:
        a, _, _ = pubsubs
        listeners = [await system.start(Listener, pubsub, "t") for pubsub in pubsubs]
        source = await system.start(Listener, a, "t")
        a.broadcast("t", Trade(1))
        a.broadcast_from(source, "t", Trade(2))
        a.local_broadcast("t", "anything goes")
        a.local_broadcast_from(source, "t", Trade(4))
        a.direct_broadcast("b", "t", Trade(5))
        a.direct_broadcast("a", "t", Trade(6))
        with pytest.raises(NodeUnknown, match="there are: a, b, c"):
            a.direct_broadcast("d", "t", Trade(7))
        assert await history(source) == [Trade(1), "anything goes", Trade(6)]
        assert await history(listeners[0]) == [Trade(1), Trade(2), "anything goes", Trade(4), Trade(6)]
        assert await history(listeners[1]) == [Trade(1), Trade(2), Trade(5)]
        assert await history(listeners[2]) == [Trade(1), Trade(2)]

    run_joined(scenario, "a", "b", "c")


@pytest.mark.row("PB-04", "PB-10")
def test_messages_of_one_node_arrive_in_order_whatever_their_kind() -> None:
    async def scenario(system: System, pubsubs: Sequence[PubSub]) -> None:
        a, b = pubsubs
        listener = await system.start(Listener, b, "t", "u")
        for number in range(900):
            if number % 3 == 0:
                a.broadcast("t", Trade(number))
            elif number % 3 == 1:
                a.direct_broadcast("b", "u", Trade(number))
            else:
                a.broadcast_from(listener, "t", Trade(number))
            if not number % 50:
                await asyncio.sleep(0)
        assert await history(listener) == [Trade(number) for number in range(900)]

    run_joined(scenario, "a", "b")


@pytest.mark.row("PB-10")
def test_one_packet_goes_to_a_node_however_many_subscribers_it_has() -> None:
    received: list[bytes] = []

    async def scenario(system: System, pubsubs: Sequence[PubSub]) -> None:
        a, b = pubsubs
        listeners = [await system.start(Listener, b, "t") for _ in range(50)]
        third = hub.adapter("third")
        await third.start(received.append)
        a.broadcast("t", Trade(1))
        for listener in listeners:
            assert await history(listener) == [Trade(1)]
        await third.stop()
        assert [Packet.decode(data).topic for data in received] == ["t"]
        assert all(isinstance(data, bytes) for data in received)

    hub = Hub()
    run_joined(scenario, "a", "b", hub=hub)


@pytest.mark.row("PB-08")
def test_a_dispatcher_runs_on_every_node_with_that_nodes_entries() -> None:
    async def scenario(system: System, pubsubs: Sequence[PubSub]) -> None:
        a, _ = pubsubs
        listeners = [await system.start(Listener, pubsub, "t", metadata=pubsub.node) for pubsub in pubsubs]
        a.broadcast_from(listeners[0], "t", Trade(1), dispatcher="tagged")
        a.direct_broadcast("b", "t", Trade(2), dispatcher="tagged")
        assert await history(listeners[0]) == [("a", Trade(1), listeners[0])]
        assert await history(listeners[1]) == [("b", Trade(1), None), ("b", Trade(2), None)]

    run_joined(scenario, "a", "b", dispatchers={"tagged": tagged})


@pytest.mark.row("PB-08")
def test_a_dispatcher_must_exist_where_the_broadcast_arrives(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System, pubsubs: Sequence[PubSub]) -> None:
        a, b = pubsubs
        a.register_dispatcher("only here", tagged)
        here, there = await system.start(Listener, a, "t"), await system.start(Listener, b, "t")
        a.broadcast("t", Trade(1), dispatcher="only here")
        a.broadcast("t", Trade(2))
        assert await history(here) == [(None, Trade(1), None), Trade(2)]
        assert await history(there) == [Trade(2)]
        assert (a.undelivered, b.undelivered) == (0, 1)
        [record] = caplog.records
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], DispatcherUnknown)

    run_joined(scenario, "a", "b")


@pytest.mark.row("PB-13")
def test_the_fast_lane_encodes_once_on_each_node() -> None:
    encoded: list[object] = []

    def serializer(message: object) -> bytes:
        encoded.append(message)
        return b"frame"

    async def scenario(system: System, pubsubs: Sequence[PubSub]) -> None:
        sockets = [await system.start(Listener) for _ in range(6)]
        for number, socket in enumerate(sockets):
            channel = await system.start(Listener)
            pubsubs[number % 2].subscribe("t", channel, Fastlane(socket, serializer))
        pubsubs[0].broadcast("t", Trade(1), dispatcher="fastlane")
        assert [await history(socket) for socket in sockets] == [[b"frame"]] * 6
        assert encoded == [Trade(1)] * 2

    run_joined(scenario, "a", "b", dispatchers={"fastlane": fastlane})


def test_what_a_node_does_not_understand_is_logged_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    def broken(entries: Sequence[Entry], message: object, source: Pid[object] | None) -> None:
        if message == Trade(13):
            raise ZeroDivisionError

    async def scenario(system: System, pubsubs: Sequence[PubSub]) -> None:
        a, b = pubsubs
        listener = await system.start(Listener, b, "t")
        good = Packet("t", "trade", 1, b'{"price":1}')
        for data in (
            b"garbage",
            b"",
            Packet("t", "unknown", 1, b"{}").encode(),
            Packet("t", "trade", 2, b'{"price":1}').encode(),
            Packet("t", "trade", 1, b'{"price":"x"}').encode(),
            Packet("", "trade", 1, b'{"price":1}').encode(),
            good.encode()[:-1],
        ):
            a.adapter.broadcast(data)
        with caplog.at_level(logging.CRITICAL):
            await settle()
            assert b.undelivered == 7
            a.adapter.broadcast(Packet("t", "trade", 1, b'{"price":13}', "broken").encode())
            a.adapter.broadcast(good.encode())
            assert await history(listener) == [Trade(1)]
            assert b.undelivered == 8

    run_joined(scenario, "a", "b", dispatchers={"broken": broken})


def test_what_cannot_be_encoded_is_refused_before_anything_is_sent() -> None:
    async def scenario(system: System, pubsubs: Sequence[PubSub]) -> None:
        a, _ = pubsubs
        listeners = [await system.start(Listener, pubsub, "t") for pubsub in pubsubs]
        for message in ("a plain string", 7, object(), {"a": 1}):
            with pytest.raises(UnknownType):
                a.broadcast("t", message)
        with pytest.raises(CodecError):
            a.direct_broadcast("b", "t", Quote("A", object()))  # type: ignore[arg-type]  # that is the point
        assert [await history(listener) for listener in listeners] == [[], []]

    run_joined(scenario, "a", "b")


def test_a_pubsub_that_joins_others_is_used_within_its_block() -> None:
    async def main() -> None:
        hub = Hub()
        pubsub, twin = PubSub(hub.adapter("a"), codec=CODEC), PubSub(hub.adapter("a"), codec=CODEC)
        with pytest.raises(PubSubClosed, match="not been started"):
            pubsub.broadcast("t", Trade(1))
        with pytest.raises(PubSubClosed):
            pubsub.local_broadcast("t", Trade(1))
        async with pubsub:
            await pubsub.start()  # harmless
            assert hub.nodes() == ["a"]
            with pytest.raises(NodeTaken, match="'a'"):
                await twin.start()
            with pytest.raises(PubSubClosed):
                twin.broadcast("t", Trade(1))
            pubsub.broadcast("t", Trade(1))
        assert hub.nodes() == []
        async with twin:
            assert hub.nodes() == ["a"]

    asyncio.run(main())


def test_what_arrives_while_a_node_joins_or_after_it_has_left_is_passed_over() -> None:
    class Early(HubAdapter):
        async def start(self, receive: Receive) -> None:
            await super().start(receive)
            receive(b"too early")

    async def main() -> None:
        hub = Hub()
        late = PubSub(Early(hub, "b"), codec=CODEC)
        async with PubSub(hub.adapter("a"), codec=CODEC) as a, late as b:
            a.broadcast("t", Trade(1))  # waits for b, which leaves
            await b.stop()
            await b.start()
            async with b.subscription("t") as messages:
                a.broadcast("t", Trade(2))
                await settle()
                assert messages.waiting == 1
            assert b.undelivered == 0

    asyncio.run(main())


def test_what_arrives_is_a_span_for_whoever_listens() -> None:
    async def main() -> None:
        hub, telemetry = Hub(), Telemetry()
        seen: list[SpanEvent] = []
        telemetry.attach(RECEIVE, seen.append)
        async with (
            PubSub(hub.adapter("a"), codec=CODEC) as a,
            PubSub(hub.adapter("b"), codec=CODEC, telemetry=telemetry) as b,
            b.subscription("t"),
        ):
            a.broadcast("t", Trade(1))
            await settle()
            a.adapter.broadcast(b"garbage")
            await settle()
        assert [event.phase for event in seen] == ["start", "stop", "start", "exception"]
        assert (seen[1].metadata["topic"], seen[1].metadata["subscriptions"]) == ("t", 1)

    asyncio.run(main())


def test_a_hub_and_its_nodes_have_sensible_settings() -> None:
    with pytest.raises(DefinitionError, match="at least 1"):
        Hub(capacity=0)
    for node in ("", None):
        with pytest.raises(DefinitionError, match="non-empty string"):
            Hub().adapter(node)  # type: ignore[arg-type]  # that is the point
