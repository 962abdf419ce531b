"""Views in an SQLite file: one thread writes, others read beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Connection, Dialect, Engine, create_engine
from sqlalchemy.pool import QueuePool

from headwater.cqrs import sql_apsw
from headwater.cqrs.sql_failure import database_errors

T = TypeVar("T")

READERS: Final = 4
"""How many answers are read at a time."""


class SqliteViewDatabase:
    """An SQLite file, or memory.

    Args:
        path: the file, made if it isn't there; None for memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path: Final = path
        self._writer: Final = ThreadPoolExecutor(1, thread_name_prefix="headwater-view-writer")
        self._written: Final = _engine(partial(sql_apsw.connect_writer, path), 1)
        if path is None:
            self._readers, self._read = self._writer, self._written
        else:
            self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="headwater-view-reader")
            self._read = _engine(partial(sql_apsw.connect_reader, path), READERS)

    @property
    def dialect(self) -> Dialect:
        """What it understands."""
        return self._written.dialect

    @property
    def location(self) -> str:
        """The file."""
        return "memory" if self._path is None else str(self._path)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run a function in a transaction, in the thread that writes. See `ViewDatabase`."""
        return await self._run(self._writer, self._in_transaction, work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run a function that reads, in a thread that reads. See `ViewDatabase`."""
        return await self._run(self._readers, self._on_connection, work)

    async def close(self) -> None:
        """Let the threads finish, and close all connections."""
        for executor in (self._readers, self._writer):
            await asyncio.to_thread(executor.shutdown, cancel_futures=True)
        self._read.dispose()
        self._written.dispose()

    async def _run(
        self,
        executor: ThreadPoolExecutor,
        run: Callable[[Callable[[Connection], T]], T],
        work: Callable[[Connection], T],
    ) -> T:
        return await asyncio.get_running_loop().run_in_executor(executor, run, work)

    def _in_transaction(self, work: Callable[[Connection], T]) -> T:
        with database_errors(self.location), self._written.begin() as connection:
            return work(connection)

    def _on_connection(self, work: Callable[[Connection], T]) -> T:
        with database_errors(self.location), self._read.connect() as connection:
            return work(connection)


def _engine(connect: Callable[[], sql_apsw.Connection], connections: int) -> Engine:
    return create_engine(
        "sqlite://", module=sql_apsw, creator=connect, poolclass=QueuePool, pool_size=connections, max_overflow=0
    )
