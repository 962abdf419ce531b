"""A version of a view in a database, as a thing to be made and dropped."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from headwater.cqrs.sql_address import ViewAddress
from headwater.cqrs.sql_checkpoints import Checkpoints
from headwater.cqrs.sql_database import ViewDatabase
from headwater.cqrs.sql_definition import SQLDefinition
from headwater.cqrs.sql_opening import open_view_database
from headwater.types import Position


class SqlView:
    """The tables and checkpoints of one version of a view.

        async with await SqlView.open(Balances, address) as old:
            await old.drop()

    Args:
        kind: the view's class.
        database: where it is; closed with this.
    """

    def __init__(self, kind: type[SQLDefinition], database: ViewDatabase) -> None:
        self.kind: Final = kind
        self.database: Final = database
        self._checkpoints: Final = Checkpoints(kind)

    @classmethod
    async def open(cls, kind: type[SQLDefinition], address: ViewAddress) -> Self:
        """Open its database.

        Raises:
            ViewUnavailable: it can't be reached.
            MissingExtra: its driver isn't installed.
        """
        return cls(kind, await open_view_database(address, kind.partitions))

    async def create(self) -> None:
        """Make the tables, unless they are there; make sure that they are those of the class. All or nothing.

        Raises:
            ViewTablesChanged: the class has other tables than were made for this version.
            ViewTablesTaken: the database has such a table that isn't the view's.
            ViewPartitionsChanged: the class has another number of partitions.
            ViewUnavailable: the database is at fault.
        """
        await self.database.write(self._checkpoints.create)

    async def drop(self) -> None:
        """Remove the tables and checkpoints of this version. Harmless if there are none. Nobody may follow it.

        Raises:
            ViewUnavailable: the database is at fault.
        """
        await self.database.write(self._checkpoints.drop)

    async def position(self) -> Position | None:
        """The position up to which it has followed the log; None if it isn't there.

        Raises:
            ViewUnavailable: the database is at fault.
        """
        checkpoints = await self.database.write(self._checkpoints.read)  # a file that isn't there can't be read only
        return Position(min(one.position for one in checkpoints)) if checkpoints else None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.database.close()
