"""One process's ownership of one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from headwater.runtime.pid import Pid
from headwater.tables.bag import BagTable
from headwater.tables.table import Table

AnyTable: TypeAlias = Table[Any] | BagTable[Any]


class Tenure:
    """That a table belongs to a process. It is one of the process's cleanups.

    Args:
        table: the table, and the owner's handle of it.
        owner: the process.
        access: who gets it by its name.
        ended: called when the owner has ended.

    Attributes:
        heir: who gets it when the owner has ended, or None.
        heir_data: what the heir is told then.
    """

    __slots__ = ("_ended", "access", "heir", "heir_data", "owner", "table")

    def __init__(self, table: AnyTable, owner: Pid[object], access: str, ended: Callable[[Tenure], None]) -> None:
        self.table = table
        self.access = access
        self.heir: Pid[object] | None = None
        self.heir_data: object = None
        self._ended = ended
        self._bind(owner)

    def __call__(self) -> None:
        """The owner has ended."""
        self._ended(self)

    def _bind(self, owner: Pid[object]) -> None:
        self.owner = owner
        self.table.content.owner = owner
        process = owner.process
        process.cleanups = [*(process.cleanups or ()), self]

    def release(self) -> None:
        """It belongs to nobody: there is nothing to do at the owner's end."""
        cleanups = self.owner.process.cleanups
        if cleanups is not None:
            cleanups.remove(self)
        self.table.content.owner = None

    def pass_to(self, owner: Pid[object]) -> None:
        """It belongs to another process now; the old owner's handle is of no use any more."""
        self.release()
        self.table = self.table.move(f"{self.table!r} belongs to {owner.label} now")
        self._bind(owner)
