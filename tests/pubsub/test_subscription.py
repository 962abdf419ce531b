"""Subscriptions of code that is no process."""

import asyncio
from collections.abc import Callable

import pytest

from headwater import Dropped, PubSub, System
from headwater.errors import InvalidTopicSubscription, NotSubscribed, SubscriberTooSlow
from headwater.pubsub.buffer import Overflow
from tests.pubsub.driving import Listener, Quote, Trade, drain, history, run, settle, take


@pytest.mark.row("BP-02")
def test_messages_come_from_the_beginning_of_the_block_to_its_end() -> None:
    async def scenario(_: System, pubsub: PubSub) -> None:
        subscription = pubsub.subscription("t")
        pubsub.broadcast("t", "too early")
        async with subscription as messages:
            pubsub.broadcast("t", 1)
            waiting = asyncio.create_task(take(messages, 3))
            await settle()
            pubsub.broadcast("t", 2)
            await settle()
            pubsub.broadcast("t", 3)
            pubsub.broadcast("other", "no")
            assert await waiting == [1, 2, 3]
            assert pubsub.subscribers("t") == 1
        assert pubsub.subscribers("t") == len(pubsub) == 0
        pubsub.broadcast("t", "too late")
        async with subscription as messages:
            pubsub.broadcast("t", 4)
            assert await take(messages, 1) == [4]

    run(scenario)


@pytest.mark.row("BP-02")
def test_async_for_gives_one_message_after_the_other() -> None:
    async def scenario(_: System, pubsub: PubSub) -> None:
        total = 0

        async def add_up() -> None:
            nonlocal total
            async with pubsub.subscription("t", of=Trade) as trades:
                async for trade in trades:
                    total += trade.price
                    if trade.price == 99:
                        break

        reader = asyncio.create_task(add_up())
        await settle()
        for price in range(100):
            pubsub.broadcast("t", Trade(price))
            await asyncio.sleep(0)
        await reader
        assert total == sum(range(100))
        assert len(pubsub) == 0

    run(scenario)


@pytest.mark.row("BP-02")
def test_a_typed_subscription_passes_over_other_messages() -> None:
    async def scenario(_: System, pubsub: PubSub) -> None:
        async with pubsub.subscription("t", of=Trade, capacity=1) as trades:
            for message in (Quote("A", 1), "text", Trade(1), 7):
                pubsub.broadcast("t", message)
            trade: Trade = await anext(trades)
            assert trade == Trade(1)
            assert trades.waiting == 0

    run(scenario)


@pytest.mark.row("BP-02")
def test_a_subscription_ends_when_its_block_is_cancelled_or_raises() -> None:
    async def scenario(_: System, pubsub: PubSub) -> None:
        async def read() -> None:
            async with pubsub.subscription("t") as messages:
                await drain(messages)

        reader = asyncio.create_task(read())
        await settle()
        assert pubsub.subscribers("t") == 1
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert pubsub.subscribers("t") == 0
        with pytest.raises(OSError, match="on purpose"):
            async with pubsub.subscription("t"):
                raise OSError("on purpose")
        assert len(pubsub) == 0

    run(scenario)


def test_a_wait_that_is_cancelled_loses_nothing() -> None:
    async def scenario(_: System, pubsub: PubSub) -> None:
        async with pubsub.subscription("t") as messages:
            for number in range(20):
                waiting = asyncio.create_task(take(messages, 1))
                await settle()
                if number % 2:
                    waiting.cancel()
                pubsub.broadcast("t", number)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
                assert await take(messages, 1) == [number]

    run(scenario)


def test_a_subscription_is_read_within_its_block_and_entered_once() -> None:
    async def scenario(_: System, pubsub: PubSub) -> None:
        subscription = pubsub.subscription("t")
        with pytest.raises(NotSubscribed, match="outside"):
            await anext(subscription)
        async with subscription:
            with pytest.raises(NotSubscribed, match="entered already"):
                await subscription.__aenter__()
            assert pubsub.subscribers("t") == 1
            pubsub.broadcast("t", 1)
        with pytest.raises(NotSubscribed):
            await anext(subscription)
        assert len(pubsub) == 0

    run(scenario)


def test_when_the_pubsub_is_stopped_the_reader_gets_what_waits_and_the_end() -> None:
    async def scenario(_: System, pubsub: PubSub) -> None:
        async with pubsub.subscription("t") as messages, pubsub.subscription("t") as idle:
            waiting = asyncio.create_task(drain(idle))
            await settle()
            pubsub.broadcast("t", 1)
            pubsub.broadcast("t", 2)
            await pubsub.stop()
            assert await drain(messages) == await waiting == [1, 2]
            assert await drain(messages) == []

    run(scenario)


def test_when_the_pubsub_is_stopped_a_reader_that_waits_goes_on() -> None:
    async def scenario(_: System, pubsub: PubSub) -> None:
        async with pubsub.subscription("t") as messages:
            waiting = asyncio.create_task(drain(messages))
            await settle()
            await pubsub.stop()
            async with asyncio.timeout(10):
                assert await waiting == []

    run(scenario)


