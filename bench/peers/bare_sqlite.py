"""What SQLite itself can do with the store's tables and rows, on one thread, with nothing around it.

The same schema, indexes, page size, checkpoints and syncs as ours, and a stream and its tag are made by their first
append, as with ours; the rows are made before the clock starts, and the hash is a constant.
"""

from __future__ import annotations

import time
from pathlib import Path

from headwater.clock import SystemClock
from headwater.store.sqlite.connection import open_reader, open_writer
from headwater.store.sqlite.schema import prepare
from headwater.types import IdSource

DATA = '{"account":"a-1","amount":1,"note":"hello world, this is a payload"}'
METADATA = '{"user":"u-1"}'
STREAMS = 500
_STREAM = "INSERT INTO streams VALUES (?,?)"
_TAG = "INSERT INTO tags VALUES (?,?)"
_INSERT = "INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
_TAGS = "INSERT INTO event_tags VALUES (?,?)"
_CHAIN = "UPDATE chain SET position = ?, hash = ?"
_HASH = bytes(range(32))

Row = tuple[int | str | bytes | None, ...]


class BareSqlite:
    """A file with our tables."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = open_writer(path)
        prepare(self._connection, path)
        self._connection.execute("INSERT INTO types VALUES (1, 'Deposited', 1)")
        self._versions = [0] * STREAMS
        self._ids = IdSource()
        self._head = 0

    def append(self, transactions: int, size: int) -> tuple[float, list[float]]:
        """Events a second, and the seconds of each transaction of so many events."""
        rows = [self._rows(size, number) for number in range(transactions)]
        times = []
        for batch in rows:
            started = time.perf_counter()
            self._commit(batch)
            times.append(time.perf_counter() - started)
        return transactions * size / sum(times), times

    def read_all(self) -> float:
        """Events a second, the data still encoded."""
        connection = open_reader(self._path)
        started = time.perf_counter()
        count = sum(1 for _ in connection.execute("SELECT position, stream, version, type, data FROM events"))
        return count / (time.perf_counter() - started)

    def close(self) -> None:
        self._connection.close()

    def _rows(self, size: int, number: int) -> list[Row]:
        stream = number % STREAMS
        now = SystemClock().wall() // 1_000
        rows: list[Row] = []
        for left in range(size - 1, -1, -1):
            self._head += 1
            self._versions[stream] += 1
            event_id = self._ids.next_int().to_bytes(16)
            place = (self._head, stream + 1, self._versions[stream], 1, event_id, now, None, None)
            rows.append((*place, DATA, METADATA, f'["account:a-{stream}"]', left, _HASH))
        return rows

    def _commit(self, rows: list[Row]) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        stream, version = rows[0][1:3]
        if version == 1:
            connection.execute(_STREAM, (stream, f"account-a-{stream!s}"))
            connection.execute(_TAG, (stream, f"account:a-{stream!s}"))
        connection.executemany(_INSERT, rows)
        connection.executemany(_TAGS, [(row[1], row[0]) for row in rows])
        connection.execute(_CHAIN, (rows[-1][0], _HASH))
        connection.execute("COMMIT")
