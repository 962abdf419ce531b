"""What is particular to subscriptions in PostgreSQL: several stores, lost connections, the log's lock."""

import asyncio
import random
from collections.abc import Coroutine
from typing import TypeVar

import pytest

from headwater.errors import (
    StorageFailed,
    StoreClosed,
    StoreReadOnly,
    SubscriptionLost,
    SubscriptionNotFound,
    SubscriptionTaken,
)
from headwater.store.postgres.connection import Limits
from headwater.store.subscription_adapter import Checkpoint, Claim, SubscriptionAdapter
from headwater.testing.conformance.store import Deposited
from tests.postgres_server import SHARED, wipe

from ..subscriptions.killing import kill_again_and_again
from .driving import Database, on_database
from .relay import Relay

T = TypeVar("T")


def _claim(owner: str, now: int = 100, start: int = 0) -> Claim:
    return Claim("x", None, start, owner, now=now, expires_at=now + 100)


# --- several stores ----------------------------------------------------------------------------------------------


@pytest.mark.row("ES-17", "BS-03")
@on_database
async def test_of_two_stores_that_claim_at_once_one_gets_it(database: Database) -> None:
    async with await database.open() as one, await database.open() as other:
        for _ in range(10):
            claims = [(one, other)[n % 2].adapter.subscriptions.claim(_claim(f"owner {n}")) for n in range(12)]
            found = await asyncio.gather(*claims, return_exceptions=True)
            [won] = [outcome for outcome in found if isinstance(outcome, Checkpoint)]
            assert sum(isinstance(outcome, SubscriptionTaken) for outcome in found) == 11
            assert await one.adapter.subscriptions.find("x") == won
            await other.adapter.subscriptions.delete("x", 100, force=True)


class _Owners:
    """Owners in several stores who take a subscription from each other, and save as long as they have it."""

    def __init__(self, adapters: list[SubscriptionAdapter], rng: random.Random) -> None:
        self._adapters = adapters
        self._rng = rng
        self._now = 0
        self.tokens: list[int] = []
        self.saved: list[tuple[int, int]] = []
        self.lost = 0

    async def work(self, number: int) -> None:
        for _ in range(15):
            self._now += 1_000  # later than any lease
            try:
                await self._own(self._adapters[number % len(self._adapters)], _claim(f"owner {number}", self._now))
            except SubscriptionLost:
                self.lost += 1
            except SubscriptionTaken:
                pass  # somebody was faster whose time is later

    async def _own(self, kept: SubscriptionAdapter, claim: Claim) -> None:
        claimed = await kept.claim(claim)
        self.tokens.append(claimed.token)
        for place in range(claimed.place + 1, claimed.place + self._rng.randint(2, 5)):
            await kept.save("x", claimed.token, place, claim.expires_at)
            self.saved.append((claimed.token, place))
        if self._rng.random() < 0.5:
            await kept.release("x", claimed.token, 0)


@pytest.mark.row("ES-16", "ES-17")
@on_database
async def test_who_has_lost_it_writes_nothing(database: Database) -> None:
    rng = random.Random(3)
    async with await database.open() as one, await database.open() as other:
        owners = _Owners([one.adapter.subscriptions, other.adapter.subscriptions], rng)
        await asyncio.gather(*map(owners.work, range(6)))
        kept = await one.adapter.subscriptions.find("x")
        assert kept is not None
        assert len(set(owners.tokens)) == len(owners.tokens)
        by_token = [place for _, place in sorted(owners.saved)]
        assert by_token == list(range(1, kept.place + 1)), "each went on where the one before it was when it lost it"
        assert owners.lost > 5


@pytest.mark.row("ES-17", "ES-21")
@on_database
async def test_a_token_is_not_used_again_in_any_store(database: Database) -> None:
    tokens = []
    for _ in range(3):
        async with await database.open() as store:
            kept = store.adapter.subscriptions
            tokens.append((await kept.claim(_claim("one"))).token)
            tokens.append((await kept.reset("x", 5, 100, force=True)).token)
            await kept.delete("x", 100, force=False)
            with pytest.raises(SubscriptionNotFound):
                await kept.delete("x", 100, force=True)
            with pytest.raises(SubscriptionLost):
                await kept.save("x", tokens[-1], 6, 200)
    assert tokens == sorted(set(tokens))


@pytest.mark.row("ES-12", "ES-15", "ES-17", "BG-01", "BS-13")
@pytest.mark.parametrize("consumers", [1, 3])
def test_nothing_is_skipped_when_the_owner_is_killed(server: str, consumers: int) -> None:
    kill_again_and_again(Database(server).url, consumers, kills=4, lines=2_000)


