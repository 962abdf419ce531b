"""PubSub on one node."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from headwater import GenServer, Pid, PubSub, System

Scenario = Callable[[System, PubSub], Coroutine[object, object, None]]


class Listener(GenServer):
    def init(self) -> None:
        self.seen: list[object] = []

    def handle_info(self, message: object) -> None:
        self.seen.append(message)

    def history(self) -> list[object]:
        return list(self.seen)


def run(scenario: Scenario) -> None:
    async def main() -> None:
        async with System("test") as system:
            await scenario(system, PubSub())

    asyncio.run(main())


async def history(pid: Pid[Listener]) -> list[object]:
    return await pid.call(Listener.history)


@pytest.mark.row("PB-01")
def test_only_equal_topics_match() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        listener = await system.start(Listener)
        pubsub.subscribe("room:1", listener)
        assert pubsub.broadcast("room:1", "yes") == 1
        assert pubsub.broadcast("room:*", "no") == pubsub.broadcast("room:11", "no") == 0
        assert await history(listener) == ["yes"]
        for topic in ("", 7, None):
            with pytest.raises(ValueError, match="non-empty string"):
                pubsub.broadcast(topic, "no")  # type: ignore[arg-type]  # that is the point

    run(scenario)


def test_subscribing_twice_delivers_twice_and_unsubscribing_ends_both() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        listener, other = await system.start(Listener), await system.start(Listener)
        for pid in (listener, listener, other):
            pubsub.subscribe("t", pid)
        assert pubsub.broadcast("t", 1) == 3
        pubsub.unsubscribe("t", listener)
        pubsub.unsubscribe("t", listener)
        assert pubsub.broadcast("t", 2) == 1
        assert await history(listener) == [1, 1]
        assert await history(other) == [1, 2]

    run(scenario)


@pytest.mark.row("PB-03")
def test_a_subscription_ends_with_its_process() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        listener, other = await system.start(Listener), await system.start(Listener)
        for topic in ("a", "b"):
            pubsub.subscribe(topic, listener)
            pubsub.subscribe(topic, other)
        pubsub.unsubscribe("a", other)
        assert pubsub.subscribers("a") == 1
        listener.kill()
        assert (pubsub.subscribers("a"), pubsub.subscribers("b")) == (0, 1)
        assert pubsub.broadcast("a", 1) == 0

    run(scenario)


def test_messages_of_one_broadcaster_arrive_in_order() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        listener = await system.start(Listener)
        pubsub.subscribe("t", listener)
        for number in range(1_000):
            pubsub.broadcast("t", number)
        assert await history(listener) == list(range(1_000))

    run(scenario)


def test_a_full_mailbox_drops_messages_and_counts_them() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        listener = await system.start(Listener, capacity=3)
        pubsub.subscribe("t", listener)
        for number in range(5):
            pubsub.broadcast("t", number)
        await asyncio.sleep(0)
        assert await history(listener) == [0, 1, 2]
        assert listener.process.mailbox.dropped == 2

    run(scenario)


@pytest.mark.row("BP-02")
def test_code_that_is_no_process_subscribes_with_async_with_and_async_for() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        pubsub.broadcast("t", "too early")
        async with pubsub.subscription("t") as messages:
            pubsub.broadcast("t", 1)
            waiting = asyncio.create_task(_take(messages.__aiter__(), 3))
            await asyncio.sleep(0)
            pubsub.broadcast("t", 2)
            pubsub.broadcast("t", 3)
            assert await waiting == [1, 2, 3]
        assert pubsub.subscribers("t") == 0

    run(scenario)


async def _take(messages: object, count: int) -> list[object]:
    taken: list[object] = []
    async for message in messages:  # type: ignore[attr-defined]  # a subscription
        taken.append(message)
        if len(taken) == count:
            break
    return taken


def test_a_slow_reader_loses_the_oldest_and_is_told_how_many() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        async with pubsub.subscription("t", capacity=2) as messages:
            for number in range(5):
                pubsub.broadcast("t", number)
            assert await _take(messages, 2) == [3, 4]
            assert messages.dropped == 3
        with pytest.raises(ValueError, match="at least 1"):
            pubsub.subscription("t", capacity=0)

    run(scenario)
