"""Who is subscribed to what, and until when."""

import pytest

from headwater import Down, Exit, Pid, PubSub, System
from headwater.errors import InvalidTopic, InvalidTopicSubscription, ProcessDown, PubSubClosed, StartFailed
from tests.pubsub.driving import Listener, history, run, settle


@pytest.mark.row("PB-01")
def test_only_equal_topics_match() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        listener = await system.start(Listener, pubsub, "room:1", "room:*")
        assert pubsub.broadcast("room:1", "one") == 1
        assert pubsub.broadcast("room:*", "a star is a character") == 1
        for other in ("room:", "room:11", "Room:1", "room", "room:1 "):
            assert pubsub.broadcast(other, "no") == 0
        assert await history(listener) == ["one", "a star is a character"]

    run(scenario)


@pytest.mark.row("PB-01")
@pytest.mark.parametrize("topic", ["", 7, None, b"room", ("room", 1), ["room"]])
def test_a_topic_is_a_non_empty_string(topic: str) -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        listener = await system.start(Listener)
        for attempt in (
            lambda: pubsub.subscribe(topic, listener),
            lambda: pubsub.unsubscribe(topic, listener),
            lambda: pubsub.subscription(topic),
            lambda: pubsub.broadcast(topic, 1),
            lambda: pubsub.broadcast_from(listener, topic, 1),
            lambda: pubsub.local_broadcast(topic, 1),
            lambda: pubsub.direct_broadcast("local", topic, 1),
            lambda: pubsub.subscribers(topic),
        ):
            with pytest.raises(InvalidTopic, match="non-empty string"):
                attempt()
        assert len(pubsub) == 0
        assert listener.process.cleanups is None

    run(scenario)


@pytest.mark.row("PB-02")
def test_subscribing_twice_delivers_twice() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        twice = await system.start(Listener, pubsub, "t", "t")
        once = await system.start(Listener, pubsub, "t")
        assert pubsub.broadcast("t", 1) == pubsub.subscribers("t") == 3
        assert await history(twice) == [1, 1]
        assert await history(once) == [1]
        pubsub.subscribe("t", twice)
        pubsub.broadcast("t", 2)
        assert await history(twice) == [1, 1, 2, 2, 2]

    run(scenario)


@pytest.mark.row("PB-03")
def test_unsubscribing_ends_all_of_the_process_and_nothing_else() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        listener = await system.start(Listener, pubsub, "t", "t", "u")
        other = await system.start(Listener, pubsub, "t")
        pubsub.subscribe("t", listener, "with metadata")
        pubsub.unsubscribe("t", listener)
        pubsub.unsubscribe("t", listener)  # harmless
        pubsub.unsubscribe("never", listener)
        pubsub.broadcast("t", 1)
        pubsub.broadcast("u", 2)
        assert await history(listener) == [2]
        assert await history(other) == [1]
        assert pubsub.topics(listener) == ("u",)
        pubsub.unsubscribe("u", listener)
        assert pubsub.topics(listener) == ()
        assert listener.process.cleanups == []
        assert len(pubsub) == 1

    run(scenario)


@pytest.mark.row("PB-03")
def test_subscriptions_are_gone_before_anybody_hears_of_the_end() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        listener = await system.start(Listener, pubsub, "a", "a", "b", name="listener")
        other = await system.start(Listener, pubsub, "a")
        found: list[tuple[int, ...]] = []

        class Observer(Listener):
            def handle_info(self, message: object) -> None:
                assert isinstance(message, Down)
                found.append((pubsub.subscribers("a"), pubsub.subscribers("b"), len(pubsub)))

        observer = await system.start(Observer)
        await observer.call(Listener.watch, listener)
        listener.watch(lambda _: found.append((pubsub.subscribers("a"), pubsub.subscribers("b"), len(pubsub))))
        listener.kill()
        await settle()
        assert found == [(1, 0, 1), (1, 0, 1)]
        assert pubsub.broadcast("a", 1) == 1
        assert await history(other) == [1]

    run(scenario)


@pytest.mark.row("PB-03")
@pytest.mark.parametrize("how", ["stop", "kill", "crash", "exit"])
def test_a_subscription_ends_with_its_process_however_it_ends(how: str, caplog: pytest.LogCaptureFixture) -> None:
    def crash(_: Listener) -> None:
        raise OSError("on purpose")

    async def end(pid: Pid[Listener]) -> None:
        if how == "stop":
            await pid.stop()
        elif how == "kill":
            pid.kill()
        elif how == "exit":
            pid.exit(Exit.SHUTDOWN)
        else:
            pid.cast(Listener.do, crash)
            await settle()

    async def scenario(system: System, pubsub: PubSub) -> None:
        listener = await system.start(Listener, pubsub, "a", "b")
        await end(listener)
        assert len(pubsub) == 0
        assert pubsub.topics(listener) == ()

    run(scenario)


@pytest.mark.row("PB-03")
def test_a_failed_start_leaves_no_subscription() -> None:
    class Unlucky(Listener):
        def init(self, pubsub: PubSub | None = None, *topics: str, metadata: object = None) -> None:
            super().init(pubsub, *topics, metadata=metadata)
            raise OSError("on purpose")

    async def scenario(system: System, pubsub: PubSub) -> None:
        with pytest.raises(StartFailed):
            await system.start(Unlucky, pubsub, "a", "b")
        assert len(pubsub) == 0

    run(scenario)


def test_a_process_that_has_ended_cannot_subscribe() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        listener = await system.start(Listener)
        await listener.stop()
        with pytest.raises(ProcessDown):
            pubsub.subscribe("t", listener)
        pubsub.unsubscribe("t", listener)
        assert len(pubsub) == 0

    run(scenario)


def test_one_process_may_be_subscribed_in_several_pubsubs() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        other = PubSub()
        listener = await system.start(Listener, pubsub, "t")
        other.subscribe("t", listener)
        pubsub.broadcast("t", 1)
        other.broadcast("t", 2)
        assert await history(listener) == [1, 2]
        listener.kill()
        assert len(pubsub) == len(other) == 0

    run(scenario)


def test_a_stopped_pubsub_refuses_and_forgets_and_can_be_started_again() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        listener = await system.start(Listener, pubsub, "t", "u")
        await pubsub.stop()
        await pubsub.stop()
        assert len(pubsub) == 0
        assert listener.process.cleanups == []
        for attempt in (
            lambda: pubsub.subscribe("t", listener),
            lambda: pubsub.broadcast("t", 1),
            lambda: pubsub.broadcast_from(listener, "t", 1),
            lambda: pubsub.local_broadcast("t", 1),
            lambda: pubsub.direct_broadcast("local", "t", 1),
        ):
            with pytest.raises(PubSubClosed, match="stopped"):
                attempt()
        with pytest.raises(PubSubClosed):
            async with pubsub.subscription("t"):
                pass
        async with pubsub:
            pubsub.subscribe("t", listener)
            assert pubsub.broadcast("t", 2) == 1
            assert await history(listener) == [2]

    run(scenario)


@pytest.mark.row("PB-11")
def test_there_is_at_least_one_shard() -> None:
    with pytest.raises(InvalidTopicSubscription, match="at least 1 shard"):
        PubSub(shards=0)
