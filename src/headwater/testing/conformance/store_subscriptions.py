"""Subscriptions: delivery, acknowledgement, checkpoints, and what is refused."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from headwater.clock import Clock, instant
from headwater.errors import (
    AlreadyAcknowledged,
    InvalidSubscription,
    NotDelivered,
    StoreClosed,
    SubscriptionClosed,
    SubscriptionError,
    UnknownType,
)
from headwater.store.model import NewEvent, Recorded, StoredEvent, Undecoded
from headwater.store.query import EventQuery
from headwater.store.store import EventStore
from headwater.store.subscription import TURN, EventSubscription
from headwater.store.subscription_info import SubscriptionInfo
from headwater.store.subscription_owner import CHECKPOINT
from headwater.store.subscription_start import Start, StartFrom
from headwater.telemetry import SpanEvent, Telemetry
from headwater.testing.clock import VirtualClock
from headwater.testing.conformance.store import (
    Deposited,
    Enrolled,
    StoreSuite,
    Withdrawn,
    codec,
    new_id,
    on_store,
    submit_raw,
)


async def take(events: AsyncIterator[Recorded], count: int) -> list[int]:
    """The positions of the next events."""
    async with asyncio.timeout(20):
        return [(await anext(events)).position for _ in range(count)]


def beside(store: EventStore, clock: Clock | None = None, telemetry: Telemetry | None = None) -> EventStore:
    """Another store on the same log, as another process would have it. Not to be closed: it shares the backend."""
    return EventStore(store.adapter, codec(), clock=clock or store.clock, telemetry=telemetry)


async def info_of(store: EventStore, name: str = "mailer") -> SubscriptionInfo:
    """What is known of a subscription that exists."""
    found = await store.subscription_info(name)
    assert found is not None
    return found


async def fill(store: EventStore, count: int, stream: str = "s") -> None:
    """Append events whose amounts are 1, 2, 3 …"""
    await store.append(stream, [Deposited(number) for number in range(1, count + 1)])


class SubscriptionsBase(StoreSuite):
    """What the suites of subscriptions share."""

    def on_clock(
        self, directory: Path, test: Callable[[EventStore, VirtualClock], Coroutine[object, object, None]]
    ) -> None:
        """Run a test on a store whose time stands still until the test moves it."""

        async def main() -> None:
            clock = VirtualClock()
            async with await self.open(directory, clock) as store:
                await test(store, clock)

        asyncio.run(main())


class SubscriptionsSuite(SubscriptionsBase):
    """What a backend must do so that named subscriptions keep their promises."""

    # --- delivery ------------------------------------------------------------------------------------------------

    @pytest.mark.row("ES-12", "ES-19", "BG-01")
    @on_store
    async def test_old_events_come_first_then_new_ones(self, store: EventStore) -> None:
        await fill(store, 2_500)
        async with store.subscription("mailer", max_unacknowledged=400) as events:
            seen: list[int] = []
            async for event in events:
                assert isinstance(event.event, Deposited)
                seen.append(event.position)
                await events.ack(event)
                if event.position == 2_500:
                    await store.append("t", [Deposited(n) for n in range(100)])
                if event.position == 2_600:
                    break
            assert seen == list(range(1, 2_601))

    @pytest.mark.row("ES-12", "BG-01", "ES-21")
    @on_store
    async def test_who_enters_again_gets_what_was_not_acknowledged(self, store: EventStore) -> None:
        await fill(store, 10)
        async with store.subscription("mailer") as events:
            for _ in range(4):
                await events.ack(await anext(events))
            await anext(events)
        assert (await info_of(store)).checkpoint == 4
        with pytest.raises(RuntimeError, match="on purpose"):
            await _fail_after(store.subscription("mailer"), [5, 6, 7])
        async with store.subscription("mailer") as events:
            batch = await anext(events.batches())
            assert [event.position for event in batch] == [5, 6, 7, 8, 9, 10]
            await events.ack_many([batch[0], batch[3], batch[1]])
        async with store.subscription("mailer") as events:
            assert await take(events, 4) == [7, 8, 9, 10]  # 8 was done, but 7 lies before it
        assert (await info_of(store)).checkpoint == 6

    def test_the_checkpoint_is_there_after_reopening(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with await self.open(tmp_path) as store:
                await fill(store, 10)
                async with store.subscription("mailer", raw=True) as events:
                    await events.ack_up_to([await anext(events) for _ in range(3)][-1])
            if not self.capabilities.durable:
                return
            async with await self.open(tmp_path) as store, store.subscription("mailer") as events:
                assert await take(events, 7) == [4, 5, 6, 7, 8, 9, 10]

        asyncio.run(main())

    @pytest.mark.row("ES-14")
    @pytest.mark.parametrize("most", [1, 7])
    @on_store
    async def test_no_more_than_allowed_are_unacknowledged(self, store: EventStore, most: int) -> None:
        await fill(store, 50)
        async with store.subscription("mailer", max_unacknowledged=most) as events:
            taken = [await anext(events) for _ in range(most)]
            found = await info_of(store)
            assert (found.phase, found.unacknowledged, found.consumers) == ("full", most, 1)
            await events.ack(taken.pop())
            assert await take(events, 1) == [most + 1]
            assert (await info_of(store)).unacknowledged == most

    @pytest.mark.row("ES-12")
    @pytest.mark.parametrize(
        ("start", "first"),
        [(Start.ORIGIN, 1), (0, 1), (4, 5), (Start.HEAD, 9), (datetime(2023, 11, 14, tzinfo=UTC), 1)],
    )
    def test_where_it_begins(self, tmp_path: Path, start: StartFrom, first: int) -> None:
        async def test(store: EventStore, clock: VirtualClock) -> None:
            await fill(store, 4)
            moment = instant(clock.wall() // 1_000)
            clock.advance(60.0)
            await store.append("s", [Deposited(5), Deposited(6)])
            await store.append("t", [Deposited(7), Deposited(8)])
            async with store.subscription("mailer", start_from=start) as events:
                await store.append("s", [Deposited(9)])
                assert await take(events, 1) == [first]
            async with store.subscription("later", start_from=moment) as events:
                assert await take(events, 1) == [5]
            async with store.subscription("mailer", start_from=Start.HEAD) as events:
                assert await take(events, 1) == [first], "it is not new any more"

        self.on_clock(tmp_path, test)

    @pytest.mark.row("ES-12")
    def test_of_one_stream(self, tmp_path: Path) -> None:
        async def test(store: EventStore, clock: VirtualClock) -> None:
            for number in range(6):
                await store.append("s", [Deposited(number)])
                await store.append("t", [Withdrawn(number)])
                clock.advance(1.0)
            await store.link("s", [2])
            async with store.subscription("all", stream="s") as events:
                assert await take(events, 7) == [1, 3, 5, 7, 9, 11, 2]
            async with store.subscription("from 5", stream="s", start_from=5) as events:
                assert await take(events, 2) == [11, 2]
            moment = instant(clock.wall() // 1_000 - 3_500_000)
            async with store.subscription("from a moment", stream="s", start_from=moment) as events:
                assert await take(events, 3) == [7, 9, 11]
            async with store.subscription("new", stream="s", start_from=Start.HEAD) as events:
                await store.append("s", [Deposited(7)])
                event = await anext(events)
                assert (event.position, event.version) == (13, 8)
                await events.ack(event)
            assert (await info_of(store, "new")).checkpoint == 8
            async with store.subscription("none yet", stream="u", start_from=Start.HEAD) as events:
                await store.append("u", [Deposited(8)])
                assert await take(events, 1) == [14]
            with pytest.raises(InvalidSubscription, match="'all' reads stream 's', not the whole log"):
                await store.subscription("all").__aenter__()

        self.on_clock(tmp_path, test)

    @pytest.mark.row("ES-12", "ES-16")
    @pytest.mark.parametrize("stream", [None, "s"])
    def test_what_is_not_asked_for_moves_the_checkpoint_too(self, tmp_path: Path, stream: str | None) -> None:
        async def test(store: EventStore, clock: VirtualClock) -> None:
            await store.append("s", [Withdrawn(1), *[Deposited(n) for n in range(2_000)], Withdrawn(2)])
            query = store.query(Withdrawn)
            written = asyncio.Event()
            telemetry = Telemetry(clock)
            telemetry.attach(CHECKPOINT, lambda span: written.set() if span.phase == "stop" else None)
            consumer = beside(store, telemetry=telemetry)
            async with consumer.subscription("mailer", stream=stream, query=query, checkpoint_within=1.0) as events:
                first = await anext(events)
                await store.append("s", [Deposited(n) for n in range(1_000)])
                assert (first.position, (await anext(events)).position) == (1, 2_002)
                await events.flush()
                assert (await info_of(store)).checkpoint == 0, "the first one isn't acknowledged"
                await events.ack_up_to(first)
                await events.flush()
                assert (await info_of(store)).checkpoint == 2_001, "up to the next one"
            async with consumer.subscription("mailer", stream=stream, query=query) as events:
                event = await anext(events)
                assert event.position == 2_002
                await events.ack(event)
                while (await info_of(store)).checkpoint < 3_002:
                    written.clear()
                    clock.advance(1.0)
                    async with asyncio.timeout(20):
                        await written.wait()
                assert (await info_of(store)).lag == 0

        self.on_clock(tmp_path, test)

    @pytest.mark.row("ES-12")
    @on_store
    async def test_an_event_that_cannot_be_decoded(self, store: EventStore) -> None:
        await fill(store, 1)
        await submit_raw(store, [("s", [NewEvent("unheard of", 1, b"{}", new_id())])]).answer
        await fill(store, 1)
        async with store.subscription("mailer") as events:
            await events.ack(await anext(events))
            for _ in range(2):
                with pytest.raises(UnknownType, match="position 2"):
                    await anext(events)
        async with store.subscription("mailer", undecodable="keep") as events:
            kept = await anext(events)
            assert isinstance(kept.event, Undecoded)
            await events.ack(kept)
            assert await take(events, 1) == [3]

    @on_store
    async def test_a_consumer_that_never_waits_lets_others_run(self, store: EventStore) -> None:
        await fill(store, 2_000)
        turns: Counter[int] = Counter()
        number = 0

        async def take_turns() -> None:
            nonlocal number
            while True:
                number += 1
                await asyncio.sleep(0)

        other = asyncio.ensure_future(take_turns())
        async with store.subscription("mailer", max_unacknowledged=2_000) as events:
            async for event in events:
                turns[number] += 1
                if event.position == 2_000:
                    break
        other.cancel()
        assert max(turns.values()) <= TURN

    # --- checkpoints ---------------------------------------------------------------------------------------------

    @pytest.mark.row("ES-16")
    def test_a_checkpoint_is_written_after_so_many_or_so_long(self, tmp_path: Path) -> None:
        async def test(store: EventStore, clock: VirtualClock) -> None:
            places: list[object] = []
            written = asyncio.Event()

            def note(span: SpanEvent) -> None:
                if span.phase == "stop":
                    places.append(span.metadata["place"])
                    written.set()

            telemetry = Telemetry(clock)
            telemetry.attach(CHECKPOINT, note)
            consumer = beside(store, telemetry=telemetry)
            await fill(store, 20)
            async with consumer.subscription("mailer", checkpoint_every=5, checkpoint_within=2.0) as events:
                for _ in range(5):
                    await events.ack(await anext(events))
                async with asyncio.timeout(20):
                    await written.wait()
                assert places == [5]
                written.clear()
                await events.ack(await anext(events))
                clock.advance(1.0)
                assert (await info_of(store)).checkpoint == 5
                clock.advance(1.5)
                async with asyncio.timeout(20):
                    await written.wait()
                assert places == [5, 6]
                await events.ack(await anext(events))
                await events.flush()
                assert places == [5, 6, 7]
                await events.flush()
                assert places == [5, 6, 7]
                await events.ack(await anext(events))
            assert (await info_of(store)).checkpoint == 8, "leaving writes it down"

        self.on_clock(tmp_path, test)

    # --- what is refused ---------------------------------------------------------------------------------------------

    @pytest.mark.row("ES-13")
    @on_store
    async def test_wrong_acknowledgements_change_nothing(self, store: EventStore) -> None:
        await fill(store, 6)
        elsewhere = [event async for event in store.read_all()]
        async with store.subscription("mailer", max_unacknowledged=4) as events:
            taken = [await anext(events) for _ in range(4)]
            await events.ack(elsewhere[1])  # the same event, by another way
            with pytest.raises(AlreadyAcknowledged, match="at 2"):
                await events.ack(taken[1])
            with pytest.raises(NotDelivered, match="at 6"):
                await events.ack_many([taken[0], elsewhere[5]])
            with pytest.raises(AlreadyAcknowledged, match="twice"):
                await events.ack_many([taken[0], taken[0]])
            with pytest.raises(NotDelivered):
                await events.ack_up_to(elsewhere[5])
            forged = Recorded(taken[0].event, _other_id(taken[0].stored))
            with pytest.raises(NotDelivered):
                await events.ack(forged)
            await events.flush()
            found = await info_of(store)
            assert (found.checkpoint, found.unacknowledged) == (0, 4), "nothing of it took effect"
            await events.ack_many([])
        with pytest.raises(SubscriptionClosed):
            await events.ack(taken[0])
        with pytest.raises(SubscriptionClosed):
            await anext(events)
        with pytest.raises(SubscriptionClosed):
            await store.subscription("mailer").flush()
        with pytest.raises(SubscriptionError, match="entered once"):
            await events.__aenter__()

    @pytest.mark.row("ES-12")
    @on_store
    async def test_what_cannot_be(self, store: EventStore) -> None:
        attempts: list[Callable[[], object]] = [
            lambda: store.subscription(""),
            lambda: store.subscription("x" * 256),
            lambda: store.subscription("x\n"),
            lambda: store.subscription("x", max_unacknowledged=0),
            lambda: store.subscription("x", max_consumers=0),
            lambda: store.subscription("x", checkpoint_every=0),
            lambda: store.subscription("x", checkpoint_within=0.0),
            lambda: store.subscription("x", lease=-1.0),
            lambda: store.subscription("x", lease=float("nan")),
            lambda: store.subscription("x", wait=-1.0),
            lambda: store.subscription("x", start_from=-1),
            lambda: store.subscription("x", start_from=datetime(2026, 1, 1)),  # noqa: DTZ001 - that is the fault
        ]
        for attempt in attempts:
            with pytest.raises(InvalidSubscription):
                attempt()
        with pytest.raises(InvalidSubscription, match="no time zone"):
            await anext(store.subscribe(datetime(2026, 1, 1)))  # noqa: DTZ001
        assert [one async for one in store.subscriptions()] == []

    def test_closing_the_store_ends_subscriptions(self, tmp_path: Path) -> None:
        async def main() -> None:
            store = await self.open(tmp_path)
            await fill(store, 3)
            async with store.subscription("mailer") as events:
                done = await anext(events)
                await events.ack(done)
                waiting = asyncio.ensure_future(_rest(events))
                await asyncio.sleep(0)
                await store.close()
                await waiting
                with pytest.raises(SubscriptionClosed):
                    await events.ack(done)
            with pytest.raises(StoreClosed):
                await store.subscription("mailer").__aenter__()
            if self.capabilities.durable:
                async with await self.open(tmp_path) as store:
                    found = await info_of(store)
                    assert (found.checkpoint, found.owner) == (1, None)

        asyncio.run(main())

    @pytest.mark.row("ES-18")
    @on_store
    async def test_an_idle_subscription_has_no_task(self, store: EventStore) -> None:
        await fill(store, 5)
        async with store.subscription("mailer", checkpoint_every=1) as events:
            await events.ack_up_to([await anext(events) for _ in range(5)][-1])
            await events.flush()
            while events.phase != "live":
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert [task for task in asyncio.all_tasks() if task.get_name() == "headwater-subscription"] == []

    # --- transient ---------------------------------------------------------------------------------------------------

    @pytest.mark.row("ES-11")
    @on_store
    async def test_transient_subscriptions(self, store: EventStore) -> None:
        await fill(store, 3)
        async with (
            aclosing(store.subscribe()) as everything,
            aclosing(store.subscribe(Start.HEAD, query=store.query(Withdrawn))) as new,
            aclosing(store.subscribe(Start.HEAD, "t")) as stream,
            aclosing(store.subscribe(query=EventQuery.of(tags=["student:s-1"]))) as tagged,
        ):
            coming = [asyncio.ensure_future(anext(one)) for one in (new, stream, tagged)]
            assert await take(everything, 3) == [1, 2, 3]
            while not all(task.done() for task in coming):  # they begin at the head: append until all have begun
                await store.append("s", [Deposited(4), Withdrawn(5)])
                await store.append("t", [Enrolled("c-1", "s-1")])
                await asyncio.sleep(0)
            kinds = [type((await task).event) for task in coming]
            assert kinds == [Withdrawn, Enrolled, Enrolled]
        assert [one async for one in store.subscriptions()] == []


def _other_id(event: StoredEvent) -> StoredEvent:
    return msgspec.structs.replace(event, id_bytes=new_id())


async def _fail_after(subscription: EventSubscription[Recorded], positions: list[int]) -> None:
    async with subscription as events:
        assert await take(events, len(positions)) == positions
        raise RuntimeError("on purpose")


async def _rest(events: EventSubscription[Recorded]) -> list[int]:
    return [event.position async for event in events]
