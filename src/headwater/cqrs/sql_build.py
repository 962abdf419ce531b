"""A build of a view in a database, in the tables of its own version, beside those of the version that serves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Self

from headwater.cqrs.query import Query
from headwater.cqrs.sql_address import ViewAddress
from headwater.cqrs.sql_definition import SQLDefinition
from headwater.cqrs.sql_following import SqlFollowing
from headwater.cqrs.sql_rows import Rows
from headwater.cqrs.sql_view import SqlView
from headwater.store.model import StoredEvent
from headwater.store.store import EventStore
from headwater.types import Position


class SqlBuild:
    """See `ViewBuild`. What it has written stays written: it needs nothing to be finished.

    Args:
        view: its tables, empty at first.
        projection: makes its rows, and answers queries.
        following: how it follows the log.

    Attributes:
        view: see above.
        projection: see above.
        following: see above.
    """

    def __init__(self, view: SqlView, projection: SQLDefinition, following: SqlFollowing) -> None:
        self.view: Final = view
        self.projection: Final = projection
        self.following: Final = following
        self._reading = 0
        self._read: Final = asyncio.Event()

    @classmethod
    async def begin(cls, kind: type[SQLDefinition], store: EventStore, address: ViewAddress) -> Self:
        """Begin. What there is of this version is removed: another build has left it behind, or it is out of use.

        Raises:
            ViewDatabaseError: the database has tables of these names that aren't the view's, or can't be reached.
        """
        view = await SqlView.open(kind, address)
        try:
            await view.drop()
            return await cls.prepare(view, store)
        except BaseException:
            await view.database.close()
            raise

    @classmethod
    async def prepare(cls, view: SqlView, store: EventStore) -> Self:
        """Go on with the tables as they are; they are made if they aren't there.

        Raises:
            ViewDatabaseError: they aren't what they should be, or can't be reached.
            StoreError: the log can't be read.
        """
        await view.create()
        projection = view.kind()
        projection.dialect = view.database.dialect.name
        following = SqlFollowing(store, projection, view.database)
        await following.begin()
        return cls(view, projection, following)

    async def read(self, query: Query[object]) -> object:
        """The answer to a query, read from the tables as they stand now.

        Raises:
            ViewUnavailable: the database is at fault.
            Exception: whatever the projection's method raised.
        """
        answer_from = self.projection.answer_from
        self._reading += 1
        try:
            return await self.view.database.read(lambda connection: answer_from(query, Rows(connection)))
        finally:
            self._reading -= 1
            self._read.set()

    @property
    def position(self) -> Position:
        """Up to where it has followed the log."""
        return self.following.position

    async def follow(self, page: Sequence[StoredEvent]) -> None:
        """Follow the next events, in as many transactions as the projection's batches make of them.

        Raises:
            ViewFailed: an event could not be followed.
            ViewUnavailable: the database is at fault.
        """
        batch = type(self.projection).batch
        for first in range(0, len(page), batch):
            await self.following.follow(page[first : first + batch])
            if self.following.failure is not None:
                raise self.following.failure

    async def finish(self) -> SQLDefinition:
        """The projection."""
        return self.projection

    async def discard(self) -> None:
        """Remove the tables, and close the connections. The next build of the version removes what can't be now."""
        try:
            await self.view.drop()
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the connections, when what is being read there was read."""
        while self._reading:
            self._read.clear()
            await self._read.wait()
        await self.view.database.close()
