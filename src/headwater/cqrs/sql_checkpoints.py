"""How far views in a database have come: a table beside theirs, written in the transactions of their rows."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    inspect,
    select,
    text,
    update,
)

from headwater.cqrs.sql_definition import SQLDefinition
from headwater.cqrs.sql_private import create_tables
from headwater.cqrs.sql_tables import check_definition, define, encode_definition, fingerprint
from headwater.errors import ViewPartitionsChanged, ViewTablesChanged, ViewTablesTaken

VIEWS: Final = Table(
    "headwater_views",
    MetaData(),
    Column("view", String(255), primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("event", LargeBinary(16)),
    Column("partitions", Integer, nullable=False),
    Column("fingerprint", String(16), nullable=False),
    Column("definition", Text, nullable=False),
)

_MOVE: Final = (
    update(VIEWS)
    .where(
        VIEWS.c.view == bindparam("of_view"),
        VIEWS.c.partition == bindparam("of_partition"),
        VIEWS.c.position == bindparam("before"),
    )
    .values(position=bindparam("now"), event=bindparam("last_event"))
)
_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('headwater_views', 0))")


class Checkpoint(NamedTuple):
    """How far one partition has come.

    Attributes:
        position: the position up to which it has followed the log.
        event: the 16 bytes of the identifier of the event there; None at the beginning, or if it isn't known.
    """

    position: int
    event: bytes | None


class CheckpointMoved(Exception):
    """Another writer has gone on from this checkpoint. Roll back, and read it again."""


class Checkpoints:
    """The checkpoints of one view. Its methods work inside the transaction of a connection.

    Args:
        kind: the view's class.
    """

    def __init__(self, kind: type[SQLDefinition]) -> None:
        self._kind: Final = kind
        self._view: Final = kind.view

    def create(self, connection: Connection) -> None:
        """Make the view's tables, unless they are there; then make sure that they are those of the class.

        Raises:
            ViewTablesChanged, ViewTablesTaken, ViewPartitionsChanged: they aren't.
        """
        if connection.dialect.name == "postgresql":
            connection.execute(_LOCK)  # two that create the same table at the same time would get in each other's way
        VIEWS.create(connection, checkfirst=True)
        definition = encode_definition(define(self._kind.tables, connection.dialect))
        if not self._check(connection, definition):
            self._create(connection, definition)

    def _create(self, connection: Connection, definition: str) -> None:
        for name in self._existing(connection):
            raise ViewTablesTaken(self._view, name)
        create_tables(connection, self._kind.tables.values())
        connection.execute(
            insert(VIEWS),
            [
                {
                    "view": self._view,
                    "partition": partition,
                    "position": 0,
                    "partitions": self._kind.partitions,
                    "fingerprint": fingerprint(definition),
                    "definition": definition,
                }
                for partition in range(self._kind.partitions)
            ],
        )

    def _check(self, connection: Connection, definition: str) -> bool:
        """Whether the view is there, and as it should be."""
        columns = (VIEWS.c.partitions, VIEWS.c.fingerprint, VIEWS.c.definition)
        found = connection.execute(select(*columns).where(VIEWS.c.view == self._view)).first()
        if found is None:
            return False
        if found.partitions != self._kind.partitions:
            raise ViewPartitionsChanged(self._view, found.partitions, self._kind.partitions)
        if found.fingerprint != fingerprint(definition):
            check_definition(self._view, found.definition, define(self._kind.tables, connection.dialect))
        missing = {table.name for table in self._kind.tables.values()}.difference(self._existing(connection))
        for name in sorted(missing):
            raise ViewTablesChanged(self._view, name, None, f"table {name} is missing in the database")
        return True

    def _existing(self, connection: Connection) -> list[str]:
        inspector = inspect(connection)
        return [table.name for table in self._kind.tables.values() if inspector.has_table(table.name)]

    def read(self, connection: Connection) -> list[Checkpoint]:
        """The checkpoint of each partition; none if the view isn't there."""
        if not inspect(connection).has_table(VIEWS.name):
            return []
        columns = (VIEWS.c.position, VIEWS.c.event)
        rows = connection.execute(select(*columns).where(VIEWS.c.view == self._view).order_by(VIEWS.c.partition))
        return [Checkpoint(row.position, row.event) for row in rows]

    def move(self, connection: Connection, partition: int, before: int, now: Checkpoint) -> None:
        """Move a checkpoint on. It stays locked until the transaction ends.

        Raises:
            CheckpointMoved: it isn't at `before` any more.
        """
        done = connection.execute(
            _MOVE,
            {
                "of_view": self._view,
                "of_partition": partition,
                "before": before,
                "now": now.position,
                "last_event": now.event,
            },
        )
        if done.rowcount != 1:
            raise CheckpointMoved(f"partition {partition} of view {self._view!r} isn't at position {before} any more")

    def drop(self, connection: Connection) -> None:
        """Remove the view's tables and checkpoints, if the view is there. Tables of that name that aren't its stay."""
        if not self.read(connection):
            return
        for table in self._kind.tables.values():
            table.drop(connection, checkfirst=True)
        connection.execute(delete(VIEWS).where(VIEWS.c.view == self._view))
