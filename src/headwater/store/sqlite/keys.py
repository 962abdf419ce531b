"""The keys of subjects: their table, the statements, and the way to the writer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol, TypeVar

import apsw
import msgspec

from headwater.store.key_adapter import SubjectKey
from headwater.store.sqlite.draft import Draft

_FIND: Final = """
SELECT subject, wrapped, master FROM json_each(?) AS asked JOIN subjects ON subjects.subject = asked.value
LEFT JOIN subject_keys ON subject_keys.id = subjects.key
"""
_LIST: Final = """
SELECT subject, wrapped, master FROM subjects LEFT JOIN subject_keys ON subject_keys.id = subjects.key
WHERE subject > ? ORDER BY subject LIMIT ?
"""
_NEXT: Final = "SELECT coalesce(max(id), 0) + 1 FROM subject_keys"
_CREATE_SUBJECT: Final = (
    "INSERT INTO subjects (subject, key, master) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1"
)
_CREATE_KEY: Final = "INSERT INTO subject_keys (id, wrapped) VALUES (?, ?)"
_HAD: Final = "SELECT key FROM subjects WHERE subject = ? AND key NOTNULL"
_FORGET: Final = """
INSERT INTO subjects (subject, key, master) VALUES (?, NULL, '') ON CONFLICT DO UPDATE SET key = NULL, master = ''
"""
_OVERWRITE: Final = "UPDATE subject_keys SET wrapped = zeroblob(length(wrapped)) WHERE id = ?"
_REWRAP: Final = """
UPDATE subjects SET master = ? WHERE subject = ? AND master = ? AND key NOTNULL RETURNING key
"""
_REPLACE: Final = "UPDATE subject_keys SET wrapped = ? WHERE id = ?"
_PATIENCE_MILLISECONDS: Final = 2_000

_Row = tuple[str, bytes | None, str]
_T = TypeVar("_T")


class Changing(Protocol):
    """`SqliteAdapter.change`."""

    def __call__(self, run: Callable[[apsw.Connection, Draft], _T], /) -> Coroutine[object, object, _T]:
        """Have the writer run it in its next transaction."""


class Querying(Protocol):
    """`SqliteAdapter._read`."""

    def __call__(self, query: Callable[[apsw.Connection], _T], /) -> Coroutine[object, object, _T]:
        """Run it on a reader's connection."""


class SqliteKeys:
    """Fulfils `headwater.store.key_adapter.KeyAdapter`.

    Changes go through the writer's queue, in order with appends, and share its transactions. What is destroyed is
    overwritten with zeros, and moved out of the write-ahead log: at once, unless a reader holds on to an older snapshot
    for longer than two seconds; then by the next checkpoint, at the latest when the store is closed.

    Args:
        path: the file.
        change: runs what changes something.
        query: runs what doesn't.
    """

    def __init__(self, path: Path, change: Changing, query: Querying) -> None:
        self._path: Final = path
        self._change: Final = change
        self._query: Final = query

    async def find(self, subjects: Sequence[str]) -> list[SubjectKey]:
        """What is kept of these subjects."""
        return await self._query(lambda connection: _find(connection, subjects))

    async def create(self, keys: Sequence[SubjectKey]) -> list[SubjectKey]:
        """Keep those that aren't known yet."""
        return await self._change(lambda connection, _: _create(connection, keys))

    async def forget(self, subject: str) -> bool:
        """Destroy a key."""
        had = await self._change(lambda connection, _: _forget(connection, subject))
        await asyncio.to_thread(_empty_write_ahead_log, self._path)
        return had

    async def list(self, after: str, limit: int) -> list[SubjectKey]:
        """The next subjects."""
        return await self._query(lambda connection: _keys(connection, _LIST, (after, limit)))

    async def rewrap(self, keys: Sequence[SubjectKey], master: str) -> int:
        """Replace keys."""
        count = await self._change(lambda connection, _: _rewrap(connection, keys, master))
        await asyncio.to_thread(_empty_write_ahead_log, self._path)
        return count


def _find(connection: apsw.Connection, subjects: Sequence[str]) -> list[SubjectKey]:
    return _keys(connection, _FIND, (msgspec.json.encode(list(dict.fromkeys(subjects))).decode(),))


def _keys(connection: apsw.Connection, query: str, values: tuple[apsw.SQLiteValue, ...]) -> list[SubjectKey]:
    rows = connection.execute(query, values).fetchall()
    return [SubjectKey(*row) for row in msgspec.convert(rows, list[_Row])]


def _create(connection: apsw.Connection, keys: Sequence[SubjectKey]) -> list[SubjectKey]:
    [(first,)] = connection.execute(_NEXT).fetchall()
    for number, key in enumerate(keys, start=_integer(first)):
        place = None if key.wrapped is None else number
        if connection.execute(_CREATE_SUBJECT, (key.subject, place, key.master)).fetchall() and place is not None:
            connection.execute(_CREATE_KEY, (place, key.wrapped))
    return _find(connection, [key.subject for key in keys])


def _forget(connection: apsw.Connection, subject: str) -> bool:
    rows = connection.execute(_HAD, (subject,)).fetchall()
    connection.execute(_FORGET, (subject,))
    with _overwriting(connection):
        connection.executemany(_OVERWRITE, rows)
    return bool(rows)


def _rewrap(connection: apsw.Connection, keys: Sequence[SubjectKey], master: str) -> int:
    count = 0
    with _overwriting(connection):
        for key in keys:
            for (place,) in connection.execute(_REWRAP, (key.master, key.subject, master)).fetchall():
                connection.execute(_REPLACE, (key.wrapped, place))
                count += 1
    return count


@contextmanager
def _overwriting(connection: apsw.Connection) -> Iterator[None]:
    """Leave nothing in the file of what is replaced, even if SQLite doesn't put a row right over the old one."""
    connection.pragma("secure_delete", 1)
    try:
        yield
    finally:
        connection.pragma("secure_delete", 0)


def _empty_write_ahead_log(path: Path) -> None:
    """What was overwritten in the file may still lie in the log beside it."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.set_busy_timeout(_PATIENCE_MILLISECONDS)
        connection.pragma("journal_mode")  # only who has looked at the file knows that there is such a log
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.Error:
        pass  # somebody reads an older snapshot: a later checkpoint will do it
    finally:
        connection.close()


def _integer(value: object) -> int:
    assert isinstance(value, int)  # noqa: S101 - tells the type checker what the table's STRICT says
    return value
