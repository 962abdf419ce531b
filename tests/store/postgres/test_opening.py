"""Opening: schemas, migrations, several processes at once, what isn't a store."""

import asyncio
import subprocess
import sys

import asyncpg
import pytest

from headwater.errors import NewerSchema, NotAStore, StorageFailed, StoreReadOnly
from headwater.store.model import Expected
from headwater.store.postgres import schema
from headwater.store.store import EventStore
from headwater.store.stream import Snapshot
from headwater.testing.conformance.store import Deposited, check_log, codec
from tests.postgres_server import with_options

from .driving import Database, on_database, on_new_database
from .relay import Relay

_RELATIONS = """
SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = $1
"""


@pytest.mark.row("ES-25")
@on_new_database
async def test_any_number_may_open_a_new_store_at_once(database: Database) -> None:
    stores = await asyncio.gather(*(database.open() for _ in range(5)))
    await asyncio.gather(*(store.append("s", [Deposited(n)]) for n, store in enumerate(stores)))
    assert await check_log(stores[0]) == 5
    await asyncio.gather(*(store.close() for store in stores))
    async with database.sql() as connection:
        rows = await connection.fetch("SELECT version FROM headwater_migrations ORDER BY version")
        assert [row[0] for row in rows] == list(range(1, schema.SCHEMA_VERSION + 1))


@pytest.mark.row("ES-25")
@on_new_database
async def test_an_older_store_is_brought_forward_once(database: Database) -> None:
    async with await database.open() as store:
        await store.append("s", [Deposited(1)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE {s}.later ();"))
        patch.setattr(schema, "SCHEMA_VERSION", schema.SCHEMA_VERSION + 1)
        with pytest.raises(NotAStore, match="older schema version 1"):
            await database.open(read_only=True)
        stores = await asyncio.gather(*(database.open() for _ in range(3)))
        assert [await store.head() for store in stores] == [1, 1, 1]
        await asyncio.gather(*(store.close() for store in stores))
    for read_only in (False, True):
        with pytest.raises(NewerSchema, match=f"schema version {schema.SCHEMA_VERSION + 1}"):
            await database.open(read_only=read_only)


@on_new_database
async def test_a_migration_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE {s}.events ();"))
        patch.setattr(schema, "SCHEMA_VERSION", 2)
        with pytest.raises(StorageFailed, match="already exists"):
            await database.open()
    async with database.sql() as connection:
        assert await connection.fetchval(_RELATIONS, database.schema) == 0
    async with await database.open() as store:
        assert await store.head() == 0


@on_new_database
async def test_what_is_no_store_is_left_alone(database: Database) -> None:
    for options in ({"read_only": True}, {"create": False}):
        with pytest.raises(NotAStore, match=database.schema):
            await database.open(**options)  # type: ignore[arg-type]  # two flags
    async with database.sql() as connection:
        assert not await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", database.schema
        )
        await connection.execute(f'CREATE SCHEMA "{database.schema}"; CREATE TABLE "{database.schema}".events ()')
        with pytest.raises(NotAStore, match="tables of another program"):
            await database.open()
        assert await connection.fetchval(_RELATIONS, database.schema) == 1


@on_new_database
async def test_a_schema_that_is_there_and_empty_will_do(database: Database) -> None:
    """So can somebody have a store who has no right to create schemas."""
    async with database.sql() as connection:
        await connection.execute(f"""
            DROP ROLE IF EXISTS tenant; CREATE ROLE tenant LOGIN;
            CREATE SCHEMA "{database.schema}" AUTHORIZATION tenant
        """)
        async with Relay(database.server) as relay:
            url = with_options(relay.url(database.url, user="tenant"))
            async with await EventStore.open(url, codec()) as store:
                assert (await store.append("s", [Deposited(1)])).position == 1
                assert "tenant@" in store.location
            with pytest.raises(StorageFailed, match="permission denied"):
                await EventStore.open(
                    relay.url(with_options(database.url, schema="unheard_of"), user="tenant"), codec()
                )
        await connection.execute("DROP OWNED BY tenant CASCADE; DROP ROLE tenant")


@pytest.mark.row("ES-24")
@on_new_database
async def test_each_schema_is_a_store_of_its_own(database: Database) -> None:
    other_url = with_options(database.url, schema=f"{database.schema}_2")
    async with await EventStore.open(database.url, codec()) as one, await EventStore.open(other_url, codec()) as other:
        await one.append("s", [Deposited(1)] * 3)
        assert (await other.append("s", [Deposited(1)], expected=0)).position == 1
        assert (await one.head(), await other.head()) == (3, 1)
        assert one.location != other.location
        assert database.schema in one.location


@pytest.mark.row("BS-10")
@on_database
async def test_a_reading_store_changes_nothing(database: Database) -> None:
    async with await database.open() as writer, await database.open(read_only=True) as reader:
        await writer.append("s", [Deposited(1)])
        assert await reader.head() == 1
        with pytest.raises(StoreReadOnly):
            await reader.append("s", [Deposited(2)])
        with pytest.raises(StoreReadOnly):
            await reader.adapter.truncate("s", None, Expected.ANY)
        with pytest.raises(StoreReadOnly):
            await reader.adapter.save_snapshot(Snapshot("s", "k", 1, b""))
        with pytest.raises(StoreReadOnly):
            await reader.adapter.delete_snapshots("s", None)
        assert await check_log(reader) == 1


@pytest.mark.row("ES-10")
@pytest.mark.parametrize("change", ["UPDATE {} SET position = 9 WHERE false", "DELETE FROM {}", "TRUNCATE {}"])
@pytest.mark.parametrize("table", ["events", "links"])
@on_database
async def test_events_cannot_be_changed(database: Database, table: str, change: str) -> None:
    async with await database.open() as store, database.sql() as connection:
        await store.append("s", [Deposited(1)])
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="immutable"):
            await connection.execute(change.format(table))
        assert await check_log(store) == 1


