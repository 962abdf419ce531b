"""Processes as consumers."""

from __future__ import annotations

import asyncio
import logging

import msgspec
import pytest

from headwater import (
    Child,
    Down,
    DynamicSupervisor,
    EventsArrived,
    EventStore,
    GenServer,
    Pid,
    ProcessSubscription,
    Recorded,
    Subscribed,
    SubscriptionEnded,
    SubscriptionInfo,
    SubscriptionOptions,
    System,
)
from headwater.errors import AlreadyAcknowledged, NotDelivered, ProcessDown, SubscriptionClosed, SubscriptionLost

from ..driving import Deposited, codec, scenario

OPTIONS = SubscriptionOptions(name="mailer", max_unacknowledged=3)
SHARED = msgspec.structs.replace(OPTIONS, max_consumers=2, partition_by=lambda event: event.stream)


class Mailer(GenServer):
    """Keeps what comes, and acknowledges what it is told to."""

    def init(self) -> None:
        self.messages: list[object] = []
        self.events: list[Recorded] = []

    def handle_info(self, message: object) -> None:
        self.messages.append(message)
        if isinstance(message, EventsArrived):
            self.events += message.events

    def watch(self, pid: Pid[object]) -> None:
        self.monitor(pid)

    async def hold(self, go_on: asyncio.Event) -> None:
        await go_on.wait()

    def history(self) -> list[object]:
        return list(self.messages)

    def positions(self) -> list[int]:
        return [event.position for event in self.events]

    def ack(self, subscription: ProcessSubscription, *indexes: int) -> None:
        subscription.ack_many([self.events[index] for index in indexes])

    def ack_up_to(self, subscription: ProcessSubscription, index: int) -> None:
        subscription.ack_up_to(self.events[index])


async def store_with(*streams: str) -> EventStore:
    store = await EventStore.open("memory://", codec())
    for stream in streams:
        await store.append(stream, [Deposited(1)])
    return store


async def positions(pid: Pid[Mailer], count: int) -> list[int]:
    """What has come, once it is so many events."""
    while len(found := await pid.call(Mailer.positions)) < count:
        await asyncio.sleep(0)
    return found


async def messages(pid: Pid[Mailer], count: int) -> list[object]:
    while len(found := await pid.call(Mailer.history)) < count:
        await asyncio.sleep(0)
    return found


async def info_of(store: EventStore) -> SubscriptionInfo:
    info = await store.subscription_info("mailer")
    assert info is not None
    return info


@pytest.mark.row("ES-13", "ES-14", "ES-21")
@scenario
async def test_events_come_as_messages_and_are_acknowledged_from_handlers() -> None:
    async with await store_with(*"ssssssssss") as store, System("test") as system:
        pid = await system.start(Mailer)
        subscription = await store.subscribe_process(pid, OPTIONS)
        assert await positions(pid, 3) == [1, 2, 3]
        first, second = (await messages(pid, 2))[:2]
        assert first == Subscribed(subscription)
        assert isinstance(second, EventsArrived)
        assert [event.event for event in second.events] == [Deposited(1)] * 3
        await pid.call(Mailer.ack, subscription, 0)
        assert await positions(pid, 4) == [1, 2, 3, 4]
        await pid.call(Mailer.ack_up_to, subscription, 2)
        pid.cast(Mailer.ack, subscription, 3)
        assert await positions(pid, 7) == [1, 2, 3, 4, 5, 6, 7]
        await subscription.leave()
        await subscription.leave()
        found = await info_of(store)
        assert (found.checkpoint, found.owner) == (4, None), "leaving keeps the checkpoint"
        with pytest.raises(ProcessDown) as down:
            await pid.call(Mailer.ack, subscription, 4)
        assert isinstance(down.value.__cause__, SubscriptionClosed)


@pytest.mark.row("ES-13")
@scenario
async def test_wrong_acknowledgements() -> None:
    async with await store_with(*"ssssss") as store, System("test") as system:
        pid = await system.start(Mailer)
        subscription = await store.subscribe_process(pid, OPTIONS)
        await positions(pid, 3)
        events = [event async for event in store.read_all()]
        subscription.ack(events[1])  # from anywhere on the loop
        with pytest.raises(AlreadyAcknowledged):
            subscription.ack(events[1])
        with pytest.raises(NotDelivered):
            subscription.ack_many([events[0], events[5]])
        assert (await info_of(store)).unacknowledged == 3


