"""The backend: what the event loop sees of one SQLite file."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import apsw

from headwater.clock import Clock, SystemClock
from headwater.errors import HeadwaterError, StoreClosed, StoreOverloaded, StoreReadOnly
from headwater.store.adapter import Capabilities
from headwater.store.backup import Backup, BackupProgress
from headwater.store.chain import ChainHead, ChainLink
from headwater.store.model import ExpectedVersion
from headwater.store.page import Page, Selection
from headwater.store.sqlite import changes, page, snapshots, streams
from headwater.store.sqlite.backup import back_up
from headwater.store.sqlite.courtesy import Courtesy
from headwater.store.sqlite.draft import Draft
from headwater.store.sqlite.files import Files
from headwater.store.sqlite.keys import SqliteKeys
from headwater.store.sqlite.names import Names
from headwater.store.sqlite.subscriptions import SqliteSubscriptions
from headwater.store.sqlite.task import Task
from headwater.store.sqlite.watch import PollingWatchers
from headwater.store.sqlite.writer import Settled, Statistics, Work
from headwater.store.stream import Linked, Snapshot, StreamInfo, StreamSearch
from headwater.store.tail import Tail
from headwater.store.url import Durability
from headwater.store.watchers import Watchers

QUEUE_LIMIT: Final = 100_000
"""How many appends may wait, unless said otherwise."""

_T = TypeVar("_T")


class SqliteAdapter:
    """The event store in one SQLite file. Made by `open`; used from the event loop that opened it.

    Fulfils `headwater.store.adapter.StoreAdapter`.

    Args:
        files: what is open.
        clock: its timer says when a reading store asks for new events.
        durability: how the files were opened.
    """

    def __init__(self, files: Files, clock: Clock, durability: Durability) -> None:
        self._files: Final = files
        self._clock: Final = clock
        self._durability: Final = durability
        self._writer: Final = files.writer
        self._names: Final = Names()
        self._tail: Final = Tail()
        self._loop: Final = asyncio.get_running_loop()
        self._room: deque[asyncio.Future[None]] = deque()
        self._closing: asyncio.Task[None] | None = None
        self._pending = 0
        self.subscriptions: Final = SqliteSubscriptions(self.change, self._read)
        self.keys: Final = SqliteKeys(files.path, self.change, self._read)
        self._done = 0
        self._courtesy: Final = Courtesy(self._loop, self._progress)
        self._watchers: Final = PollingWatchers(files.path, clock) if self._writer is None else Watchers()
        if self._writer is not None:
            self._writer.start(self._deliver)

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        clock: Clock | None = None,
        read_only: bool = False,
        create: bool = True,
        durability: Durability = "full",
        queue_limit: int = QUEUE_LIMIT,
        max_pages: int | None = None,
    ) -> SqliteAdapter:
        """Open a file.

        Args:
            path: the file.
            clock: when events are recorded; the system's clock by default.
            read_only: don't write, and don't mind who does.
            create: make the file if it doesn't exist. Has no effect with `read_only`.
            durability: whether an append waits for the disk before it is answered. `relaxed`: what was answered last
                may be lost with the machine, though not with the process.
            queue_limit: how many appends may wait.
            max_pages: how many pages the file may grow to; beyond, appends fail with `StorageFull`.
                No limit of its own by default.

        Raises:
            StoreLocked: another process, or another store in this one, writes to the file.
            NotAStore: the file is something else, or there is none and it shall not be made. Nothing was touched.
            NewerSchema: the file was written by a newer Headwater. Nothing was touched.
            StorageFailed: the directory is missing or cannot be written to, or SQLite cannot open the file.
        """
        clock = clock or SystemClock()
        if read_only:
            files = await asyncio.to_thread(Files.for_reading, path)
        else:
            make = partial(
                Files.for_writing, create=create, durability=durability, queue_limit=queue_limit, max_pages=max_pages
            )
            files = await asyncio.to_thread(make, path, clock)
        return cls(files, clock, durability)

    @property
    def capabilities(self) -> Capabilities:
        """One process writes, others may read."""
        return Capabilities(durable=True, shared=True, many_writers=False)

    @property
    def durability(self) -> str:
        """`full`: an append is answered when it is on the disk. `relaxed`: when the operating system has it."""
        return self._durability

    @property
    def location(self) -> str:
        """The file's path."""
        return str(self._files.path)

    @property
    def statistics(self) -> Statistics:
        """What has been written since the store was opened."""
        return Statistics(0, 0, 0, 0) if self._writer is None else self._writer.statistics

    def submit(self, append: Work) -> None:
        """Queue an append, or a task of this backend's own. Never blocks.

        Raises:
            StoreClosed: the store is closed.
            StoreReadOnly: it was opened for reading only.
            StoreOverloaded: the queue is full; nothing was queued.
        """
        if self._writer is None:
            raise StoreReadOnly(f"{self.location}: the store was opened for reading only, it takes no appends")
        if self._closing is not None:
            raise StoreClosed(f"{self.location}: the store is closed")
        self._writer.submit(append)
        self._pending += 1
        if not self._courtesy.active:
            self._courtesy.begin()

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
        found = await self._read(lambda connection: page.read(connection, self._names, selection, limit))
        self._tail.seen(found.head)
        return found

    def recent(self, selection: Selection, limit: int) -> Page | None:
        """The same out of memory, where it is there."""
        return None if self._closing is not None else self._tail.read(selection, limit)

    async def head(self) -> int:
        """The highest position that a reader sees now; 0 for an empty log."""
        head = await self._read(page.head)
        self._tail.seen(head)
        return head

    async def read_chain(self, after: int, limit: int) -> list[ChainLink]:
        """The next events above position `after` with the hashes that are stored beside them."""
        return await self._read(lambda connection: page.chain(connection, after, limit))

    async def chain_head(self) -> ChainHead:
        """Where the chain ends, as the last commit has noted it."""
        return await self._read(page.chain_head)

    async def stream_info(self, name: str) -> StreamInfo | None:
        """What is known of a stream."""
        return await self._read(lambda connection: streams.stream_info(connection, name))

    async def streams(self, search: StreamSearch, limit: int) -> list[StreamInfo]:
        """The next streams that are searched for, at most `limit`, in the order of their names' bytes."""
        return await self._read(lambda connection: streams.streams(connection, search, limit))

    async def link(self, stream: str, positions: Sequence[int], expected: ExpectedVersion) -> Linked:
        """Put events of the log into another stream too."""
        return await self.change(
            lambda connection, draft: changes.link(connection, draft, stream, positions, expected), [stream]
        )

    async def truncate(self, stream: str, before: int | None, expected: ExpectedVersion) -> StreamInfo:
        """Have reads skip the versions below `before`."""
        return await self.change(
            lambda connection, draft: changes.truncate(connection, draft, stream, before, expected), [stream]
        )

    async def tombstone(self, stream: str, expected: ExpectedVersion) -> StreamInfo:
        """Close a stream for ever."""
        return await self.change(
            lambda connection, draft: changes.tombstone(connection, draft, stream, expected), [stream]
        )

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep it instead of an older one."""
        await self.change(lambda connection, _: snapshots.save(connection, snapshot))

    async def load_snapshot(self, stream: str, key: str) -> Snapshot | None:
        """The snapshot of this stream and key."""
        return await self._read(lambda connection: snapshots.load(connection, stream, key))

    async def delete_snapshots(self, stream: str, key: str | None) -> None:
        """Forget one snapshot of the stream, or all."""
        await self.change(lambda connection, _: snapshots.delete(connection, stream, key))

    async def backup(self, path: Path, *, overwrite: bool, progress: BackupProgress | None) -> Backup:
        """Copy the file."""
        if self._closing is not None:
            raise StoreClosed(f"{self.location}: the store is closed")
        return await back_up(self._files.path, path, self._clock, overwrite=overwrite, progress=progress)

    async def change(
        self, run: Callable[[apsw.Connection, Draft], _T], streams: Sequence[str] = (), *, quiet: bool = False
    ) -> _T:
        """Have the writer change something in its next transaction, in order with appends; wait until it is durable.

        For tables that this backend keeps besides events. A caller that is cancelled leaves it to happen.

        Args:
            run: see `Task`.
            streams: the streams that it will ask the draft for.
            quiet: see `Task`.

        Raises:
            StoreClosed, StoreReadOnly, StorageFailed, StorageFull: like appends; and what `run` raises.
        """
        task = Task(run, streams, self._loop.create_future(), quiet=quiet)
        while True:
            await self.room()
            with suppress(StoreOverloaded):
                self.submit(task)
                break
        result: _T = await task.answer
        return result

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` after each commit; commits of other processes are noticed within 10 ms or so."""
        if self._closing is not None:
            raise StoreClosed(f"{self.location}: the store is closed")
        if self._writer is not None:
            self._writer.remember = True
        return self._watchers.add(wake)

    async def close(self) -> None:
        """Answer what is queued, then release everything. Harmless when closed already.

        A caller that is cancelled leaves the closing to go on by itself.
        """
        if self._closing is None:
            self._watchers.close()
            self._tail.clear()
            self._closing = self._loop.create_task(asyncio.to_thread(self._files.close), name="headwater-store-close")
            self._wake_room()
        await asyncio.shield(self._closing)

    async def _read(self, query: Callable[[apsw.Connection], _T]) -> _T:
        if self._closing is not None:
            raise StoreClosed(f"{self.location}: the store is closed")
        self._pending += 1
        if not self._courtesy.active:
            self._courtesy.begin()
        try:
            return await self._files.readers.run(query)
        finally:
            self._pending -= 1
            self._done += 1

    def _deliver(self, settled: Settled) -> None:
        """On the writer's thread."""
        with suppress(RuntimeError):  # the event loop is gone, and with it everybody who waited
            self._loop.call_soon_threadsafe(self._answer, settled)

    def _answer(self, settled: Settled) -> None:
        committed = False
        self._remember(settled)
        self._pending -= len(settled.answers)
        for answer in settled.answers:
            work, outcome = answer.work, answer.outcome
            committed = committed or not (
                isinstance(outcome, HeadwaterError) or (isinstance(work, Task) and work.quiet)
            )
            work.resolve(outcome)
        if committed:
            self._watchers.ring()
        self._wake_room()

    def _remember(self, settled: Settled) -> None:
        """Before anything is answered: what an answer tells of can be read."""
        if settled.events is None or self._closing is not None:
            self._tail.clear()
        else:
            self._tail.add(settled.events)
        if self._writer is not None:
            self._writer.remember = len(self._watchers) > 0  # nobody else reads so close to the head

    def _progress(self) -> int | None:
        """For `Courtesy`: how far the threads have got, as long as somebody waits for them."""
        if not self._pending:
            return None
        return self._done if self._writer is None else self._done + self._writer.steps

    def _wake_room(self) -> None:
        while self._room:
            waiter = self._room.popleft()
            if not waiter.done():
                waiter.set_result(None)
