"""What the tests of the PostgreSQL backend share."""

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Concatenate, ParamSpec, cast

import asyncpg
import pytest

from headwater.clock import Clock
from headwater.store.adapter import Capabilities
from headwater.store.postgres.adapter import PostgresAdapter
from headwater.store.postgres.address import PostgresAddress, parse_postgres_url
from headwater.store.postgres.connection import Limits
from headwater.store.store import EventStore
from headwater.store.url import Durability
from headwater.testing.conformance.store import codec
from tests.postgres_server import SHARED, own_schema, wipe, with_options

P = ParamSpec("P")
Q = ParamSpec("Q")


class Database:
    """A schema of the tests'."""

    def __init__(self, url: str, schema: str = SHARED) -> None:
        self.schema = schema
        self.server = url
        self.url = with_options(url, schema=self.schema)

    @property
    def address(self) -> PostgresAddress:
        return parse_postgres_url(self.url).address

    async def open(
        self,
        *,
        clock: Clock | None = None,
        read_only: bool = False,
        create: bool = True,
        durability: Durability = "full",
        queue_limit: int = 100_000,
        limits: Limits | None = None,
        url: str | None = None,
    ) -> EventStore:
        adapter = await PostgresAdapter.open(
            self.address if url is None else parse_postgres_url(url).address,
            clock=clock,
            read_only=read_only,
            create=create,
            durability=durability,
            queue_limit=queue_limit,
            limits=limits,
        )
        return EventStore(adapter, codec(), clock=clock)

    @asynccontextmanager
    async def sql(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the test's own, in the schema."""
        connection = await asyncpg.connect(self.server, server_settings={"search_path": self.schema})
        try:
            yield connection
        finally:
            await connection.close()


class Postgres:
    """The backend, as the conformance suites want it."""

    capabilities = Capabilities(durable=True, shared=True, many_writers=True)
    url: str
    directory: Path

    @pytest.fixture(autouse=True)
    def _server(self, postgres: str, tmp_path: Path) -> None:
        self.url = postgres
        self.directory = tmp_path
        asyncio.run(wipe(postgres, SHARED))

    async def open(self, directory: Path, clock: Clock | None = None) -> EventStore:
        schema = SHARED if directory == self.directory else own_schema(directory)
        return await Database(self.url, schema).open(clock=clock)


def postgres(store: EventStore) -> PostgresAdapter:
    assert isinstance(store.adapter, PostgresAdapter)
    return store.adapter


def on_database(
    test: Callable[Concatenate[Database, P], Coroutine[None, None, None]],
) -> Callable[Concatenate[str, P], None]:
    """Run an async test on an empty store's schema, on an event loop of its own. It leaves the tables as they are."""

    def run(postgres: str, *args: P.args, **kwargs: P.kwargs) -> None:
        async def main() -> None:
            await wipe(postgres, SHARED)
            await test(Database(postgres), *args, **kwargs)

        asyncio.run(main())

    return cast("Callable[Concatenate[str, P], None]", _with_fixture(run, test, "postgres"))


def on_new_database(
    test: Callable[Concatenate[Database, P], Coroutine[None, None, None]],
) -> Callable[Concatenate[str, Path, P], None]:
    """Run an async test with the name of a schema that isn't there yet, on an event loop of its own."""

    def run(postgres: str, tmp_path: Path, *args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(Database(postgres, own_schema(tmp_path)), *args, **kwargs))

    return cast("Callable[Concatenate[str, Path, P], None]", _with_fixture(run, test, "postgres", "tmp_path"))


def _with_fixture(run: Callable[Q, None], test: Callable[..., object], *fixtures: str) -> Callable[Q, None]:
    """Have pytest see the test's own parameters, but fixtures in place of the database."""
    functools.update_wrapper(run, test)
    _, *own = inspect.signature(test).parameters.values()
    added = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in fixtures]
    run.__signature__ = inspect.Signature([*added, *own])  # type: ignore[attr-defined]  # pytest reads it
    return run
