"""What asyncpg and PostgreSQL need for the statements of a run of ours, with nothing around them.

The statements that a store sends while it appends are noted, with their arguments, and sent again to a new schema,
one after the other, through a connection set up like the writer's. So both have the same rows, questions, round trips
and commits; what is missing is everything that makes events into rows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import asyncpg

from headwater.store.postgres.address import PostgresAddress
from headwater.store.postgres.connection import Connection, Dialer, Limits
from headwater.store.postgres.schema import prepare, quoted


class Statement(NamedTuple):
    """What was sent, without the schema's name in it."""

    sql: str
    arguments: Sequence[Any]


@contextmanager
def noted(schema: str) -> Iterator[list[Statement]]:
    """The statements that writers send while the block runs."""
    statements: list[Statement] = []

    def note(query: asyncpg.connection.LoggedQuery) -> None:
        if query.args and quoted(schema) in query.query and "headwater_migrations" not in query.query:
            statements.append(Statement(query.query.replace(quoted(schema), "{s}"), query.args))

    dial = Dialer.dial_writer

    async def dial_noting(self: Dialer) -> Connection:
        connection = await dial(self)
        connection.add_query_logger(note)
        return connection

    Dialer.dial_writer = dial_noting  # type: ignore[method-assign]  # there is no other place where all of them pass
    try:
        yield statements
    finally:
        Dialer.dial_writer = dial  # type: ignore[method-assign]


async def replay(address: PostgresAddress, statements: Sequence[Statement], warm: int) -> float:
    """Seconds that the statements take, those before `warm` not counted."""
    dialer = Dialer(address, Limits(), "full", read_only=False)
    connection = await dialer.dial_writer()
    try:
        await prepare(connection, address, create=True)
        prepared = [(sql.replace("{s}", quoted(address.schema)), arguments) for sql, arguments in statements]
        for sql, arguments in prepared[:warm]:
            await connection.fetchrow(sql, *arguments)
        started = time.perf_counter()
        for sql, arguments in prepared[warm:]:
            await connection.fetchrow(sql, *arguments)
        return time.perf_counter() - started
    finally:
        await connection.close()
