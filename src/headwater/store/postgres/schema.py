"""The tables, and the steps by which older stores get to them. Forward only: a store is never taken back."""

from __future__ import annotations

from typing import Final

from headwater.errors import NewerSchema, NotAStore
from headwater.store.postgres import migration_1
from headwater.store.postgres.address import PostgresAddress
from headwater.store.postgres.connection import Connection

MIGRATIONS: Final[tuple[str, ...]] = (migration_1.SQL,)
"""Migration n (counted from 1) leads to schema version n. Released ones are never edited, only added to."""

SCHEMA_VERSION: Final = len(MIGRATIONS)
"""The schema that this Headwater reads and writes."""

# Held while tables are made: any number of processes may open a new store at once.
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('headwater ' || $1, 0))"
_VERSIONS: Final = """
CREATE TABLE {s}.headwater_migrations (
    version integer PRIMARY KEY,
    migrated_at timestamptz NOT NULL DEFAULT now()
);
"""
_ENCODING: Final = "SELECT current_setting('server_encoding')"
_PRESENT: Final = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)"
# Not by to_regclass, which may not see what another process has made while this one waited for the lock.
_MARKED: Final = """
SELECT EXISTS (
    SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = $1 AND relname = 'headwater_migrations'
)
"""
_TABLES: Final = """
SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = $1
"""


def quoted(schema: str) -> str:
    """The schema's name as it stands in statements. `parse_postgres_url` has seen to it that it holds no quotes."""
    return f'"{schema}"'


async def prepare(connection: Connection, address: PostgresAddress, *, create: bool) -> None:
    """Bring the schema to the newest version; make it if there is none.

    Args:
        connection: may create tables.
        address: which schema.
        create: whether to make a store where there is none.

    Raises:
        NewerSchema: it is newer than this Headwater knows.
        NotAStore: it holds other tables, or there is no store and it shall not be made.
        asyncpg.PostgresError: the server refused.
    """
    if await _version(connection, address) == SCHEMA_VERSION:
        return
    async with connection.transaction():
        await connection.execute(_LOCK, address.schema)
        version = await _version(connection, address)  # another process may have been faster
        if version == 0:
            await _begin(connection, address, create=create)
        for number, migration in enumerate(MIGRATIONS[version:], start=version + 1):
            await connection.execute(migration.format(s=quoted(address.schema)))
            insert = "INSERT INTO {s}.headwater_migrations (version) VALUES ($1)"
            await connection.execute(insert.format(s=quoted(address.schema)), number)


async def check(connection: Connection, address: PostgresAddress) -> None:
    """Make sure that there is a store that this Headwater can read. Changes nothing.

    Raises:
        NewerSchema: it is newer than this Headwater knows.
        NotAStore: there is none, or it is older.
    """
    version = await _version(connection, address)
    if version < SCHEMA_VERSION:
        state = f"has the older schema version {version}" if version else f"is not there, in schema {address.schema}"
        raise NotAStore(f"{address.location}: this store {state}; open it for writing once")


async def _version(connection: Connection, address: PostgresAddress) -> int:
    """The store's schema version; 0 when there is no store."""
    if not await connection.fetchval(_MARKED, address.schema):
        return 0
    highest = "SELECT coalesce(max(version), 0) FROM {s}.headwater_migrations"
    version = int(await connection.fetchval(highest.format(s=quoted(address.schema))))
    if version > SCHEMA_VERSION:
        raise NewerSchema(
            f"{address.location}: the store has schema version {version}, this Headwater knows up to "
            f"{SCHEMA_VERSION}; open it with a newer Headwater"
        )
    return version


async def _begin(connection: Connection, address: PostgresAddress, *, create: bool) -> None:
    if not create:
        raise NotAStore(f"{address.location}: there is no event store in schema {address.schema}")
    if await connection.fetchval(_TABLES, address.schema):
        raise NotAStore(
            f"{address.location}: schema {address.schema} holds the tables of another program; name another schema"
        )
    encoding = await connection.fetchval(_ENCODING)
    if encoding != "UTF8":
        raise NotAStore(f"{address.location}: the database has the encoding {encoding}; a store needs UTF8")
    if not await connection.fetchval(_PRESENT, address.schema):  # who may not create one can use one that is there
        await connection.execute(f"CREATE SCHEMA {quoted(address.schema)}")
    await connection.execute(_VERSIONS.format(s=quoted(address.schema)))
