"""Broadcasts on one node: who gets what, in which order."""

import asyncio

import pytest

from headwater import PubSub, System
from headwater.codec import Codec
from headwater.errors import NodeUnknown
from headwater.pubsub.broker import BROADCAST
from headwater.telemetry import SpanEvent, SpanName, Telemetry
from tests.pubsub.driving import Listener, history, run


@pytest.mark.row("PB-04")
def test_who_subscribes_later_has_missed_what_came_before() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        assert pubsub.broadcast("t", "too early") == 0
        listener = await system.start(Listener, pubsub, "t")
        pubsub.broadcast("t", 1)
        pubsub.unsubscribe("t", listener)
        pubsub.broadcast("t", "too late")
        assert await history(listener) == [1]

    run(scenario)


@pytest.mark.row("PB-04")
def test_messages_of_one_broadcaster_arrive_in_order_among_its_others() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        listeners = [await system.start(Listener, pubsub, "t") for _ in range(3)]
        for number in range(0, 600, 3):
            pubsub.broadcast("t", number)
            for listener in listeners:
                listener.send(number + 1)
            pubsub.local_broadcast("t", number + 2)
            if not number % 7:
                await asyncio.sleep(0)
        for listener in listeners:
            assert await history(listener) == list(range(600))

    run(scenario)


@pytest.mark.row("PB-04")
def test_subscribers_handle_a_message_in_turns_of_their_own() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        listener = await system.start(Listener, pubsub, "t")
        pubsub.broadcast("t", 1)
        server = listener.process.server
        assert isinstance(server, Listener)
        assert server.seen == []
        assert await listener.call(Listener.history) == [1]  # behind the message

    run(scenario)


@pytest.mark.row("PB-05")
def test_broadcast_from_skips_one_process_with_all_its_subscriptions() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        source = await system.start(Listener, pubsub, "t", "t")
        other = await system.start(Listener, pubsub, "t", "t")
        outsider = await system.start(Listener)
        pubsub.broadcast_from(source, "t", 1)
        pubsub.broadcast_from(source.within(1.0), "t", 2)  # another object, the same process
        pubsub.broadcast_from(outsider, "t", 3)
        assert await history(source) == [3, 3]
        assert await history(other) == [1, 1, 2, 2, 3, 3]
        async with pubsub.subscription("t") as messages:
            pubsub.broadcast_from(source, "t", 4)
            assert await anext(messages) == 4

    run(scenario)


@pytest.mark.row("PB-06")
def test_local_broadcast_from_skips_one_process_too() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        source, other = await system.start(Listener, pubsub, "t"), await system.start(Listener, pubsub, "t")
        assert pubsub.local_broadcast_from(source, "t", 1) == 2
        assert pubsub.local_broadcast("t", 2) == 2
        assert await history(source) == [2]
        assert await history(other) == [1, 2]

    run(scenario)


@pytest.mark.row("PB-07")
def test_a_node_that_is_alone_knows_only_itself() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        listener = await system.start(Listener, pubsub, "t")
        assert pubsub.node == "local"
        pubsub.direct_broadcast("local", "t", 1)
        with pytest.raises(NodeUnknown, match="'elsewhere'"):
            pubsub.direct_broadcast("elsewhere", "t", 2)
        assert await history(listener) == [1]

    run(scenario)


def test_a_process_that_ends_amid_a_broadcast_is_passed_over() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        listeners = [await system.start(Listener, pubsub, "t") for _ in range(4)]

        def end_two(entries: object, message: object, source: object) -> None:
            del entries, message, source

        pubsub.register_dispatcher("end two", end_two)
        pubsub.broadcast("t", 1)
        listeners[1].kill()
        await listeners[2].stop()
        assert pubsub.broadcast("t", 2) == 2
        assert await history(listeners[0]) == await history(listeners[3]) == [1, 2]

    run(scenario)


def test_subscribing_while_a_broadcast_is_handled_changes_nothing_for_it() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        class Eager(Listener):
            def handle_info(self, message: object) -> None:
                super().handle_info(message)
                pubsub.subscribe("t", self.pid)

        eager, listener = await system.start(Eager, pubsub, "t"), await system.start(Listener, pubsub, "t")
        pubsub.broadcast("t", 1)
        assert await history(eager) == await history(listener) == [1]
        pubsub.broadcast("t", 2)
        assert await history(eager) == [1, 2, 2]

    run(scenario)


def test_a_broadcast_is_a_span_for_whoever_listens() -> None:
    async def scenario(system: System, _: PubSub) -> None:
        telemetry = Telemetry()
        pubsub = PubSub(telemetry=telemetry, codec=Codec())
        seen: list[SpanEvent] = []
        pubsub.broadcast("t", 0)
        detach = telemetry.attach(SpanName("headwater", "pubsub"), seen.append)
        await system.start(Listener, pubsub, "t")
        pubsub.broadcast("t", 1)
        pubsub.local_broadcast("t", 2)
        detach()
        pubsub.broadcast("t", 3)
        assert [(event.name, event.phase) for event in seen] == [(BROADCAST, "start"), (BROADCAST, "stop")] * 2
        assert seen[1].metadata == {"topic": "t", "node": None, "subscriptions": 1}
        assert seen[3].metadata == {"topic": "t", "node": "local", "subscriptions": 1}

    run(scenario)
