"""Named subscriptions: several consumers, one owner, and looking after them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from headwater.errors import (
    InvalidSubscription,
    SubscriptionError,
    SubscriptionLost,
    SubscriptionNotFound,
    SubscriptionTaken,
    TooManyConsumers,
)
from headwater.store.model import Recorded, StoredEvent
from headwater.store.store import EventStore
from headwater.store.subscription import EventSubscription
from headwater.store.subscription_adapter import Checkpoint, Claim
from headwater.store.subscription_start import Start
from headwater.testing.clock import VirtualClock
from headwater.testing.conformance.store import (
    Deposited,
    on_store,
)
from headwater.testing.conformance.store_subscriptions import SubscriptionsBase, beside, fill, info_of, take

LEASE = 30.0


class SubscriptionOwnersSuite(SubscriptionsBase):
    """What a backend must do so that a subscription has one owner, and its consumers share it."""

    # --- several consumers -----------------------------------------------------------------------------------------

    @pytest.mark.row("ES-15", "BG-01")
    @on_store
    async def test_several_consumers_share_the_events(self, store: EventStore) -> None:
        await fill(store, 9)
        async with AsyncExitStack() as stack:
            first, second, third = [
                await stack.enter_async_context(store.subscription("mailer", max_consumers=3, max_unacknowledged=3))
                for _ in range(3)
            ]
            with pytest.raises(TooManyConsumers, match="3 consumers"):
                await stack.enter_async_context(store.subscription("mailer", max_consumers=3, max_unacknowledged=3))
            with pytest.raises(InvalidSubscription, match="max_unacknowledged 3 already, not 4"):
                await stack.enter_async_context(store.subscription("mailer", max_consumers=3, max_unacknowledged=4))
            got = [await take(one, 3) for one in (first, second, third)]
            assert sorted(position for positions in got for position in positions) == list(range(1, 10))
            assert (await info_of(store)).consumers == 3

    @pytest.mark.row("ES-15", "BG-01")
    @on_store
    async def test_a_key_is_handled_in_order_and_handed_over(self, store: EventStore) -> None:
        for number in range(1, 5):
            for stream in "abc":
                await store.append(stream, [Deposited(number)])

        def consumer() -> EventSubscription[Recorded]:
            return store.subscription(
                "mailer", max_consumers=2, max_unacknowledged=6, partition_by=lambda event: event.stream
            )

        async with consumer() as first:
            batch = await anext(first.batches())
            assert [event.position for event in batch] == [1, 2, 3, 4, 5, 6]
            async with consumer() as second:
                waiting = asyncio.ensure_future(anext(second))
                await asyncio.sleep(0)
                assert not waiting.done(), "the first one has events of each key"
                await first.ack_many([event for event in batch if event.stream == "b"])
                await first.__aexit__(None, None, None)
                events = [await waiting, *[await anext(second) for _ in range(5)]]
                assert [event.position for event in events] == [1, 3, 4, 6, 7, 8]
                await second.ack_up_to(events[-1])
                assert await take(second, 4) == [9, 10, 11, 12]
        assert (await info_of(store)).checkpoint == 8

    # --- one owner -------------------------------------------------------------------------------------------------

    @pytest.mark.row("ES-17")
    def test_the_next_owner_waits_for_the_lease(self, tmp_path: Path) -> None:
        async def test(store: EventStore, clock: VirtualClock) -> None:
            await fill(store, 3)
            other = beside(store)
            async with store.subscription("mailer", lease=LEASE) as events:
                await events.ack(await anext(events))
                with pytest.raises(SubscriptionTaken, match="'mailer' belongs to process") as taken:
                    await other.subscription("mailer", wait=0).__aenter__()
                assert taken.value.owner
                waiting = asyncio.ensure_future(other.subscription("mailer", lease=LEASE).__aenter__())
                while clock.pending < 3:  # it waits for its next attempt, beside a renewal and a checkpoint
                    await asyncio.sleep(0)
                assert not waiting.done()
                assert (await info_of(store)).owner == taken.value.owner
            while not waiting.done():
                clock.advance(0.5)
                await asyncio.sleep(0.001)
            assert await take(await waiting, 2) == [2, 3]
            await (await waiting).__aexit__(None, None, None)
            assert (await info_of(store)).owner is None

        self.on_clock(tmp_path, test)

    @pytest.mark.row("ES-17", "BG-01")
    def test_a_stale_owner_is_fenced_off(self, tmp_path: Path) -> None:
        async def test(store: EventStore, clock: VirtualClock) -> None:
            """The first owner's process hangs: its clock stands still, the other's goes on."""
            await fill(store, 10)
            later = VirtualClock(clock.wall() + round((LEASE + 1) * 1e9))
            other = beside(store, later)
            stale = await store.subscription("mailer", lease=LEASE, checkpoint_every=1).__aenter__()
            await stale.ack(await anext(stale))
            await stale.flush()
            taken = await anext(stale)
            async with other.subscription("mailer", wait=0, checkpoint_every=1) as events:
                assert await take(events, 2) == [2, 3]
                await stale.ack(taken)
                with pytest.raises(SubscriptionLost, match="another owner"):
                    await stale.flush()
                assert (await info_of(other)).checkpoint == 1, "its write was refused"
                with pytest.raises(SubscriptionLost):
                    await anext(stale)
                with pytest.raises(SubscriptionLost):
                    await stale.ack(taken)
                await stale.__aexit__(None, None, None)
                assert (await info_of(other)).owner is not None, "it gave back nothing that isn't its own"
                assert await take(events, 1) == [4]
            assert (await info_of(other)).checkpoint == 1

        self.on_clock(tmp_path, test)

    @pytest.mark.row("ES-17")
    def test_an_owner_that_lives_keeps_its_lease(self, tmp_path: Path) -> None:
        async def test(store: EventStore, clock: VirtualClock) -> None:
            other = beside(store)
            async with store.subscription("mailer", lease=LEASE):
                for _ in range(12):
                    before = await store.adapter.subscriptions.find("mailer")
                    clock.advance(LEASE / 3)
                    while await store.adapter.subscriptions.find("mailer") == before:
                        await asyncio.sleep(0)
                    with pytest.raises(SubscriptionTaken):
                        await other.subscription("mailer", wait=0).__aenter__()

        self.on_clock(tmp_path, test)

    @pytest.mark.row("ES-17")
    @on_store
    async def test_who_gives_up_waiting_leaves_no_lease(self, store: EventStore) -> None:
        for turns in range(8):
            entering = asyncio.ensure_future(store.subscription("mailer").__aenter__())
            for _ in range(turns):
                await asyncio.sleep(0)
            entering.cancel()
            await asyncio.gather(entering, return_exceptions=True)
            if not entering.cancelled():
                await entering.result().__aexit__(None, None, None)
            found = await store.subscription_info("mailer")
            assert found is None or found.owner is None

    @pytest.mark.row("ES-12")
    @on_store
    async def test_a_key_that_cannot_be_told_ends_the_subscription(self, store: EventStore) -> None:
        await fill(store, 3)

        def key(event: StoredEvent) -> object:
            if event.position == 2:
                raise LookupError("on purpose")
            return event.stream

        async with store.subscription("mailer", partition_by=key) as events:
            with pytest.raises(SubscriptionError, match="LookupError: on purpose"):
                await anext(events)
        async with store.subscription("mailer", partition_by=lambda event: [event.stream]) as events:  # type: ignore[arg-type,return-value]
            with pytest.raises(SubscriptionError, match="unhashable"):
                await anext(events)
        assert (await info_of(store)).checkpoint == 0
        async with store.subscription("mailer") as events:
            assert await take(events, 3) == [1, 2, 3]

    @pytest.mark.row("ES-17")
    @on_store
    async def test_tokens(self, store: EventStore) -> None:
        kept = store.adapter.subscriptions
        first = await kept.claim(Claim("x", None, 7, "one", now=100, expires_at=200))
        assert first == Checkpoint("x", None, 7, first.token, "one", 200)
        with pytest.raises(SubscriptionTaken) as taken:
            await kept.claim(Claim("x", None, 0, "two", now=199, expires_at=300))
        assert (taken.value.owner, taken.value.expires_at) == ("one", 200)
        await kept.save("x", first.token, 20, 250)
        await kept.save("x", first.token, 15, 260)  # a renewal that was overtaken
        assert await kept.find("x") == Checkpoint("x", None, 20, first.token, "one", 260)
        second = await kept.claim(Claim("x", None, 0, "two", now=260, expires_at=400))
        assert second.token > first.token
        assert (second.place, second.owner) == (20, "two")
        for refused in (kept.save("x", first.token, 30, 500), kept.release("x", first.token, 30)):
            with pytest.raises(SubscriptionLost):
                await refused
        assert await kept.find("x") == second
        await kept.release("x", second.token, 25)
        assert await kept.find("x") == Checkpoint("x", None, 25, second.token)
        third = await kept.claim(Claim("x", None, 0, "one", now=0, expires_at=100))
        with pytest.raises(SubscriptionTaken):
            await kept.reset("x", 3, 50, force=False)
        assert (await kept.reset("x", 3, 50, force=True)).place == 3
        with pytest.raises(SubscriptionLost):
            await kept.save("x", third.token, 30, 500)
        await kept.delete("x", 50, force=False)
        again = await kept.claim(Claim("x", None, 1, "one", now=0, expires_at=100))
        assert again.place == 1
        assert again.token > third.token, "no token comes twice"
        assert await kept.find("y") is None

    @pytest.mark.row("ES-17")
    @on_store
    async def test_one_of_many_claims_wins(self, store: EventStore) -> None:
        claims = [Claim("x", None, 0, f"owner {number}", now=100, expires_at=200) for number in range(20)]
        found = await asyncio.gather(*map(store.adapter.subscriptions.claim, claims), return_exceptions=True)
        assert [type(one).__name__ for one in found].count("Checkpoint") == 1
        assert [type(one).__name__ for one in found].count("SubscriptionTaken") == 19

    @pytest.mark.row("ES-17")
    def test_leases_end_with_the_process_that_writes_alone(self, tmp_path: Path) -> None:
        """Where several may write, they don't: the owner may live, and be one of the others."""

        async def main() -> None:
            async with await self.open(tmp_path) as store:
                owned = await store.adapter.subscriptions.claim(Claim("x", None, 7, "dead", now=100, expires_at=900))
                free = await store.adapter.subscriptions.claim(Claim("y", None, 1, "one", now=100, expires_at=900))
                await store.adapter.subscriptions.release("y", free.token, 2)
            if not self.capabilities.durable:
                return
            async with await self.open(tmp_path) as store:
                kept = store.adapter.subscriptions
                assert await kept.find("y") == Checkpoint("y", None, 2, free.token)
                if self.capabilities.many_writers:
                    assert await kept.find("x") == owned
                    return
                found = await kept.find("x")
                assert found is not None
                assert (found.place, found.owner, found.expires_at) == (7, "", 0)
                with pytest.raises(SubscriptionLost):
                    await kept.save("x", owned.token, 30, 900)
                again = await kept.claim(Claim("x", None, 0, "two", now=101, expires_at=200))
                assert again.token > found.token > owned.token
                assert again.place == 7

        asyncio.run(main())

    # --- looking after them ------------------------------------------------------------------------------------------

    @pytest.mark.row("ES-21")
    @on_store
    async def test_reset_and_delete(self, store: EventStore) -> None:
        await fill(store, 5)
        async with store.subscription("mailer") as events:
            await events.ack_up_to([await anext(events) for _ in range(5)][-1])
            for refused in (store.reset_subscription("mailer"), store.delete_subscription("mailer")):
                with pytest.raises(SubscriptionTaken):
                    await refused
        assert (await info_of(store)).checkpoint == 5
        assert (await store.reset_subscription("mailer", 3)).lag == 2
        async with store.subscription("mailer") as events:
            event = await anext(events)
            assert event.position == 4
            assert (await store.reset_subscription("mailer", force=True)).checkpoint == 0
            with pytest.raises(SubscriptionLost, match="reset or deleted"):
                await events.ack(event)
        async with store.subscription("mailer") as events:
            assert await take(events, 1) == [1]
        assert (await store.reset_subscription("mailer", Start.HEAD)).lag == 0
        await store.delete_subscription("mailer")
        assert await store.subscription_info("mailer") is None
        async with store.subscription("mailer", start_from=2) as events:
            assert await take(events, 1) == [3]
            await store.delete_subscription("mailer", force=True)
            with pytest.raises(SubscriptionLost):
                await anext(events)
        for missing in (store.reset_subscription("mailer"), store.delete_subscription("mailer")):
            with pytest.raises(SubscriptionNotFound, match="'mailer'"):
                await missing

    @pytest.mark.row("ES-21")
    @on_store
    async def test_all_are_listed(self, store: EventStore) -> None:
        await fill(store, 3)
        for name in ("b", "a", "ü", "Z"):
            async with store.subscription(name, stream="s" if name == "b" else None) as events:
                await events.ack(await anext(events))
        found = [one async for one in store.subscriptions()]
        assert [(one.name, one.stream, one.checkpoint, one.lag, one.owner) for one in found] == [
            ("Z", None, 1, 2, None),
            ("a", None, 1, 2, None),
            ("b", "s", 1, 2, None),
            ("ü", None, 1, 2, None),
        ]
        assert [one.name async for one in store.subscriptions(after="b")] == ["ü"]
