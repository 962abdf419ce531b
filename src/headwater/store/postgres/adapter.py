"""The backend: what the event loop sees of one PostgreSQL schema."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

from headwater.clock import Clock, SystemClock
from headwater.errors import HeadwaterError, StoreClosed, StoreOverloaded, StoreReadOnly
from headwater.store.adapter import Append, Capabilities
from headwater.store.chain import ChainHead, ChainLink
from headwater.store.model import Appended, ExpectedVersion
from headwater.store.page import Page, Selection
from headwater.store.postgres import changes, page, snapshots, streams
from headwater.store.postgres.address import PostgresAddress
from headwater.store.postgres.bell import Bell
from headwater.store.postgres.connection import Connection, Limits
from headwater.store.postgres.keys import PostgresKeys
from headwater.store.postgres.opening import Opened, connect
from headwater.store.postgres.readers import Readers
from headwater.store.postgres.schema import quoted
from headwater.store.postgres.subscriptions import PostgresSubscriptions
from headwater.store.postgres.task import Scope, Task
from headwater.store.postgres.writer import Answer, Statistics, Work, Writer
from headwater.store.stream import Linked, Snapshot, StreamInfo, StreamSearch
from headwater.store.url import Durability

QUEUE_LIMIT: Final = 100_000
"""How many appends may wait, unless said otherwise."""

READERS: Final = 4
"""How many queries may run at a time, unless said otherwise."""

_T = TypeVar("_T")


class PostgresAdapter:
    """The event store in one PostgreSQL schema. Made by `open`; used from the event loop that opened it.

    Fulfils `headwater.store.adapter.StoreAdapter`. Uses one connection for writing the log, one for listening, and
    up to `readers` for reading, and for what is written besides the log.

    Args:
        opened: the database.
        clock: when events are recorded, and the waits between attempts.
        readers: how many queries may run at a time.
        queue_limit: how many appends may wait.
    """

    def __init__(self, opened: Opened, clock: Clock, *, readers: int, queue_limit: int) -> None:
        dialer = opened.dialer
        self._address: Final = dialer.address
        self._schema: Final = quoted(dialer.address.schema)
        self._durability: Final = opened.durability
        self._loop: Final = asyncio.get_running_loop()
        self._room: deque[asyncio.Future[None]] = deque()
        self._closing: asyncio.Task[None] | None = None
        self._readers: Final = Readers(dialer, clock, readers)
        self._bell: Final = Bell(dialer, clock, self._revision)
        self.keys: Final = PostgresKeys(self._write, self._read, self._schema)
        self.subscriptions: Final = PostgresSubscriptions(self._write, self._read, self._schema)
        self._writer: Writer | None = None
        if opened.transactions is not None:
            patience = dialer.limits.patience
            self._writer = Writer(
                opened.transactions,
                self.location,
                clock,
                patience=patience,
                queue_limit=queue_limit,
                deliver=self._answer,
            )

    @classmethod
    async def open(
        cls,
        address: PostgresAddress,
        *,
        clock: Clock | None = None,
        read_only: bool = False,
        create: bool = True,
        durability: Durability = "full",
        queue_limit: int = QUEUE_LIMIT,
        readers: int = READERS,
        limits: Limits | None = None,
    ) -> PostgresAdapter:
        """Open a schema of a database.

        Args:
            address: which one.
            clock: when events are recorded; the system's clock by default.
            read_only: don't write; a right to read the tables is enough, and a standby server will do.
            create: make the schema and its tables if they aren't there. Has no effect with `read_only`.
            durability: whether an append waits for the server's disk before it is answered. `relaxed`: what was
                answered last may be lost with the server. Behind a pooler it is as the server is configured.
            queue_limit: how many appends may wait.
            readers: how many queries may run at a time.
            limits: how long to wait for what.

        Raises:
            NotAStore: the schema holds something else, or nothing and it shall not be made. Nothing was touched.
            NewerSchema: the store was written by a newer Headwater. Nothing was touched.
            StorageFailed: the database cannot be reached, or it refused.
        """
        clock = clock or SystemClock()
        opened = await connect(
            address,
            clock,
            read_only=read_only,
            create=create,
            durability=durability,
            limits=limits or Limits(),
        )
        return cls(opened, clock, readers=readers, queue_limit=queue_limit)

    @property
    def capabilities(self) -> Capabilities:
        """Everybody reads and writes."""
        return Capabilities(durable=True, shared=True, many_writers=True)

    @property
    def durability(self) -> str:
        """`full`: an append is answered when it is on the server's disk. `relaxed`: when the server has it.

        Always `relaxed` when the server runs with `fsync` off.
        """
        return self._durability

    @property
    def location(self) -> str:
        """The database's URL, without a password."""
        return self._address.location

    @property
    def statistics(self) -> Statistics:
        """What has been written since the store was opened."""
        return Statistics() if self._writer is None else self._writer.statistics

    # --- the log -----------------------------------------------------------------------------------------------

    def submit(self, append: Append) -> None:
        """Queue an append. Never blocks.

        Raises:
            StoreClosed: the store is closed.
            StoreReadOnly: it was opened for reading only.
            StoreOverloaded: the queue is full; nothing was queued.
        """
        self._queue(append)

    async def room(self) -> None:
        """Wait until `submit` would queue, or the store is closed."""
        if self._writer is None or self._writer.has_room or self._closing is not None:
            return
        waiter = self._loop.create_future()
        self._room.append(waiter)
        try:
            await waiter
        finally:
            with suppress(ValueError):
                self._room.remove(waiter)

    async def read(self, selection: Selection, limit: int) -> Page:
        """The next events of a selection, at most `limit`; one snapshot.

        Raises:
            StoreClosed, StorageFailed: like all reads.
        """
        return await self._read(lambda connection: page.read(connection, self._schema, selection, limit))

    def recent(self, selection: Selection, limit: int) -> Page | None:
        """Nothing is kept in memory."""
        return None

    async def head(self) -> int:
        """The highest position that a reader sees now; 0 for an empty log."""
        return await self._read(lambda connection: page.head(connection, self._schema))

    async def read_chain(self, after: int, limit: int) -> list[ChainLink]:
        """The next events above position `after` with the hashes that are stored beside them."""
        return await self._read(lambda connection: page.chain(connection, self._schema, after, limit))

    async def chain_head(self) -> ChainHead:
        """Where the chain ends, as the last commit has noted it."""
        return await self._read(lambda connection: page.chain_head(connection, self._schema))

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` after each commit; of other processes' commits the server tells within milliseconds."""
        self._require_open()
        return self._bell.add(wake)

    async def close(self) -> None:
        """Answer what is queued, then release everything. Harmless when closed already.

        A caller that is cancelled leaves the closing to go on by itself.
        """
        if self._closing is None:
            self._bell.close()
            self._closing = self._loop.create_task(self._release(), name="headwater-store-close")
            self._wake_room()
        await asyncio.shield(self._closing)

    # --- streams -----------------------------------------------------------------------------------------------

    async def stream_info(self, name: str) -> StreamInfo | None:
        """What is known of a stream."""
        return await self._read(lambda connection: streams.stream_info(connection, self._schema, name))

    async def streams(self, search: StreamSearch, limit: int) -> list[StreamInfo]:
        """The next streams that are searched for, at most `limit`, in the order of their names' bytes."""
        return await self._read(lambda connection: streams.streams(connection, self._schema, search, limit))

    async def link(self, stream: str, positions: Sequence[int], expected: ExpectedVersion) -> Linked:
        """Put events of the log into another stream too."""
        return await self.change(partial(changes.link, stream=stream, positions=positions, expected=expected), [stream])

    async def truncate(self, stream: str, before: int | None, expected: ExpectedVersion) -> StreamInfo:
        """Have reads skip the versions below `before`."""
        return await self.change(partial(changes.truncate, stream=stream, before=before, expected=expected), [stream])

    async def tombstone(self, stream: str, expected: ExpectedVersion) -> StreamInfo:
        """Close a stream for ever."""
        return await self.change(partial(changes.tombstone, stream=stream, expected=expected), [stream])

    async def change(self, run: Callable[[Scope], Awaitable[_T]], streams: Sequence[str] = ()) -> _T:
        """Have the writer change something, in order with appends; wait until it is durable.

        For tables that this backend keeps besides events. A caller that is cancelled leaves it to happen.

        Args:
            run: see `Task`.
            streams: the streams that it will ask for.

        Raises:
            StoreClosed, StoreReadOnly, StorageFailed, StorageFull: like appends; and what `run` raises.
            OutcomeUnknown: the connection was lost while it was committed.
        """
        task = Task(run, streams, self._loop.create_future())
        while True:
            await self.room()
            with suppress(StoreOverloaded):
                self._queue(task)
                break
        result: _T = await task.answer
        return result

    # --- snapshots ---------------------------------------------------------------------------------------------

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep it instead of an older one."""
        await self._write(lambda connection: snapshots.save(connection, self._schema, snapshot))

    async def load_snapshot(self, stream: str, key: str) -> Snapshot | None:
        """The snapshot of this stream and key."""
        return await self._read(lambda connection: snapshots.load(connection, self._schema, stream, key))

    async def delete_snapshots(self, stream: str, key: str | None) -> None:
        """Forget one snapshot of the stream, or all."""
        await self._write(lambda connection: snapshots.delete(connection, self._schema, stream, key))

    # --- inside ------------------------------------------------------------------------------------------------

    def _queue(self, work: Work) -> None:
        if self._writer is None or self._closing is not None:
            self._require_writable()
            self._require_open()
        else:
            self._writer.submit(work)

    def _require_writable(self) -> None:
        if self._writer is None:
            raise StoreReadOnly(f"{self.location}: the store was opened for reading only, it takes no appends")

    def _require_open(self) -> None:
        if self._closing is not None:
            raise StoreClosed(f"{self.location}: the store is closed")

    async def _read(self, query: Callable[[Connection], Awaitable[_T]], patience: float | None = None) -> _T:
        self._require_open()
        return await self._readers.run(query, patience)

    async def _write(self, statement: Callable[[Connection], Awaitable[_T]], patience: float | None = None) -> _T:
        """What needs no order with appends."""
        self._require_writable()
        return await self._read(statement, patience)

    async def _revision(self) -> int:
        return await self._readers.run(lambda connection: page.revision(connection, self._schema), patience=0)

    def _answer(self, answers: list[Answer]) -> None:
        position = 0
        committed = False
        for answer in answers:
            outcome = answer.outcome
            committed = committed or not isinstance(outcome, HeadwaterError)
            if isinstance(outcome, Appended):
                position = outcome.position
            answer.work.resolve(outcome)
        if committed:
            self._bell.ring()
            self._bell.announce(position)
        self._wake_room()

    def _wake_room(self) -> None:
        while self._room:
            waiter = self._room.popleft()
            if not waiter.done():
                waiter.set_result(None)

    async def _release(self) -> None:
        if self._writer is not None:
            await self._writer.finish()
        await self._bell.finish()
        await self._readers.close()
