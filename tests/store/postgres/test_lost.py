"""The connection is lost: everything that was answered is in the log once, and whoever isn't told may ask again."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import pytest

from headwater.errors import OutcomeUnknown, StorageFailed, StreamDeleted
from headwater.store.model import Appended, Expected
from headwater.store.postgres.connection import Connection, Limits
from headwater.store.store import EventStore
from headwater.store.verification import verify
from headwater.testing.conformance.store import Deposited, check_log, new_id

from .driving import Database, on_database, on_new_database
from .relay import Relay

SHORT = Limits(connect=2.0, patience=0.2, lock=2.0, statement=5.0)
_TERMINATE = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'headwater' AND pid <> pg_backend_pid()
"""


async def _append(store: EventStore, stream: str, ids: list[UUID]) -> Appended:
    """As an application does it: again, with the same ids, until the outcome is known."""
    while True:
        try:
            return await store.append(stream, [Deposited(n) for n in range(len(ids))], ids=ids)
        except OutcomeUnknown:
            continue


@pytest.mark.row("BS-02", "BS-16")
@pytest.mark.parametrize("stores", [1, 2])
@on_database
async def test_backends_are_terminated_at_random_moments(database: Database, stores: int) -> None:
    rng = random.Random(stores)
    done: dict[UUID, int] = {}
    ended = False

    async def client(store: EventStore, stream: str) -> None:
        while not ended:
            ids = [UUID(bytes=new_id()) for _ in range(rng.randint(1, 3))]
            appended = await _append(store, stream, ids)
            done.update(zip(ids, range(appended.first_position, appended.position + 1), strict=True))

    async def terminate() -> None:
        nonlocal ended
        async with database.sql() as connection:
            for _ in range(25):
                before = len(done)
                while len(done) < before + 5:
                    await asyncio.sleep(0)
                for _ in range(rng.randrange(40)):
                    await asyncio.sleep(0)
                await connection.execute(_TERMINATE)
        ended = True

    async with await database.open() as one, await database.open() as other:
        opened = [one, other][:stores]
        clients = [client(opened[n % stores], f"s-{n}") for n in range(8)]
        await asyncio.gather(terminate(), *clients)
        events = {event.id: event.position async for event in one.raw_all()}
        assert await check_log(one) == len(events)
        assert events == done  # each once, where its answer said, and nothing else
        assert (await verify(one)).broken is None


@asynccontextmanager
async def _relayed(database: Database, limits: Limits = SHORT) -> AsyncIterator[tuple[Relay, EventStore]]:
    """A store whose connections go through a relay that the test can cut."""
    async with AsyncExitStack() as stack:
        relay = await stack.enter_async_context(Relay(database.server))
        store = await stack.enter_async_context(await database.open(url=relay.url(database.url), limits=limits))
        yield relay, store


@pytest.mark.row("BS-02")
@on_database
async def test_an_answer_that_was_lost_is_found_again(database: Database) -> None:
    """The server has committed, and the connection is cut before it can say so."""
    async with _relayed(database, Limits(patience=5.0)) as (relay, store):
        await store.append("s", [Deposited(0)])
        relay.swallow_answers_to(b'"amount":1')  # what is sent arrives, and nothing comes back
        append = store.submit("s", [Deposited(1)], expected=1)
        queued = store.submit("s", [Deposited(2)], expected=2, follows=append)
        async with await database.open(read_only=True) as other:
            while await other.head() < 2:
                pass
        relay.cut()
        assert (await append.answer).version == 2
        assert (await queued.answer).version == 3
        assert await check_log(store) == 3


@pytest.mark.row("BS-02")
@on_database
async def test_a_question_that_was_lost_is_asked_again(database: Database) -> None:
    """The statement never reached the server: the adapter finds that out, and sends it anew."""
    async with _relayed(database, Limits(patience=5.0)) as (relay, store):
        await store.append("s", [Deposited(0)])
        relay.swallow_questions()
        append = store.submit("s", [Deposited(1)], expected=1)
        while not relay.swallowed:
            await asyncio.sleep(0)
        relay.cut()
        assert (await append.answer).version == 2
        assert await check_log(store) == 2


@pytest.mark.row("BS-02")
@on_database
async def test_a_database_that_does_not_come_back(database: Database) -> None:
    """What was under way is unknown, what waited was not appended; both are told so, and the retry is safe."""
    ids = [UUID(bytes=new_id())]
    async with _relayed(database) as (relay, store):
        await store.append("s", [Deposited(0)])
        relay.swallow_answers_to(b'"amount":1')
        under_way = asyncio.ensure_future(store.append("s", [Deposited(1)], ids=ids))
        async with await database.open(read_only=True) as other:
            while await other.head() < 2:
                pass
        queued = asyncio.ensure_future(store.append("s", [Deposited(2)]))
        await asyncio.sleep(0)
        relay.close_door()
        relay.cut()
        with pytest.raises(OutcomeUnknown) as raised:
            await under_way
        assert list(raised.value.ids) == ids
        with pytest.raises(StorageFailed, match="cannot be reached"):
            await queued
        with pytest.raises(StorageFailed, match="cannot be reached"):
            await store.head()
        relay.open_door()
        again = await store.append("s", [Deposited(1)], ids=ids)
        assert (again.position, again.version) == (2, 2)
        assert (await store.append("s", [Deposited(3)])).position == 3
        assert await check_log(store) == 3


