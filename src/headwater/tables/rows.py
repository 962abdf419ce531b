"""The rows of a table with one row a key: a dict, and dicts that keep more in step with themselves.

A plain table's rows are a plain `dict`. Each change of it is one step of the interpreter, which threads can't see
half done; so it needs no lock. Where more has to change with it (an order, indexes, bounds) all changes hold the
table's lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import RLock
from typing import TypeVar

from headwater.tables.changes import ChangeKind
from headwater.tables.order import Order
from headwater.tables.watch import Watch

Row = TypeVar("Row")


class OrderedRows(dict[object, Row]):
    """Rows whose keys have an order. Inserting is that of a dict; removing keeps the order in step."""

    __slots__ = ("_order",)

    def __init__(self, rows: Mapping[object, Row], order: Order) -> None:
        super().__init__(rows)
        self._order = order

    def update(self, rows: Mapping[object, Row]) -> None:  # type: ignore[override]  # only what is used here
        """Write some rows, as one write: a reader of the order, who holds the lock, sees none or all of them."""
        with self._order.lock:
            super().update(rows)

    def pop(self, key: object, default: object = None) -> Row | None:  # type: ignore[override]  # no error, as used here
        """Remove the row of a key and return it; None if there is none."""
        order = self._order
        with order.lock:
            order.sort(self)
            row = super().pop(key, None)
            if row is not None:
                order.remove(key)
        return row

    def clear(self) -> None:
        """Remove all rows."""
        with self._order.lock:
            super().clear()
            self._order.clear()


class WatchedRows(dict[object, Row]):
    """Rows whose every write is followed by a `Watch`, and then told to who listens."""

    __slots__ = ("_lock", "_order", "_watch")

    def __init__(self, rows: Mapping[object, Row], lock: RLock, order: Order | None, watch: Watch[Row]) -> None:
        super().__init__(rows)
        self._lock = lock
        self._order = order
        self._watch = watch

    def __setitem__(self, key: object, row: Row) -> None:
        with self._lock:
            old = self.get(key)
            super().__setitem__(key, row)
            self._watch.wrote(key, old, row)
            self._evict()
        self._watch.changes.tell()

    def update(self, rows: Mapping[object, Row]) -> None:  # type: ignore[override]  # only what is used here
        """Write some rows, as one write."""
        with self._lock:
            old = list(map(self.get, rows))
            super().update(rows)
            for before, (key, row) in zip(old, rows.items(), strict=True):
                self._watch.wrote(key, before, row)
            self._evict()
        self._watch.changes.tell()

    def pop(self, key: object, default: object = None) -> Row | None:  # type: ignore[override]  # no error, as used here
        """Remove the row of a key and return it; None if there is none."""
        with self._lock:
            row = self._remove(key, "deleted")
        self._watch.changes.tell()
        return row

    def expire(self) -> None:
        """Remove the rows whose time is over."""
        with self._lock:
            for key in self._watch.due():
                self._remove(key, "expired")
        self._watch.changes.tell()

    def clear(self) -> None:
        """Remove all rows."""
        with self._lock:
            super().clear()
            if self._order is not None:
                self._order.clear()
            self._watch.cleared()
        self._watch.changes.tell()

    def _remove(self, key: object, cause: ChangeKind) -> Row | None:
        if self._order is not None:
            self._order.sort(self)
        row = super().pop(key, None)
        if row is not None:
            if self._order is not None:
                self._order.remove(key)
            self._watch.wrote(key, row, None, cause)
        return row

    def _evict(self) -> None:
        while (key := self._watch.excess(len(self))) is not None:
            self._remove(key, "evicted")
