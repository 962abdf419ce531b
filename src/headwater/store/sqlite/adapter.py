"""The backend: what the event loop sees of one SQLite file."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import apsw

from headwater.clock import Clock, SystemClock
from headwater.errors import StoreClosed, StoreReadOnly
from headwater.store.adapter import Append
from headwater.store.model import Appended, StoredEvent, StreamInfo
from headwater.store.sqlite import page
from headwater.store.sqlite.courtesy import Courtesy
from headwater.store.sqlite.files import Files
from headwater.store.sqlite.watch import PollingWatchers, Watchers
from headwater.store.sqlite.writer import Answer, Statistics

QUEUE_LIMIT: Final = 100_000
"""How many appends may wait, unless said otherwise."""

_T = TypeVar("_T")


class SqliteAdapter:
    """The event store in one SQLite file. Made by `open`; used from the event loop that opened it.

    Fulfils `headwater.store.adapter.StoreAdapter`.

    Args:
        files: what is open.
        clock: its timer says when a reading store asks for new events.
    """

    def __init__(self, files: Files, clock: Clock) -> None:
        self._files: Final = files
        self._writer: Final = files.writer
        self._loop: Final = asyncio.get_running_loop()
        self._room: deque[asyncio.Future[None]] = deque()
        self._closing: asyncio.Task[None] | None = None
        self._pending = 0
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
        queue_limit: int = QUEUE_LIMIT,
        max_pages: int | None = None,
    ) -> SqliteAdapter:
        """Open a file.

        Args:
            path: the file.
            clock: when events are recorded; the system's clock by default.
            read_only: don't write, and don't mind who does.
            create: make the file if it doesn't exist. Has no effect with `read_only`.
            queue_limit: how many appends may wait.
            max_pages: how many pages of 4,096 bytes the file may grow to; beyond, appends fail with `StorageFull`.
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
            make = partial(Files.for_writing, create=create, queue_limit=queue_limit, max_pages=max_pages)
            files = await asyncio.to_thread(make, path, clock)
        return cls(files, clock)

    @property
    def durability(self) -> str:
        """`full`: an append is answered when it is on the disk."""
        return "full"

    @property
    def location(self) -> str:
        """The file's path."""
        return str(self._files.path)

    @property
    def statistics(self) -> Statistics:
        """What has been written since the store was opened."""
        return Statistics(0, 0, 0, 0) if self._writer is None else self._writer.statistics

    def submit(self, append: Append) -> None:
        """Queue an append. Never blocks.

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

    async def read_all(self, after: int, limit: int) -> list[StoredEvent]:
        """The next events above position `after`, at most `limit`, in order.

        Raises:
            StoreClosed, StorageFailed: like all reads.
        """
        return await self._read(lambda connection: page.all_events(connection, after, limit))

    async def read_stream(self, stream: str, after: int, limit: int) -> list[StoredEvent]:
        """The next events of a stream above version `after`, at most `limit`, in order."""
        return await self._read(lambda connection: page.stream_events(connection, stream, after, limit))

    async def read_last(self, stream: str) -> StoredEvent | None:
        """The stream's last event, or None when it has none."""
        return await self._read(lambda connection: page.last_event(connection, stream))

    async def head(self) -> int:
        """The highest position that a reader sees now; 0 for an empty log."""
        return await self._read(page.head)

    async def streams(self, after: str, limit: int) -> list[StreamInfo]:
        """The next streams by name above `after`, at most `limit`, in the order of their names' bytes."""
        return await self._read(lambda connection: page.streams(connection, after, limit))

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` after each commit; commits of other processes are noticed within 10 ms or so."""
        if self._closing is not None:
            raise StoreClosed(f"{self.location}: the store is closed")
        return self._watchers.add(wake)

    async def close(self) -> None:
        """Answer what is queued, then release everything. Harmless when closed already.

        A caller that is cancelled leaves the closing to go on by itself.
        """
        if self._closing is None:
            self._watchers.close()
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

    def _deliver(self, answers: list[Answer]) -> None:
        """On the writer's thread."""
        with suppress(RuntimeError):  # the event loop is gone, and with it everybody who waited
            self._loop.call_soon_threadsafe(self._answer, answers)

    def _answer(self, answers: list[Answer]) -> None:
        committed = False
        self._pending -= len(answers)
        for append, outcome in answers:
            future = append.answer
            if isinstance(outcome, Appended):
                committed = True
                if not future.done():  # it is done when its caller was cancelled
                    future.set_result(outcome)
            elif not future.done():
                future.set_exception(outcome)
        if committed:
            self._watchers.ring()
        self._wake_room()

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
