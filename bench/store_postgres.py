"""The event store on PostgreSQL, beside bare asyncpg with the same statements, and beside `eventsourcing`.

Everything that a user has on is on: full durability, event ids, metadata, a tag for each event, the hash chain. The
server comes with the package `pgserver` (fsync on), unless HEADWATER_TEST_POSTGRES names another one.

Bare asyncpg sends again what a run of ours has sent: the same statements, rows and commits. `eventsourcing` writes
less: an event of its own has no identifier, metadata, tags or hash, and five columns and two indexes where ours has
thirteen and four, and a table of tags.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import NamedTuple, TypeVar
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import asyncpg
import uvloop
from tests.postgres_server import VARIABLE, server, with_options

from bench.peers import figures
from bench.peers.bare_asyncpg import Statement, noted, replay
from bench.result import Result
from bench.store import METADATA, RUNS, Deposited, Times, many_clients, one_client, percentiles
from headwater import EventStore
from headwater.codec import Codec
from headwater.store.postgres.address import parse_postgres_url

Work = Callable[[EventStore], Awaitable[tuple[float, Times]]]
T = TypeVar("T")

_SIZE = """
SELECT sum(pg_total_relation_size(pg_class.oid)) FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = $1 AND relkind = 'r'
"""


class Done(NamedTuple):
    """What a run of ours did: events a second, the seconds of each append, events; statements, from `warm` on timed."""

    rate: float
    times: Times
    events: int
    statements: list[Statement]
    warm: int


def run() -> list[Result]:
    named = os.environ.get(VARIABLE)
    with nullcontext(named) if named else server() as url:
        return [
            line
            for name, work in (
                ("append_1", partial(one_client, count=2_000, size=1)),
                ("append_500", partial(many_clients, clients=500, count=50)),
                ("append_batch_1000", partial(one_client, count=50, size=1_000)),
            )
            for line in uvloop.run(_measure(url, name, work))
        ]


async def _measure(url: str, name: str, work: Work) -> list[Result]:
    """Ours and the peers by turns, each on tables of its own, so that all have the same machine."""
    ours, bares, peers = [], [], []
    times: Times = []
    for _ in range(RUNS):
        done = await in_schema(url, partial(_ours, work=work))
        ours.append(done.rate)
        times += done.times
        noted_run = await in_schema(url, partial(_noted, work=work))
        bares.append(await in_schema(url, partial(_bare, done=noted_run)))
        peers.append(await _eventsourcing(url, name))
    found = [rate for rate in peers if rate is not None]
    peer_rate = statistics.median(found) if found else None
    ours_rate, bare_rate = statistics.median(ours), statistics.median(bares)
    p50, p99 = percentiles(times)
    lines = []
    for suffix, peer, value in (("", "bare-asyncpg", bare_rate), ("_eventsourcing", "eventsourcing", peer_rate)):
        ratio = None if value is None else ours_rate / value
        full = f"store.postgres.{name}{suffix}"
        lines.append(Result(full, peer, ours_rate, value, "events/s", ratio, "full", p50, p99))
    return lines


async def in_schema(url: str, work: Callable[[str], Awaitable[T]]) -> T:
    """Do work on a schema of its own, which is dropped afterwards."""
    schema = f"headwater_bench_{uuid4().hex[:12]}"
    connection = await asyncpg.connect(url)
    await connection.execute("CHECKPOINT")  # so that none falls into what is measured
    try:
        return await work(with_options(url, schema=schema))
    finally:
        await connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
        await connection.close()


async def _ours(url: str, work: Work, statements: Sequence[Statement] = ()) -> Done:
    async with await EventStore.open(url, Codec.of(Deposited)) as store:
        assert store.durability == "full"
        await store.append("warm-up", [Deposited("a-0", 1)], metadata=METADATA)
        warm = len(statements)
        rate, times = await work(store)
        events = await store.head()
    await _say_size(url, events)
    return Done(rate, times, events, list(statements), warm)


async def _noted(url: str, work: Work) -> Done:
    """A run that isn't timed, for its statements."""
    with noted(parse_postgres_url(url).address.schema) as statements:
        return await _ours(url, work, statements)


async def _bare(url: str, done: Done) -> float:
    seconds = await replay(parse_postgres_url(url).address, done.statements, done.warm)
    async with await EventStore.open(url, Codec.of(Deposited)) as store:
        assert await store.head() == done.events
    return (done.events - 1) / seconds


async def _say_size(url: str, events: int) -> None:
    address = parse_postgres_url(url).address
    connection = await asyncpg.connect(address.dsn)
    size = await connection.fetchval(_SIZE, address.schema)
    await connection.close()
    sys.stdout.write(f"store.postgres: {size / events:.0f} bytes an event on disk\n")


async def _eventsourcing(url: str, name: str) -> float | None:
    """None if the peer is missing."""
    return (await peer_figures(url, "eventsourcing_store.py", name)).get(name)


async def peer_figures(url: str, script: str, *before: str, after: tuple[str, ...] = ()) -> dict[str, float]:
    """What a peer's script prints that works in a database of its own on the same server. Empty if it is missing.

    The database stands behind the arguments `before`, and before those `after`.
    """
    database = f"headwater_bench_{uuid4().hex[:12]}"
    await _on_server(url, f'CREATE DATABASE "{database}"')
    parts = urlsplit(url)
    host = parse_qs(parts.query).get("host", [parts.hostname or "localhost"])[0]
    server = (host, str(parts.port or 5432), parts.username or "postgres", database)
    try:
        return figures(script, *before, *server, *after)
    finally:
        await _on_server(url, f'DROP DATABASE "{database}" WITH (FORCE)')


async def _on_server(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.close()