@pytest.fixture
def server(postgres: str) -> str:
    """The server, its shared store empty."""
    asyncio.run(wipe(postgres, SHARED))
    return postgres


# --- the log -------------------------------------------------------------------------------------------------------


@pytest.mark.row("ES-16", "ES-20")
@on_database
async def test_a_checkpoint_leaves_the_log_alone(database: Database) -> None:
    """It wakes nobody, waits for no writer, and no writer must check anything again because of it."""
    async with await database.open() as one, await database.open() as other, database.sql() as connection:
        await one.append("s", [Deposited(1)])
        woken: list[int] = []
        one.watch(lambda: woken.append(1))
        revision = await connection.fetchval("SELECT revision FROM head")
        async with connection.transaction():
            await connection.execute("SELECT FROM head FOR UPDATE")
            async with other.subscription("mailer") as events:
                await events.ack(await anext(events))
                await events.flush()
            await other.reset_subscription("mailer")
            await other.delete_subscription("mailer")
        assert await connection.fetchval("SELECT revision FROM head") == revision
        async with other.subscription("mailer") as events:
            await events.ack(await anext(events))
            coming = asyncio.ensure_future(anext(events))
            await one.append("s", [Deposited(2)])
            assert (await coming).position == 2, "but another store's append wakes the subscription"


@pytest.mark.row("BS-10")
@on_database
async def test_a_store_that_reads_or_is_closed_changes_nothing(database: Database) -> None:
    async with await database.open() as store, await database.open(read_only=True) as reader:
        closed = await database.open()
        await closed.close()
        owned = await store.adapter.subscriptions.claim(_claim("one"))
        for adapter, error in ((reader.adapter, StoreReadOnly), (closed.adapter, StoreClosed)):
            kept = adapter.subscriptions
            for change in (
                kept.claim(_claim("two")),
                kept.save("x", owned.token, 5, 300),
                kept.release("x", owned.token, 5),
                kept.reset("x", 5, 100, force=True),
                kept.delete("x", 100, force=True),
            ):
                with pytest.raises(error):
                    await change
        assert await reader.adapter.subscriptions.list("", 9) == [owned]


# --- lost connections ----------------------------------------------------------------------------------------------


class _Losing:
    """Carries out changes whose answers get lost on their way."""

    def __init__(self, relay: Relay, other: SubscriptionAdapter) -> None:
        self._relay = relay
        self._other = other

    async def __call__(self, marker: bytes, change: Coroutine[object, object, T]) -> T:
        """What is answered in the end.

        Args:
            marker: bytes that are sent with the change, and with nothing before it.
            change: changes the subscription.
        """
        before = await self._other.find("x")
        self._relay.swallow_answers_to(marker)
        changing = asyncio.ensure_future(change)
        while await self._other.find("x") == before:
            assert not changing.done()
        self._relay.cut()
        return await changing


@pytest.mark.row("ES-17")
@on_database
async def test_a_change_whose_answer_was_lost_is_made_once(database: Database) -> None:
    """A claimant, above all, isn't refused because of itself."""
    markers = [b"1 claim ", b"2 save  ", b"3 freed ", b"4 reset "]
    places = [int.from_bytes(marker) for marker in markers]
    async with Relay(database.server) as relay, await database.open() as store:
        url, limits = relay.url(database.url), Limits(patience=5.0)
        async with await database.open(url=url, limits=limits) as relayed:
            kept, other = relayed.adapter.subscriptions, store.adapter.subscriptions
            losing = _Losing(relay, other)
            owned = await losing(markers[0], kept.claim(_claim("one", start=places[0])))
            assert owned == await other.find("x") == Checkpoint("x", None, places[0], owned.token, "one", 200)
            await losing(markers[1], kept.save("x", owned.token, places[1], 300))
            assert await other.find("x") == Checkpoint("x", None, places[1], owned.token, "one", 300)
            await losing(markers[2], kept.release("x", owned.token, places[2]))
            assert await other.find("x") == Checkpoint("x", None, places[2], owned.token)
            reset = await losing(markers[3], kept.reset("x", places[3], 100, force=False))
            assert reset == await other.find("x") == Checkpoint("x", None, places[3], reset.token)
            with pytest.raises(StorageFailed, match="cannot be reached"):
                await losing(b"5 delete", kept.delete("x", int.from_bytes(b"5 delete"), force=False))
            with pytest.raises(SubscriptionNotFound):
                await kept.delete("x", 100, force=False)
