"""The rows of a table with any number of rows a key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from itertools import chain
from threading import RLock
from typing import Any, Generic, TypeVar

from headwater.tables.changes import ChangeKind
from headwater.tables.snapshot import snapshot
from headwater.tables.watch import Watch

Row = TypeVar("Row")


class Buckets(Generic[Row]):
    """Rows by key, each key's in the order in which they came.

    A key's rows are a dict if they must be distinct, else a list. Any thread may read: every change of what a reader
    looks at is one step of the interpreter; that of several keys puts new buckets in the place of the old.

    All writes hold the lock.

    Args:
        key: gives the key of a row.
        distinct: whether equal rows are one.
        lock: held by writes, and by who reads all keys.
        watch: follows the writes, if `watched`.
    """

    __slots__ = ("_buckets", "_count", "_distinct", "_key", "_lock", "_watch", "watched")

    def __init__(self, key: Any, *, distinct: bool, lock: RLock, watch: Watch[Row]) -> None:  # noqa: ANN401
        self._buckets: dict[object, Any] = {}
        self._count = 0
        self._key = key
        self._distinct = distinct
        self._lock = lock
        self._watch = watch
        self.watched = False

    # --- reading ---------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: object) -> bool:
        return key in self._buckets

    def __iter__(self) -> Iterator[object]:
        return iter(snapshot(self._buckets))

    def of(self, key: object) -> list[Row]:
        """The rows of a key."""
        return snapshot(self._buckets.get(key, ()))

    def all(self) -> list[Row]:
        """All rows, key by key."""
        with self._lock:
            return list(chain.from_iterable(self._buckets.values()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Buckets) and _counted(self) == _counted(other)

    __hash__ = None  # type: ignore[assignment]  # they change

    # --- writing ---------------------------------------------------------------------------------------------

    def add(self, rows: Sequence[Row]) -> None:
        """Insert rows, as one write."""
        if len(rows) == 1 and not self.watched:
            with self._lock:
                self._add_one(rows[0])
            return
        staged, added = self._stage(rows)
        with self._lock:
            self._buckets.update(staged)
            self._count += len(added)
            if self.watched:
                for row in added:
                    self._watch.wrote(self._key(row), None, row)
                self._evict()
        self._watch.changes.tell()

    def _add_one(self, row: Row) -> None:
        key = self._key(row)
        bucket = self._buckets.get(key)
        if bucket is None:
            self._buckets[key] = {row: None} if self._distinct else [row]
        elif not self._distinct:
            bucket.append(row)
        elif row in bucket:
            return
        else:
            bucket[row] = None
        self._count += 1

    def _stage(self, rows: Iterable[Row]) -> tuple[dict[object, Any], list[Row]]:
        """The buckets as they will be, and the rows that are new in them."""
        staged: dict[object, Any] = {}
        added: list[Row] = []
        for row in rows:
            key = self._key(row)
            bucket = staged.get(key)
            if bucket is None:
                bucket = staged[key] = copy(self._buckets.get(key)) or self._empty()
            if not self._distinct:
                bucket.append(row)
            elif row in bucket:
                continue
            else:
                bucket[row] = None
            added.append(row)
        return staged, added

    def _empty(self) -> Any:  # noqa: ANN401 - a dict or a list
        return {} if self._distinct else []

    def pop(self, key: object) -> list[Row]:
        """Remove the rows of a key and return them."""
        with self._lock:
            rows = list(self._buckets.pop(key, ()))
            self._removed(key, rows, "deleted")
        self._watch.changes.tell()
        return rows

    def remove(self, row: Row) -> int:
        """Remove all rows that equal this one. Returns how many there were."""
        with self._lock:
            count = self._discard(row, "deleted")
        self._watch.changes.tell()
        return count

    def _discard(self, row: Row, cause: ChangeKind) -> int:
        key = self._key(row)
        old = self.of(key)
        kept = [other for other in old if other != row]
        if kept:
            self._buckets[key] = dict.fromkeys(kept) if self._distinct else kept
        else:
            self._buckets.pop(key, None)
        gone = [other for other in old if other == row]
        self._removed(key, gone, cause)
        return len(gone)

    def _removed(self, key: object, rows: Sequence[Row], cause: ChangeKind) -> None:
        self._count -= len(rows)
        if self.watched:
            for row in rows:
                self._watch.wrote(key, row, None, cause)

    def expire(self) -> None:
        """Remove the rows whose time is over."""
        with self._lock:
            for known in self._watch.due():
                self._discard(known[1], "expired")  # type: ignore[index]  # known by key and row
        self._watch.changes.tell()

    def _evict(self) -> None:
        while (oldest := self._watch.excess(self._count)) is not None:
            self._discard(oldest[1], "evicted")  # type: ignore[index]  # known by key and row

    def clear(self) -> None:
        """Remove all rows."""
        with self._lock:
            self._buckets.clear()
            self._count = 0
            self._watch.cleared()
        self._watch.changes.tell()


def _counted(buckets: Buckets[Any]) -> dict[object, Counter[object]]:
    return {key: Counter(buckets.of(key)) for key in buckets}
