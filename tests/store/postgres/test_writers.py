"""Several stores on one log: positions without gaps, conditions without holes, readers who miss nothing."""

import asyncio
import random
from collections.abc import Iterable

import pytest

from headwater.errors import ConditionFailed, StreamDeleted, WrongExpectedVersion
from headwater.store.model import Appended, Expected, StoredEvent
from headwater.store.query import AppendCondition, EventQuery
from headwater.store.store import EventStore
from headwater.store.verification import verify
from headwater.testing.conformance.store import Deposited, check_log

from .driving import Database, on_database, on_new_database, postgres

TAGS = ("a", "b", "c", "d")

Attempt = tuple[EventQuery, int, Appended | ConditionFailed]


async def _decide(store: EventStore, name: str, rng: random.Random, count: int) -> list[Attempt]:
    """Read, decide, append under the condition that nothing has come; note what became of it."""
    attempts: list[Attempt] = []
    for number in range(count):
        query = EventQuery.of(tags=rng.sample(TAGS, rng.randint(1, 2)))
        if rng.random() < 0.3:
            query = query | EventQuery.of("Withdrawn", tags=[rng.choice(TAGS)])
        after = await store.head()
        condition = AppendCondition(query, after)
        tags = rng.sample(TAGS, rng.randint(1, 3))
        try:
            done = await store.append(f"{name}-{number % 3}", [Deposited(number)], condition=condition, tags=tags)
        except ConditionFailed as error:
            attempts.append((query, after, error))
        else:
            attempts.append((query, after, done))
    return attempts


def _check(attempts: Iterable[Attempt], log: list[StoredEvent]) -> None:
    """Each attempt was answered as the final log says it had to be."""
    for query, after, outcome in attempts:
        matching = [event.position for event in log if event.position > after and query.matches(event.type, event.tags)]
        if isinstance(outcome, Appended):
            assert not [position for position in matching if position < outcome.position]
        else:
            assert outcome.position == matching[0]


@pytest.mark.row("BS-01", "BS-03")
@on_database
async def test_conditions_hold_under_20_writers_in_two_stores(database: Database) -> None:
    rng = random.Random(5)
    async with await database.open() as one, await database.open() as other:
        writers = [_decide((one, other)[n % 2], f"w-{n}", random.Random(rng.random()), 8) for n in range(20)]
        attempts = [attempt for found in await asyncio.gather(*writers) for attempt in found]
        log = [event async for event in other.raw_all()]
        assert await check_log(one) == len(log)
        assert (await verify(one)).broken is None
    refused = [attempt for attempt in attempts if isinstance(attempt[2], ConditionFailed)]
    assert 10 < len(refused) < 150  # otherwise nothing was tested
    assert len(log) + len(refused) == len(attempts) == 160
    _check(attempts, log)


@pytest.mark.row("ES-02", "BS-04")
@on_database
async def test_versions_are_never_given_twice(database: Database) -> None:
    """Two stores increase the same counters, each by reading it and expecting that version."""
    async with await database.open() as one, await database.open() as other:

        async def increase(store: EventStore, stream: str) -> int:
            tries = 0
            while True:
                tries += 1
                info = await store.adapter.stream_info(stream)
                try:
                    await store.append(stream, [Deposited(1)], expected=0 if info is None else info.version)
                except WrongExpectedVersion:
                    continue
                else:
                    return tries

        work = [increase(store, f"counter-{n % 3}") for n in range(15) for store in (one, other)]
        tries = await asyncio.gather(*work)
        assert sum(tries) > len(tries)  # otherwise nothing was tested
        assert await check_log(one) == len(tries) == 30
        for n in range(3):
            info = await one.adapter.stream_info(f"counter-{n}")
            assert info is not None
            assert info.version == 10


@pytest.mark.row("ES-02", "BS-03")
@on_database
async def test_nothing_is_refused_upon_what_has_become_old(database: Database) -> None:
    """What a store knows from before another one wrote is no reason to say no, nor to give a wrong version."""
    async with await database.open() as one, await database.open() as other:
        await one.append("s", [Deposited(1)])
        await other.append("s", [Deposited(2)], expected=1)
        await one.append("s", [Deposited(3)], expected=2)  # `one` last saw version 1
        await other.append("s", [Deposited(4)])
        with pytest.raises(WrongExpectedVersion) as raised:
            await one.append("s", [Deposited(5)], expected=3)
        assert raised.value.actual == 4
        await one.append("t", [Deposited(5)])
        await other.append("t", [Deposited(6)])
        for _ in range(3):  # `one` learns here that its knowledge is old, not only of "u", and is alone again
            await one.append("u", [Deposited(7)])
        assert (await one.append("t", [Deposited(8)], expected=2)).version == 3
        await other.adapter.truncate("s", 5, Expected.ANY)
        with pytest.raises(WrongExpectedVersion):
            await one.append("s", [Deposited(5)], expected=7)
        await other.adapter.tombstone("t", Expected.ANY)
        for store in (one, other):
            with pytest.raises(StreamDeleted):
                await store.append("t", [Deposited(5)])


@pytest.mark.row("BS-01", "ES-05")
@on_new_database
async def test_a_reader_misses_nothing_while_one_append_sleeps(database: Database) -> None:
    """A trigger holds one append open while another process commits: what a reader has passed never fills up."""
    async with await database.open() as slow, await database.open() as quick:
        async with database.sql() as connection:
            await connection.execute("""
                CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    IF NEW.data LIKE '%slow%' THEN PERFORM pg_sleep(0.2); END IF;
                    RETURN NEW;
                END $$;
                CREATE TRIGGER doze BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION doze();
            """)
        seen: list[int] = []

        async def read() -> None:
            async for event in quick.follow_events():
                seen.append(event.position)
                if event.stream == "end":
                    return

        async def append(store: EventStore, stream: str, note: str, count: int) -> None:
            for number in range(count):
                await store.append(stream, [Deposited(number, note)] * 2)

        reading = asyncio.ensure_future(read())
        await asyncio.gather(append(slow, "slow", "slow", 3), append(quick, "quick", "", 40), append(slow, "t", "", 5))
        await quick.append("end", [Deposited(1)])
        await reading
        assert seen == list(range(1, 98))
        assert await check_log(slow) == 97
        assert (await verify(slow)).broken is None


@pytest.mark.row("BS-04")
@on_database
async def test_appends_that_wait_share_a_transaction(database: Database) -> None:
    async with await database.open() as store:
        await store.append("s", [Deposited(0)])
        appends = [store.submit(f"s-{n % 7}", [Deposited(n)]) for n in range(500)]
        refused = store.submit("s", [Deposited(1)], expected=99)
        late = store.submit("s", [Deposited(2)])
        done = await asyncio.gather(*(append.answer for append in appends))
        assert [one.position for one in done] == list(range(2, 502))
        with pytest.raises(WrongExpectedVersion):
            await refused.answer
        assert (await late.answer).position == 502
        assert postgres(store).statistics.commits <= 7  # each takes half of what waits
