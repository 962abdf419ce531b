"""What follows every write of a table that has more than rows: its indexes, its bounds, and those who listen."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar, cast

from headwater.tables.bounds import Bounds
from headwater.tables.changes import ChangeKind, Changes, TableChanged
from headwater.tables.index import Index

Row = TypeVar("Row")


class Watch(Generic[Row]):
    """Told of each write while the table's lock is held.

    Args:
        indexes: by field.
        bounds: the table's, or None.
        now: the time, in seconds.
        by_row: whether a key may have several rows, so that only key and row together tell which one is meant.

    Attributes:
        changes: told with `changes.tell()` after the lock was given back.
        name: what the table is called in them.
    """

    __slots__ = ("_by_row", "_now", "bounds", "changes", "indexes", "name")

    def __init__(
        self, indexes: list[Index[Row]], bounds: Bounds | None, now: Callable[[], float], *, by_row: bool
    ) -> None:
        self.indexes = indexes
        self.bounds = bounds
        self.changes = Changes()
        self.name: str | None = None
        self._now = now
        self._by_row = by_row

    def wrote(self, key: object, old: Row | None, new: Row | None, cause: ChangeKind = "deleted") -> None:
        """`old` gave way to `new`; None for no row.

        Args:
            key: of both.
            old: the row that was there.
            new: the row that is there.
            cause: why it has gone, if there is no new one.
        """
        for index in self.indexes:
            index.wrote(key, old, new)
        if self.bounds is not None:
            self._bound(key, old, new)
        if self.changes:
            kind: ChangeKind = cause if new is None else "inserted" if old is None else "replaced"
            self.changes.note(TableChanged(self.name, kind, key, old, new))

    def _bound(self, key: object, old: Row | None, new: Row | None) -> None:
        bounds = cast("Bounds", self.bounds)
        if new is None:
            bounds.removed(self._known_as(key, cast("Row", old)))
        else:
            bounds.wrote(self._known_as(key, new), self._now())

    def _known_as(self, key: object, row: Row) -> Hashable:
        return (key, row) if self._by_row else key

    def cleared(self) -> None:
        """All rows have gone."""
        for index in self.indexes:
            index.clear()
        if self.bounds is not None:
            self.bounds.clear()
        self.changes.note(TableChanged(self.name, "cleared"))

    def due(self) -> list[Hashable]:
        """What is known by bounds and whose time is over, in the order in which it has to go."""
        return [] if self.bounds is None else self.bounds.expired(self._now())

    def excess(self, rows: int) -> Hashable | None:
        """What has to go because there are too many rows; None if there aren't."""
        bounds = self.bounds
        if bounds is None or bounds.max_rows is None or rows <= bounds.max_rows:
            return None
        return bounds.oldest()