def test_what_was_not_read_within_the_block_is_forgotten() -> None:
    async def scenario(_: System, pubsub: PubSub) -> None:
        subscription = pubsub.subscription("t", capacity=1)
        async with subscription:
            pubsub.broadcast("t", 1)
            pubsub.broadcast("t", 2)
            subscription.send("late: it is disconnected")
        subscription.send("late: it is left")
        async with subscription as messages:
            pubsub.broadcast("t", 3)
            assert await take(messages, 1) == [3]
            await pubsub.stop()
            subscription.send("late: it has ended")
            assert await drain(messages) == []

    run(scenario)


# --- too slow ------------------------------------------------------------------------------------------------


@pytest.mark.row("BP-01")
def test_a_slow_reader_is_disconnected_behind_what_waits() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        listener = await system.start(Listener, pubsub, "t")
        async with pubsub.subscription("t", capacity=2) as messages:
            for number in range(4):
                pubsub.broadcast("t", number)
            assert pubsub.subscribers("t") == 1  # the process
            assert await take(messages, 2) == [0, 1]
            for _ in range(2):
                with pytest.raises(SubscriberTooSlow, match="'t' was too slow: 2 messages") as caught:
                    await anext(messages)
                assert (caught.value.topic, caught.value.capacity) == ("t", 2)
        assert await history(listener) == [0, 1, 2, 3]
        assert len(pubsub) == 1

    run(scenario)


@pytest.mark.row("BP-01")
@pytest.mark.parametrize(
    ("overflow", "expected"),
    [("drop_oldest", [Dropped("t", 3), 3, 4, 5]), ("drop_newest", [0, 1, Dropped("t", 3), 5])],
)
def test_a_slow_reader_is_told_how_many_it_has_lost(overflow: Overflow, expected: list[object]) -> None:
    async def scenario(_: System, pubsub: PubSub) -> None:
        async with pubsub.subscription("t", capacity=2, overflow=overflow) as messages:
            for number in range(5):
                pubsub.broadcast("t", number)
            assert (messages.dropped, messages.waiting) == (3, 2)
            seen = await take(messages, 2)
            pubsub.broadcast("t", 5)
            seen += await take(messages, 2)
            assert seen == expected

    run(scenario)


@pytest.mark.row("BP-01")
def test_a_slow_reader_gets_the_newest_of_each_key() -> None:
    async def scenario(_: System, pubsub: PubSub) -> None:
        symbol: Callable[[Quote], str] = lambda quote: quote.symbol  # noqa: E731 - its type is the point
        async with pubsub.subscription("t", of=Quote, capacity=3, coalesce=symbol) as quotes:
            for bid in range(1_000):
                pubsub.broadcast("t", Quote("ABC"[bid % 3], bid))
            assert await take(quotes, 3) == [Quote("A", 999), Quote("B", 997), Quote("C", 998)]
            assert (quotes.coalesced, quotes.dropped) == (997, 0)

    run(scenario)


@pytest.mark.row("BP-01")
def test_one_slow_reader_harms_no_other() -> None:
    async def scenario(_: System, pubsub: PubSub) -> None:
        async with (
            pubsub.subscription("t", capacity=1) as slow,
            pubsub.subscription("t", capacity=1, overflow="drop_oldest") as loose,
            pubsub.subscription("t", capacity=100) as quick,
        ):
            for number in range(10):
                assert pubsub.broadcast("t", number) == (3 if number < 2 else 2)
            assert await take(quick, 10) == list(range(10))
            assert await take(loose, 2) == [Dropped("t", 9), 9]
            assert await take(slow, 1) == [0]

    run(scenario)


def test_a_key_function_that_raises_ends_its_own_subscription_only() -> None:
    async def scenario(system: System, pubsub: PubSub) -> None:
        listener = await system.start(Listener, pubsub, "t")
        async with pubsub.subscription("t", of=Quote, coalesce=lambda quote: 1 // quote.bid) as quotes:
            pubsub.broadcast("t", Quote("A", 1))
            pubsub.broadcast("t", Quote("A", 0))
            pubsub.broadcast("t", Quote("A", 2))
            assert await anext(quotes) == Quote("A", 1)
            with pytest.raises(ZeroDivisionError):
                await anext(quotes)
        assert len(await history(listener)) == 3

    run(scenario)


def test_settings_that_make_no_sense_are_refused_at_once() -> None:
    async def scenario(_: System, pubsub: PubSub) -> None:
        with pytest.raises(InvalidTopicSubscription, match="at least 1 message, not 0"):
            pubsub.subscription("t", capacity=0)
        with pytest.raises(InvalidTopicSubscription, match="at least 1 message, not 'many'"):
            pubsub.subscription("t", capacity="many")  # type: ignore[call-overload]  # that is the point
        with pytest.raises(InvalidTopicSubscription, match="'block'"):
            pubsub.subscription("t", overflow="block")  # type: ignore[call-overload]  # that is the point
        assert len(pubsub) == 0

    run(scenario)