@pytest.mark.row("BS-15")
@on_database
async def test_durability_is_what_the_server_does(database: Database) -> None:
    async with await database.open() as full, await database.open(durability="relaxed") as relaxed:
        assert (full.durability, relaxed.durability) == ("full", "relaxed")
        for store, setting in ((full, "on"), (relaxed, "off")):
            found = await store.adapter.change(_commit_setting)  # type: ignore[attr-defined]  # of this backend only
            assert found == setting


async def _commit_setting(scope: object) -> str:
    connection = scope.connection  # type: ignore[attr-defined]
    return str(await connection.fetchval("SHOW synchronous_commit"))


@pytest.mark.row("BS-15")
@on_database
async def test_a_server_that_answers_before_the_disk_has_it_is_told_to_wait(database: Database) -> None:
    url = with_options(database.url, synchronous_commit="off")  # as its configuration might say
    async with await EventStore.open(url, codec()) as store:
        assert await store.adapter.change(_commit_setting) == "on"  # type: ignore[attr-defined]


@pytest.mark.row("ES-26")
@on_database
async def test_behind_a_pooler_only_listening_needs_a_session(database: Database) -> None:
    """Everything but the listening connection goes through the pooler, and sets nothing that must stay set."""
    async with Relay(database.server) as pooler, Relay(database.server) as direct:
        url = with_options(pooler.url(database.url), session_host="127.0.0.1", session_port=str(direct.port))
        async with await database.open(url=url) as store, await database.open() as other:
            heard = asyncio.Event()
            store.watch(heard.set)
            async with database.sql() as connection:
                query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
                while not await connection.fetchval(query):
                    pass
            heard.clear()
            await other.append("s", [Deposited(1)])
            while await store.head() < 1:
                await heard.wait()
            await store.append("s", [Deposited(2)], expected=1)
            await store.adapter.truncate("s", 2, Expected.ANY)
            assert direct.sent(b"LISTEN")
            assert not pooler.sent(b"LISTEN")
            assert not pooler.sent(b"lock_timeout\x00")  # a setting of the session


@on_database
async def test_a_database_that_cannot_be_reached(database: Database) -> None:
    for url, words in (
        ("postgresql://me:secret@127.0.0.1:1/db", "127.0.0.1:1"),
        (with_options(database.server, database="nowhere").replace("/postgres?", "/nowhere?"), "nowhere"),
    ):
        with pytest.raises(StorageFailed, match=words) as raised:
            await EventStore.open(url, codec())
        assert "secret" not in str(raised.value)


def test_without_the_driver_the_extra_is_named() -> None:
    program = """
import asyncio, sys
import headwater
assert "asyncpg" not in sys.modules
sys.modules["asyncpg"] = None
try:
    asyncio.run(headwater.EventStore.open("postgresql://localhost/x", headwater.Codec()))
except headwater.errors.MissingExtra as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'headwater[postgres]'" in done.stdout