@pytest.mark.row("ES-15", "BG-01", "ES-13")
@scenario
async def test_what_a_dead_process_had_goes_to_others_before_anybody_hears_of_its_end() -> None:
    async with await store_with(*"aabab") as store, System("test") as system:
        first, second, watcher = [await system.start(Mailer) for _ in range(3)]
        await watcher.call(Mailer.watch, first)
        await store.subscribe_process(first, SHARED)
        assert await positions(first, 3) == [1, 2, 3]
        await store.subscribe_process(second, SHARED)
        consumers: list[int] = []

        def at_the_end(_: object) -> None:
            owner = store._subscriptions.find("mailer")
            assert owner is not None
            consumers.append(owner.machine.consumers)

        first.watch(at_the_end)
        first.kill()
        assert consumers == [1], "it has left by then"
        assert await positions(second, 3) == [1, 2, 3]
        assert isinstance((await messages(watcher, 1))[0], Down)


@pytest.mark.row("ES-13", "ES-17")
@scenario
async def test_the_last_process_that_dies_gives_the_lease_back() -> None:
    async with await store_with(*"sss") as store, System("test") as system:
        pid = await system.start(Mailer)
        subscription = await store.subscribe_process(pid, OPTIONS)
        await positions(pid, 3)
        await pid.call(Mailer.ack, subscription, 0)
        await pid.stop()
        async with store.subscription("mailer", max_unacknowledged=3, wait=0) as events:
            assert (await anext(events)).position == 2
        await store.subscribe_process(pid, OPTIONS)  # dead already
        while (await info_of(store)).owner is not None:
            await asyncio.sleep(0)


class Faithful(Mailer):
    """Subscribes by itself, and dies of one event the first time."""

    async def init(self, store: EventStore, fail: list[int]) -> None:  # type: ignore[override]
        super().init()
        self.fail = fail
        await store.subscribe_process(self.pid, OPTIONS)

    def handle_info(self, message: object) -> None:
        super().handle_info(message)
        if isinstance(message, EventsArrived):
            for event in message.events:
                if event.position in self.fail:
                    self.fail.remove(event.position)
                    raise RuntimeError("on purpose")
                message.subscription.ack(event)


@pytest.mark.row("ES-13", "BG-01")
@scenario
async def test_a_supervised_process_that_dies_of_an_event_gets_it_again() -> None:
    logging.disable(logging.CRITICAL)
    async with await store_with(*"ssssss") as store, System("test") as system:
        supervisor = await system.start(DynamicSupervisor)
        child = Child(Faithful, store, [2], name="mailer", restart="permanent")
        await supervisor.call(DynamicSupervisor.start_child, child)
        while (await info_of(store)).unacknowledged or system.whereis("mailer") is None:
            await asyncio.sleep(0)
        while await positions(system.named(Faithful, "mailer"), 5) != [2, 3, 4, 5, 6]:
            await asyncio.sleep(0)
    logging.disable(logging.NOTSET)


@pytest.mark.row("ES-14")
@scenario
async def test_events_find_room_in_a_full_mailbox() -> None:
    async with await store_with(*"sss") as store, System("test") as system:
        pid = await system.start(Mailer, capacity=1)
        go_on = asyncio.Event()
        pid.cast(Mailer.hold, go_on)
        await asyncio.sleep(0)
        pid.send("full")
        subscription = await store.subscribe_process(pid, OPTIONS)
        while (await info_of(store)).unacknowledged < 3:
            await asyncio.sleep(0)
        pid.send("dropped")
        go_on.set()
        while len(pid.process.mailbox):
            await asyncio.sleep(0)
        full, subscribed, arrived = await pid.call(Mailer.history)
        assert (full, subscribed) == ("full", Subscribed(subscription))
        assert isinstance(arrived, EventsArrived)


@pytest.mark.row("ES-13", "ES-21")
@scenario
async def test_a_process_hears_of_the_end() -> None:
    store = await store_with("s")
    async with System("test") as system:
        pid = await system.start(Mailer)
        lost = await store.subscribe_process(pid, OPTIONS)
        await positions(pid, 1)
        await store.reset_subscription("mailer", force=True)
        ended = (await messages(pid, 3))[2]
        assert isinstance(ended, SubscriptionEnded)
        assert (ended.subscription, type(ended.error)) == (lost, SubscriptionLost)
        closed = await store.subscribe_process(pid, OPTIONS)
        await positions(pid, 2)
        await store.close()
        ended = (await messages(pid, 6))[5]
        assert isinstance(ended, SubscriptionEnded)
        assert (ended.subscription, ended.error) == (closed, None)
