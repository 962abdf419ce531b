"""Writing a batch: the rows and the checkpoint in one transaction."""

from __future__ import annotations

from itertools import chain
from typing import Final, NamedTuple

from sqlalchemy import Connection

from headwater.cqrs.sql_batch import Batch, Failure, Statements, collect, whole
from headwater.cqrs.sql_checkpoints import Checkpoint, CheckpointMoved, Checkpoints
from headwater.cqrs.sql_database import ViewDatabase
from headwater.cqrs.sql_definition import SQLDefinition
from headwater.cqrs.sql_failure import is_unavailable
from headwater.cqrs.sql_private import execute_runs
from headwater.errors import ViewUnavailable


class Written(NamedTuple):
    """What became of a batch.

    Attributes:
        position: how far the partition has come.
        failure: the event behind that, if it could not be followed.
    """

    position: int
    failure: Failure | None


class BatchWriter:
    """Writes batches of a view.

    Args:
        projection: the view.
        checkpoints: its checkpoints.
        database: where.
    """

    def __init__(self, projection: SQLDefinition, checkpoints: Checkpoints, database: ViewDatabase) -> None:
        self._projection: Final = projection
        self._checkpoints: Final = checkpoints
        self._database: Final = database

    async def write(self, batch: Batch) -> Written:
        """Write it, in one transaction. Up to the first event that can't be followed, if there is one.

        Raises:
            CheckpointMoved: another writer has gone on from there. Nothing was written.
            ViewUnavailable: the database is at fault. It may have been written: read the checkpoint.
        """
        try:
            return await self._database.write(lambda connection: self._together(connection, batch))
        except (CheckpointMoved, ViewUnavailable):
            raise
        except Exception:  # noqa: BLE001 - an event is at fault: now find out which
            return await self._database.write(lambda connection: self._one_by_one(connection, batch))

    def _together(self, connection: Connection, batch: Batch) -> Written:
        runs, failure = collect(self._projection.statements, batch.events)
        reached = _reached(batch, failure)
        # First, so that a second writer waits for this transaction and then writes nothing.
        self._checkpoints.move(connection, batch.partition, batch.after, reached)
        execute_runs(connection, runs)
        return Written(reached.position, failure)

    def _one_by_one(self, connection: Connection, batch: Batch) -> Written:
        self._checkpoints.move(connection, batch.partition, batch.after, Checkpoint(batch.upto, batch.last_id))
        failure = self._first_failure(connection, batch)
        if failure is not None:
            self._checkpoints.move(connection, batch.partition, batch.upto, _reached(batch, failure))
        return Written(_reached(batch, failure).position, failure)

    def _first_failure(self, connection: Connection, batch: Batch) -> Failure | None:
        """Execute up to the first event that fails, each in a savepoint."""
        for parts in whole(batch.events):
            try:
                statements = Statements()
                statements.add(chain.from_iterable(map(self._projection.statements, parts)))
                with connection.begin_nested():
                    execute_runs(connection, statements.runs)
            except Exception as error:
                if is_unavailable(error):
                    raise
                return Failure(parts[0].stored, error)
        return None


def _reached(batch: Batch, failure: Failure | None) -> Checkpoint:
    if failure is None:
        return Checkpoint(batch.upto, batch.last_id)
    return Checkpoint(failure.stored.position - 1, None)
