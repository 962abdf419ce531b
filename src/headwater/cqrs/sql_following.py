"""A view in a database that follows the log, batch by batch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from headwater.cqrs.sql_batch import Failure
from headwater.cqrs.sql_checkpoints import CheckpointMoved, Checkpoints
from headwater.cqrs.sql_database import ViewDatabase
from headwater.cqrs.sql_definition import SQLDefinition
from headwater.cqrs.sql_partitions import Partitioning
from headwater.cqrs.sql_writing import BatchWriter, Written
from headwater.errors import ViewFailed, ViewOfOtherLog, ViewTablesChanged
from headwater.store.model import Recorded, StoredEvent
from headwater.store.store import EventStore
from headwater.types import Position

_log: Final = logging.getLogger("headwater.cqrs")


class SqlFollowing:
    """How a view follows the log. All partitions go through one stretch of the log at a time, side by side.

    Args:
        store: the log.
        projection: the view.
        database: where its tables are.

    Attributes:
        failure: what has stopped it.
        changes: counts up whenever rows may have changed.
    """

    def __init__(self, store: EventStore, projection: SQLDefinition, database: ViewDatabase) -> None:
        self._store: Final = store
        self._projection: Final = projection
        self._database: Final = database
        self._batch: Final = projection.batch
        self._checkpoints: Final = Checkpoints(type(projection))
        self._writer: Final = BatchWriter(projection, self._checkpoints, database)
        self._types: Final = store.stored_types(projection.events())
        self._partitioning: Final = Partitioning(projection.partitions, projection.partition_key)
        self._positions: list[int] = []
        self._certain = False
        self.failure: ViewFailed | None = None
        self.changes = 0

    @property
    def position(self) -> Position:
        """The position up to which all partitions have followed the log, as far as it is known."""
        return Position(min(self._positions, default=0))

    async def begin(self) -> None:
        """Read the checkpoints, and make sure that they are of this log.

        Raises:
            ViewOfOtherLog: they aren't, or the log has lost its end.
            ViewTablesChanged: there are none.
            ViewUnavailable: the database is at fault.
            StoreError: the log can't be read.
        """
        for checkpoint in await self._database.read(self._checkpoints.read):
            await self._check_log(checkpoint.position, checkpoint.event)
        await self._read_positions()

    async def _check_log(self, position: int, event: bytes | None) -> None:
        if position == 0:
            return
        found = await self._store.page_all(position - 1, 1)
        if not found or (event is not None and found[0].id_bytes != event):
            raise ViewOfOtherLog(
                f"view {self._projection.view!r} in {self._database.location} has followed a log with another event at "
                f"position {position}; drop the view, so that it is built from this log"
            )

    async def _read_positions(self) -> None:
        checkpoints = await self._database.read(self._checkpoints.read)
        if len(checkpoints) != self._projection.partitions:
            raise ViewTablesChanged(self._projection.view, "headwater_views", None, "its checkpoints are gone")
        self._positions = [checkpoint.position for checkpoint in checkpoints]
        self._certain = True

    async def follow_page(self) -> bool:
        """Follow one stretch of the log. False if there was none, or the view has stopped.

        Another writer that is faster harms nothing: the view goes on from where that one is.

        Raises:
            ViewUnavailable: the database is at fault. What is written is written; `forget` the positions.
            StoreError: the log can't be read.
        """
        if not self._certain:
            await self._read_positions()
        page = self._store.recent_all(self.position, self._batch)
        if page is None:
            page = await self._store.page_all(self.position, self._batch)
        if not page or self.failure is not None:
            return False
        await self.follow(page)
        return self.failure is None

    async def follow(self, page: Sequence[StoredEvent]) -> None:
        """Follow a stretch of the log that begins behind `position`. `failure` tells of an event that can't be.

        Raises:
            ViewUnavailable: the database is at fault. What is written is written; `forget` the positions.
        """
        try:
            await self._write(page)
        except CheckpointMoved as moved:
            _log.info("%s; going on from where the other one is", moved)
            self.changes += 1
            await self._read_positions()

    def forget(self) -> None:
        """Read the checkpoints before anything else: what was written last is not known for certain."""
        self._certain = False

    async def _write(self, page: Sequence[StoredEvent]) -> None:
        events, failed = self._decode(page)
        if failed is not None:
            page = [stored for stored in page if stored.position < failed.stored.position]
        if page:
            self.changes += bool(events)
            failures = await self._write_parts(page, events)
            failed = min([*failures, *([failed] if failed else [])], key=lambda one: one.stored.position, default=None)
        if failed is not None:
            self._stop_at(failed)

    def _decode(self, page: Sequence[StoredEvent]) -> tuple[list[Recorded], Failure | None]:
        """The events that the view follows, up to the first one that can't be read."""
        events: list[Recorded] = []
        unfold, types = self._store.unfold, self._types
        for stored in page:
            if stored.type in types:
                try:
                    parts = unfold(stored)
                    for recorded in parts:
                        self._projection.partition_key(recorded)
                except Exception as error:  # noqa: BLE001 - whatever it is, only this view stops
                    return events, Failure(stored, error)
                events += parts
        return events, None

    async def _write_parts(self, page: Sequence[StoredEvent], events: Sequence[Recorded]) -> list[Failure]:
        batches = self._partitioning.split(page, events, self._positions)
        done = await asyncio.gather(*map(self._writer.write, batches), return_exceptions=True)
        for batch, one in zip(batches, done, strict=True):
            if isinstance(one, Written):
                self._positions[batch.partition] = one.position
        for one in done:
            if isinstance(one, BaseException):
                raise one
        return [one.failure for one in done if isinstance(one, Written) and one.failure is not None]

    def _stop_at(self, failed: Failure) -> None:
        view, stored, error = self._projection.view, failed.stored, failed.error
        self.failure = ViewFailed(view, stored.position, f"{type(error).__name__}: {error}")
        self.failure.__cause__ = error
