"""Tables in memory that one object has for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

from sqlalchemy import Connection, Table, create_engine
from sqlalchemy.pool import StaticPool

from headwater.cqrs import sql_apsw
from headwater.cqrs.sql_batch import Run, Statement, Statements
from headwater.cqrs.sql_rows import Rows

T = TypeVar("T")


class PrivateTables:
    """A view's tables in an SQLite database in memory, empty at first. Gone when nobody holds this object.

    Args:
        tables: which.
    """

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self._engine: Final = create_engine(
            "sqlite://", module=sql_apsw, creator=lambda: sql_apsw.connect_writer(None), poolclass=StaticPool
        )
        with self._engine.begin() as connection:
            create_tables(connection, tables.values())

    def execute(self, statements: Iterable[Statement]) -> None:
        """Execute all of them, or none."""
        collected = Statements()
        collected.add(statements)
        with self._engine.begin() as connection:
            execute_runs(connection, collected.runs)

    def read(self, work: Callable[[Rows], T]) -> T:
        """Read from the tables."""
        with self._engine.connect() as connection:
            return work(Rows(connection))


def create_tables(connection: Connection, tables: Iterable[Table]) -> None:
    """Create tables that aren't there, with their indexes."""
    for table in tables:
        table.create(connection)


def execute_runs(connection: Connection, runs: Iterable[Run]) -> None:
    """Execute statements in their order."""
    for statement, many in runs:
        connection.execute(statement, many or None)
