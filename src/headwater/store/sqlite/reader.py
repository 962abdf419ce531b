"""Reading on threads of its own, with connections that cannot write."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import apsw

from headwater.store.sqlite.connection import open_reader
from headwater.store.sqlite.failure import storage_failure

_T = TypeVar("_T")


class Readers:
    """As many connections as threads. Each query sees one snapshot of the log.

    Args:
        path: the file.
        count: how many queries may run at a time; others wait their turn.

    Raises:
        apsw.Error: SQLite cannot open the file.
    """

    def __init__(self, path: Path, count: int) -> None:
        self._path: Final = path
        self._connections = deque(open_reader(path) for _ in range(count))
        self._threads = ThreadPoolExecutor(count, "headwater-reader")

    async def run(self, query: Callable[[apsw.Connection], _T]) -> _T:
        """Run the query on a thread. A caller that is cancelled leaves it to finish by itself.

        Raises:
            StorageFailed: SQLite could not read.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, query)

    def close(self) -> None:
        """Wait for the queries that run, then close the connections."""
        self._threads.shutdown()
        for connection in self._connections:
            connection.close()

    def _run(self, query: Callable[[apsw.Connection], _T]) -> _T:
        connection = self._connections.pop()  # never empty: there is one for each thread
        try:
            return query(connection)
        except apsw.Error as error:
            raise storage_failure(self._path, error) from error
        finally:
            self._connections.append(connection)
