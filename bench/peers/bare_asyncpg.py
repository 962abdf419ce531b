"""What asyncpg and PostgreSQL can do with the store's tables and statement, with nothing around them.

The same schema, statement and durability as ours; the rows are made before the clock starts, and the hash is a
constant.
"""

from __future__ import annotations

import time

import asyncpg

from headwater.clock import SystemClock
from headwater.store.postgres.address import PostgresAddress
from headwater.store.postgres.catalogue import Head
from headwater.store.postgres.connection import Dialer, Limits
from headwater.store.postgres.draft import WRITE, Chunk, Row
from headwater.store.postgres.schema import prepare, quoted
from headwater.types import IdSource

DATA = '{"account":"a-1","amount":1,"note":"hello world, this is a payload"}'
METADATA = '{"user":"u-1"}'
STREAMS = 500
_HASH = bytes(range(32))


class BareAsyncpg:
    """A schema with our tables, and one connection."""

    def __init__(self, connection: asyncpg.Connection, schema: str) -> None:
        self._connection = connection
        self._write = WRITE.format(s=quoted(schema))
        self._versions = [0] * STREAMS
        self._ids = IdSource()
        self._head = Head(0, 0, _HASH, 0, STREAMS, 1)

    @classmethod
    async def open(cls, address: PostgresAddress) -> BareAsyncpg:
        connection = await Dialer(address, Limits(), "full", read_only=False).dial()
        await prepare(connection, address, create=True)
        bare = cls(connection, address.schema)
        names = [(number + 1, f"account-a-{number}") for number in range(STREAMS)]
        first = Chunk(0, Head(1, 0, _HASH, 0, STREAMS, 1), names, [(1, "Deposited", 1)], [], [])
        await connection.fetchval(bare._write, *first.arguments())
        bare._head = first.head
        return bare

    async def append(self, transactions: int, size: int) -> tuple[float, list[float]]:
        """Events a second, and the seconds of each statement with so many events."""
        chunks = [self._chunk(size, number).arguments() for number in range(transactions)]
        times = []
        for arguments in chunks:
            started = time.perf_counter()
            written = await self._connection.fetchval(self._write, *arguments)
            times.append(time.perf_counter() - started)
            assert written
        return transactions * size / sum(times), times

    async def close(self) -> None:
        await self._connection.close()

    def _chunk(self, size: int, number: int) -> Chunk:
        """So many events: of one stream, or one of each."""
        head, now = self._head, SystemClock().wall() // 1_000
        rows: list[Row] = []
        tags = []
        for index in range(size):
            stream = number % STREAMS if size in (1, 1_000) else (self._head.position + index) % STREAMS
            self._versions[stream] += 1
            position, version = head.position + index + 1, self._versions[stream]
            id_ = self._ids.next().bytes
            name = f"account:a-{stream}"
            row = (stream + 1, version, 1, id_, None, None, DATA, METADATA, f'["{name}"]', 0, _HASH, now)
            rows.append(row)
            tags.append((name, position))
        self._head = Head(head.revision + 1, head.position + size, _HASH, now, STREAMS, 1)
        return Chunk(head.revision, self._head, [], [], tags, rows)
