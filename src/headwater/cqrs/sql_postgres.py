"""Views in a PostgreSQL database, by way of asyncpg."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar, cast

from sqlalchemy import Connection, Dialect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from headwater.cqrs.sql_failure import database_errors, unavailable
from headwater.store.postgres.address import PostgresAddress
from headwater.store.postgres.driver import asyncpg
from headwater.store.postgres.failure import DRIVER

T = TypeVar("T")

READERS: Final = 4
"""How many answers are read at a time."""

_CONNECT_SECONDS: Final = 10.0
_STATEMENT_SECONDS: Final = 120.0
_POOL_SECONDS: Final = 60.0
_MILLISECONDS: Final = 1_000


class PostgresViewDatabase:
    """A schema of a PostgreSQL database.

    What is committed is visible at once, but not necessarily on the disk: a crash of the server may take back the last
    commits, whole ones, together with their checkpoints, and the view follows those events again.

    Args:
        address: the database and the schema.
        writers: how many transactions write at a time.
    """

    def __init__(self, address: PostgresAddress, writers: int) -> None:
        self._address: Final = address
        self._written: Final = self._engine(writers)
        self._read: Final = self._engine(READERS).execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    @property
    def dialect(self) -> Dialect:
        """What it understands."""
        return self._written.dialect

    @property
    def location(self) -> str:
        """The URL, without secrets."""
        return self._address.location

    async def create_schema(self) -> None:
        """Make the schema, if it isn't there.

        Raises:
            ViewUnavailable: the database can't be reached, or doesn't allow it.
        """
        try:
            connection = await self._connect()
            try:
                name = self._address.schema  # checked when the URL was parsed: letters, digits, underscores
                if await connection.fetchval("SELECT to_regnamespace($1) IS NULL", name):
                    await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{name}"')
            finally:
                connection.terminate()
        except DRIVER as error:
            raise unavailable(self.location, error) from error

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run a function in a transaction. See `ViewDatabase`."""
        async with self._connection(self._written) as connection:
            with database_errors(self.location):
                return await connection.run_sync(_in_transaction, work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run a function that reads. See `ViewDatabase`."""
        async with self._connection(self._read) as connection:
            with database_errors(self.location):
                return await connection.run_sync(work)

    async def close(self) -> None:
        """Close all connections."""
        await self._read.dispose()
        await self._written.dispose()

    @asynccontextmanager
    async def _connection(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        try:
            connection = await engine.connect()
        except Exception as error:
            raise unavailable(self.location, error) from error
        try:
            yield connection
        finally:
            await asyncio.shield(connection.close())

    def _engine(self, connections: int) -> AsyncEngine:
        return create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,
            poolclass=AsyncAdaptedQueuePool,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=_POOL_SECONDS,
        )

    async def _connect(self) -> asyncpg.Connection:
        connection = await asyncpg.connect(
            self._address.dsn,
            timeout=_CONNECT_SECONDS,
            command_timeout=_STATEMENT_SECONDS,
            server_settings={
                "search_path": self._address.schema,
                "synchronous_commit": "off",
                "idle_in_transaction_session_timeout": str(int(_STATEMENT_SECONDS * _MILLISECONDS)),
            },
        )
        return cast("asyncpg.Connection", connection)


def _in_transaction(connection: Connection, work: Callable[[Connection], T]) -> T:
    # Not `commit` alone: when that fails, closing the connection takes the transaction for ended, and it would wait in
    # the pool with all its locks.
    with connection.begin():
        return work(connection)
