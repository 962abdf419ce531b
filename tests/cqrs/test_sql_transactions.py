"""Whatever ends a transaction of a view, nothing of it stays: no rows, no locks, no connection that is out of use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Generator
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from types import coroutine
from typing import Final, TypeVar, cast

import pytest
from sqlalchemy import Connection, text

from headwater.cqrs.sql_address import view_address
from headwater.cqrs.sql_database import ViewDatabase
from headwater.cqrs.sql_opening import open_view_database

from ..postgres_server import own_schema, with_options
from .test_sql_following import Killed, Killer

T = TypeVar("T")

WRITERS: Final = 2


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/views.db"
    return with_options(request.getfixturevalue("postgres"), schema=own_schema(tmp_path))


@coroutine
def _stepped(work: Coroutine[object, object, T], nth: int) -> Generator[object, object, T]:
    step = partial(work.send, None)
    for number in count(1):
        try:
            waits_for = step()
        except StopIteration as done:
            return cast("T", done.value)
        if number == nth:
            cast("asyncio.Task[T]", asyncio.current_task()).cancel()  # it's told so when it waits
        try:
            yield waits_for
            step = partial(work.send, None)
        except BaseException as error:  # noqa: BLE001 - it belongs to the work
            step = partial(work.throw, error)
    raise AssertionError


async def cancelled(work: Coroutine[object, object, T], nth: int) -> T:
    """Run it. The present task is cancelled as soon as the work waits for the nth time."""
    return await _stepped(work, nth)


def enter(connection: Connection) -> None:
    """Insert two rows, with a lock that all such writers take. Others wait for it, but not for long."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = '3s'"))
        connection.execute(text("LOCK TABLE numbers IN EXCLUSIVE MODE"))
    for _ in range(2):
        connection.execute(text("INSERT INTO numbers (number) SELECT count(*) FROM numbers"))


def entered(connection: Connection) -> int:
    return int(connection.execute(text("SELECT count(*) FROM numbers")).scalar_one())


@asynccontextmanager
async def numbers(url: str) -> AsyncIterator[ViewDatabase]:
    """A database with an empty table. All connections are open."""
    database = await open_view_database(view_address(url, "memory://"), WRITERS)
    try:
        await database.write(
            lambda connection: connection.execute(text("CREATE TABLE IF NOT EXISTS numbers (number INTEGER)"))
        )
        await asyncio.gather(*(database.write(enter) for _ in range(WRITERS)))
        yield database
    finally:
        await database.close()


async def check(database: ViewDatabase, rows: int) -> int:
    """There are so many rows, or a whole transaction more, and nothing keeps others from writing."""
    before = await database.write(entered)
    assert before in (rows, rows + 2)
    await asyncio.gather(*(database.write(enter) for _ in range(WRITERS)))
    after = await database.write(entered)
    assert after == before + 2 * WRITERS
    return after


@pytest.mark.row("CM-26")
def test_a_transaction_that_is_killed_at_any_point(url: str) -> None:
    async def main() -> None:
        async with numbers(url) as database:
            rows = await database.read(entered)
            for number in count(1):
                killer = Killer({number})
                with suppress(Killed), killer:
                    await database.write(enter)
                if not killer.kills:
                    break
                assert await database.read(entered) == rows
                rows = await check(database, rows)
            assert number > 5

    asyncio.run(main())


@pytest.mark.row("CM-26")
def test_a_transaction_that_is_cancelled_at_any_point(url: str) -> None:
    async def main() -> None:
        async with numbers(url) as database:
            rows = await database.read(entered)
            for number in count(1):
                writing = asyncio.create_task(cancelled(database.write(enter), number))
                await asyncio.wait([writing])
                rows = await check(database, rows)
                if not writing.cancelled():
                    break
            assert number > 1

    asyncio.run(main())
