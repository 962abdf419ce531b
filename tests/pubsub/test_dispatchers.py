"""Dispatchers, and the fast lane among them."""

from collections.abc import Sequence

import msgspec
import pytest

from headwater import Entry, Fastlane, Pid, PubSub, System, fastlane
from headwater.errors import DispatcherTaken, DispatcherUnknown
from tests.pubsub.driving import Listener, Quote, Trade, history, run


@pytest.mark.row("PB-08", "PB-02")
def test_a_dispatcher_gets_all_entries_with_their_metadata_and_the_source() -> None:
    calls: list[tuple[list[tuple[object, object]], object, object]] = []

    def record(entries: Sequence[Entry], message: object, source: Pid[object] | None) -> None:
        calls.append(([(entry.subscriber, entry.metadata) for entry in entries], message, source))

    async def scenario(system: System, pubsub: PubSub) -> None:
        first, second = await system.start(Listener), await system.start(Listener)
        pubsub.subscribe("t", first)
        pubsub.subscribe("t", second, "m")
        pubsub.subscribe("t", first, {"own": True})
        pubsub.subscribe("other", first, "x")
        entries = [(first, None), (second, "m"), (first, {"own": True})]
        assert pubsub.broadcast("t", 1, dispatcher="record") == 3
        pubsub.broadcast_from(first, "t", 2, dispatcher="record")
        pubsub.local_broadcast("t", 3, dispatcher="record")
        pubsub.local_broadcast_from(second, "t", 4, dispatcher="record")
        assert pubsub.broadcast("nobody", 5, dispatcher="record") == 0
        assert calls == [(entries, 1, None), (entries, 2, first), (entries, 3, None), (entries, 4, second)]
        assert await history(first) == []

    run(scenario, {"record": record})


@pytest.mark.row("PB-08")
def test_a_dispatcher_runs_in_the_broadcasters_turn_and_its_error_is_the_broadcasters() -> None:
    def refuse(entries: Sequence[Entry], message: object, source: Pid[object] | None) -> None:
        raise ValueError(f"{len(entries)} {message} {source}")

    def only_traders(entries: Sequence[Entry], message: object, source: Pid[object] | None) -> None:
        del source
        for entry in entries:
            if entry.metadata == "trader":
                entry.subscriber.send(message)

    async def scenario(system: System, pubsub: PubSub) -> None:
        pubsub.register_dispatcher("only traders", only_traders)
        trader = await system.start(Listener, pubsub, "t", metadata="trader")
        viewer = await system.start(Listener, pubsub, "t")
        with pytest.raises(ValueError, match="2 1 None"):
            pubsub.broadcast("t", 1, dispatcher="refuse")
        pubsub.broadcast("t", 2, dispatcher="only traders")
        assert await history(trader) == [2]
        assert await history(viewer) == []

    run(scenario, {"refuse": refuse})


def test_an_unknown_dispatcher_is_refused_and_a_name_is_given_once() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        listener = await system.start(Listener, pubsub, "t")
        with pytest.raises(DispatcherUnknown, match="'lost'; there are: fast"):
            pubsub.broadcast("t", 1, dispatcher="lost")
        with pytest.raises(DispatcherUnknown):
            pubsub.local_broadcast("t", 1, dispatcher="lost")
        with pytest.raises(DispatcherUnknown):
            pubsub.direct_broadcast("local", "t", 1, dispatcher="lost")
        pubsub.register_dispatcher("fast", fastlane)
        with pytest.raises(DispatcherTaken, match="'fast'"):
            pubsub.register_dispatcher("fast", lambda entries, message, source: None)
        assert await history(listener) == []

    run(scenario, {"fast": fastlane})


class Count:
    """A serializer that counts."""

    def __init__(self, form: str) -> None:
        self.form = form
        self.encoded = 0

    def __call__(self, message: object) -> bytes:
        self.encoded += 1
        if isinstance(message, Quote):
            raise TypeError("no quotes")
        return f"{self.form} {msgspec.json.encode(message).decode()}".encode()


@pytest.mark.row("PB-13")
def test_the_fast_lane_encodes_once_for_each_serializer_and_skips_the_process() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        channels = [await system.start(Listener) for _ in range(6)]
        sockets = [await system.start(Listener) for _ in range(6)]
        plain = await system.start(Listener, pubsub, "t")
        forms = [Count("json"), Count("text")]
        for number, channel in enumerate(channels):
            pubsub.subscribe("t", channel, Fastlane(sockets[number], forms[number % 2]))
        assert pubsub.broadcast("t", Trade(1), dispatcher="fastlane") == 7
        assert [form.encoded for form in forms] == [1, 1]
        frames = [await history(socket) for socket in sockets]
        assert frames == [[b'json {"price":1}'], [b'text {"price":1}']] * 3
        assert frames[0][0] is frames[2][0] is frames[4][0]
        assert [await history(channel) for channel in channels] == [[]] * 6
        assert await history(plain) == [Trade(1)]

    run(scenario, {"fastlane": fastlane})


@pytest.mark.row("PB-13")
def test_a_process_intercepts_what_it_wants_itself() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        serializer = Count("json")
        channel, socket = await system.start(Listener), await system.start(Listener)
        pubsub.subscribe("t", channel, Fastlane(socket, serializer, intercepts=(Quote,)))
        pubsub.broadcast("t", Quote("A", 1), dispatcher="fastlane")
        pubsub.broadcast("t", Trade(1), dispatcher="fastlane")
        pubsub.broadcast_from(channel, "t", Trade(2), dispatcher="fastlane")
        assert await history(channel) == [Quote("A", 1)]
        assert await history(socket) == [b'json {"price":1}']
        assert serializer.encoded == 1  # not for what nobody gets in this form

    run(scenario, {"fastlane": fastlane})


@pytest.mark.row("PB-13")
def test_nothing_is_sent_when_one_serializer_fails() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        first, second = await system.start(Listener), await system.start(Listener)
        pubsub.subscribe("t", first, Fastlane(first, msgspec.json.encode))
        pubsub.subscribe("t", second, Fastlane(second, Count("text")))
        with pytest.raises(TypeError, match="no quotes"):
            pubsub.broadcast("t", Quote("A", 1), dispatcher="fastlane")
        assert await history(first) == await history(second) == []

    run(scenario, {"fastlane": fastlane})
