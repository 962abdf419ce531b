"""A database for one view, as the view's process sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Dialect

T = TypeVar("T")


class ViewDatabase(Protocol):
    """Runs functions on connections of a database. They are sync, also where the driver isn't."""

    @property
    def dialect(self) -> Dialect:
        """What it understands."""

    @property
    def location(self) -> str:
        """Where it is, for people, without secrets."""

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run a function in a transaction of its own, which is committed when it returns, and undone if it raises.

        Several run at once if the database can do that.

        Raises:
            ViewUnavailable: the database can't be reached or refused. The transaction may have been committed.
            Exception: what the function raised. The transaction was not committed.
        """

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run a function that reads in a transaction of its own: all that it sees is of one moment.

        It doesn't wait for those that write, unless the database is in memory.

        Raises:
            ViewUnavailable: the database can't be reached or refused.
            Exception: what the function raised.
        """

    async def close(self) -> None:
        """End what is under way, and close all connections."""
