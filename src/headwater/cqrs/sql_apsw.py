"""SQLite by way of apsw, in the form in which SQLAlchemy expects a driver (PEP 249).

The `sqlite3` of the standard library comes with whatever SQLite the machine has, and many of them can corrupt a file in
WAL mode; apsw brings its own. Only what SQLAlchemy's dialect uses is here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import apsw

apilevel: Final = "2.0"
threadsafety: Final = 1
paramstyle: Final = "qmark"
Binary: Final = bytes
sqlite_version_info: Final = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))

_BUSY_MILLISECONDS: Final = 5_000


class Error(Exception):
    """Base of all errors of this driver. `__cause__` is SQLite's own."""


class InterfaceError(Error):
    """Never raised."""


class DatabaseError(Error):
    """Base of what SQLite says."""


class DataError(DatabaseError):
    """A value that doesn't fit."""


class OperationalError(DatabaseError):
    """The file, the disk or another connection is at fault, not the statement."""


class IntegrityError(DatabaseError):
    """A constraint says no."""


class InternalError(DatabaseError):
    """Never raised."""


class ProgrammingError(DatabaseError):
    """The statement is wrong."""


class NotSupportedError(DatabaseError):
    """Never raised."""


_ERRORS: Final[dict[type[apsw.Error], type[DatabaseError]]] = {
    apsw.ConstraintError: IntegrityError,
    apsw.MismatchError: DataError,
    apsw.RangeError: DataError,
    apsw.TooBigError: DataError,
    apsw.SQLError: ProgrammingError,
    apsw.MisuseError: ProgrammingError,
    apsw.BindingsError: ProgrammingError,
    apsw.ReadOnlyError: ProgrammingError,
}


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        kind = next((_ERRORS[one] for one in type(error).__mro__ if one in _ERRORS), OperationalError)
        raise kind(f"{type(error).__name__.removesuffix('Error')}: {error}") from error


Description: TypeAlias = tuple[tuple[str, None, None, None, None, None, None], ...]


class Connection:
    """A connection. A transaction begins with the first statement.

    Args:
        raw: apsw's connection.
        begin: how a transaction begins.
    """

    isolation_level: str | None = ""

    def __init__(self, raw: apsw.Connection, begin: str) -> None:
        self.raw: Final = raw
        self._begin: Final = begin

    def cursor(self) -> Cursor:
        """Something to execute a statement with."""
        return Cursor(self)

    def begin(self) -> None:
        """Begin a transaction unless one is under way."""
        if not self.raw.in_transaction:
            self.raw.execute(self._begin)

    def commit(self) -> None:
        """Commit, if there is a transaction."""
        if self.raw.in_transaction:
            with _translated():
                self.raw.execute("COMMIT")

    def rollback(self) -> None:
        """Undo, if there is a transaction."""
        if self.raw.in_transaction:
            with _translated():
                self.raw.execute("ROLLBACK")

    def close(self) -> None:
        """Close it; what was not committed is undone."""
        self.raw.close()

    def create_function(
        self, name: str, count: int, function: Callable[..., object], *, deterministic: bool = False
    ) -> None:
        """Let statements call a function."""
        self.raw.create_scalar_function(name, function, count, deterministic=deterministic)


class Cursor:
    """Executes one statement at a time.

    Attributes:
        description: the columns of what was selected, each as a tuple that begins with its name; None if nothing was.
        rowcount: how many rows were changed.
        lastrowid: the number of the row that was inserted last.
        arraysize: how many rows `fetchmany` fetches.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection: Final = connection
        self._cursor: Final = connection.raw.cursor()
        self._rows: Iterator[tuple[object, ...]] = iter(())
        self.description: Description | None = None
        self.rowcount = -1
        self.arraysize = 1

    @property
    def lastrowid(self) -> int:
        """The number of the row that was inserted last."""
        return self._connection.raw.last_insert_rowid()

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> Cursor:
        """Execute it once. All rows are fetched at once: the statement holds nothing open."""
        self.description = None
        with _translated():
            self._connection.begin()
            before = self._connection.raw.total_changes()
            self._cursor.exec_trace = self._describe  # the columns can't be asked for once there are no more rows
            self._rows = iter(self._cursor.execute(sql, tuple(parameters)).fetchall())
        self.rowcount = self._connection.raw.total_changes() - before
        return self

    def executemany(self, sql: str, many: Iterable[Sequence[object]]) -> Cursor:
        """Execute it once for each set of parameters."""
        self.description = None
        self._cursor.exec_trace = None
        with _translated():
            self._connection.begin()
            before = self._connection.raw.total_changes()
            self._cursor.executemany(sql, many).fetchall()
        self.rowcount = self._connection.raw.total_changes() - before
        return self

    def _describe(self, cursor: apsw.Cursor, _sql: str, _bindings: object) -> bool:
        columns = cursor.get_description()
        self.description = tuple((column[0], None, None, None, None, None, None) for column in columns) or None
        return True

    def fetchone(self) -> tuple[object, ...] | None:
        """The next row."""
        return next(self._rows, None)

    def fetchmany(self, size: int | None = None) -> list[tuple[object, ...]]:
        """The next rows."""
        wanted = self.arraysize if size is None else size
        return [row for _, row in zip(range(wanted), self._rows, strict=False)]

    def fetchall(self) -> list[tuple[object, ...]]:
        """All rows that are left."""
        return list(self._rows)

    def close(self) -> None:
        """Forget the rows."""
        self._rows = iter(())


def connect_writer(path: Path | None) -> Connection:
    """A connection that writes. What it commits survives the process; the machine may lose the last commits whole.

    Args:
        path: the file, made if it isn't there; None for memory.

    Raises:
        OperationalError: it can't be opened.
    """
    with _translated():
        raw = apsw.Connection(":memory:" if path is None else str(path))
        raw.set_busy_timeout(_BUSY_MILLISECONDS)
        if path is not None:
            raw.pragma("journal_mode", "WAL")
        raw.pragma("synchronous", "NORMAL")
        raw.pragma("foreign_keys", 1)
        raw.pragma("mmap_size", 0)
        return Connection(raw, "BEGIN IMMEDIATE")


def connect_reader(path: Path) -> Connection:
    """A connection that can only read. What it reads in one transaction is of one moment.

    Raises:
        OperationalError: it can't be opened.
    """
    with _translated():
        raw = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        raw.set_busy_timeout(_BUSY_MILLISECONDS)
        raw.pragma("query_only", 1)
        raw.pragma("mmap_size", 0)
        raw.wal_autocheckpoint(0)
        return Connection(raw, "BEGIN")