@on_database
async def test_a_statement_that_is_still_under_way_is_fenced_off(database: Database) -> None:
    """The connection is cut while the server waits for a lock: the append is sent anew, and takes effect once."""
    async with _relayed(database, Limits(patience=5.0)) as (relay, store), database.sql() as blocker:
        await store.append("s", [Deposited(0)])
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("SELECT FROM head FOR UPDATE")
        append = store.submit("s", [Deposited(1)])
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%{}%'"
        while not await blocker.fetchval(waiting.format("WITH moved")):
            await blocker.execute("SELECT pg_stat_clear_snapshot()")
        relay.cut()  # the server doesn't notice: it waits for the lock
        while not await blocker.fetchval(
            waiting.format("UPDATE%revision = revision + 1 WHERE revision = $1 RETURNING true")
        ):
            await blocker.execute("SELECT pg_stat_clear_snapshot()")
        await transaction.rollback()
        assert (await append.answer).position == 2
        assert await check_log(store) == 2
        assert (await verify(store)).broken is None


@pytest.mark.row("BS-02")
@on_database
async def test_what_stays_under_way_is_unknown_and_later_appends_get_their_own_answers(database: Database) -> None:
    """The lock is held for longer than the store waits for it, so that it never learns what became of the append."""
    limits = Limits(patience=0.2, lock=0.1, statement=2.0)
    ids = [UUID(bytes=new_id())]
    async with _relayed(database, limits) as (relay, store), database.sql() as blocker:
        await store.append("s", [Deposited(0)])
        relay.swallow_questions()
        append = asyncio.ensure_future(store.append("s", [Deposited(1)], ids=ids))
        while not relay.swallowed:
            await asyncio.sleep(0)
        relay.cut()  # before it was sent: so it will be asked again, and then be in doubt
        relay.swallow_answers_to(b'"amount":1')
        async with blocker.transaction():
            await blocker.execute("SELECT FROM head FOR UPDATE")
            while not relay.losing_answers:
                await asyncio.sleep(0)
            relay.cut()
            with pytest.raises(OutcomeUnknown) as raised:
                await append
            assert list(raised.value.ids) == ids
        other = await store.append("t", [Deposited(2)])
        assert (other.stream, other.version, other.count) == ("t", 1, 1)
        again = await store.append("s", [Deposited(1)], ids=ids)
        assert again.version == 2
        assert await check_log(store) == 3


@pytest.mark.parametrize("committed", [False, True])
@on_database
async def test_a_change_whose_commit_was_lost(database: Database, committed: bool) -> None:
    """If the server has not committed, it is made again; if it has, somebody must look."""
    execute = Connection.execute
    commits = 0

    async def lose(self: Connection, query: str, *args: object) -> str:
        nonlocal commits
        commits += query == "COMMIT"
        if query != "COMMIT" or commits > 1:
            return str(await execute(self, query, *args))
        if committed:
            await execute(self, query)
        self.terminate()
        raise ConnectionResetError("the test has cut it")

    async with await database.open() as store:
        await store.append("s", [Deposited(0)])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Connection, "execute", lose)
            if committed:
                with pytest.raises(OutcomeUnknown, match="look whether it was"):
                    await store.adapter.tombstone("s", Expected.ANY)
            else:
                assert (await store.adapter.tombstone("s", Expected.ANY)).tombstoned
        with pytest.raises(StreamDeleted):
            await store.append("s", [Deposited(1)])


@on_database
async def test_a_lock_that_is_held_for_too_long(database: Database) -> None:
    limits = Limits(patience=0.1, lock=0.1, statement=2.0)
    async with await database.open(limits=limits) as store, database.sql() as blocker:
        await store.append("s", [Deposited(0)])
        async with blocker.transaction():
            await blocker.execute("SELECT FROM head FOR UPDATE")
            with pytest.raises(StorageFailed, match="held the log's lock for too long"):
                await store.append("s", [Deposited(1)])
            with pytest.raises(StorageFailed, match="held the log's lock for too long"):
                await store.adapter.truncate("s", None, Expected.ANY)
        assert (await store.append("s", [Deposited(2)])).position == 2


@on_new_database
async def test_a_head_that_somebody_has_removed(database: Database) -> None:
    async with await database.open() as store:
        await store.append("s", [Deposited(0)])
        async with database.sql() as connection:
            await connection.execute("CREATE TABLE kept AS SELECT * FROM head; DELETE FROM head")
            appends = [store.submit("s", [Deposited(1)]) for _ in range(2)]
            for append in appends:
                with pytest.raises(StorageFailed, match="head"):
                    await append.answer
            await connection.execute("INSERT INTO head SELECT * FROM kept")
        assert (await store.append("s", [Deposited(2)])).position == 2
