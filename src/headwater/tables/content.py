"""What a table consists of. Every handle of it, such as a table and its readers, shares one content."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from itertools import chain
from threading import RLock
from typing import Any, ClassVar, Generic, Literal, Self, TypeAlias, TypeVar

from headwater.clock import Clock, SystemClock
from headwater.tables.bounds import Bounds
from headwater.tables.buckets import Buckets
from headwater.tables.gone import Gone
from headwater.tables.index import Index
from headwater.tables.order import Order
from headwater.tables.rows import OrderedRows, WatchedRows
from headwater.tables.shape import Field, Shape
from headwater.tables.snapshot import snapshot
from headwater.tables.watch import Watch

Row = TypeVar("Row")

TableKind: TypeAlias = Literal["set", "ordered_set", "bag", "duplicate_bag"]


class _NoRow:
    """The class of no row, so that every row is looked at closely."""


class Content(Generic[Row]):
    """The rows of a table with at most one row a key, and what is kept in step with them.

    Args:
        kind: what the table is.
        shape: its rows.
        indexes: the fields that have an index.
        bounds: how many rows, and for how long; None for no bounds.
        clock: where the time comes from.

    Attributes:
        rows: by key. Changed only by the thread that writes.
        row_type: the class of rows that need no closer look than a hash.
        key: gives the key of a row.
        steps: how each field is counted, once it was.
        lock: held where more than `rows` changes or is read.
        order: of the keys, or None.
        watch: what follows every write, if `watched`.
        watched: whether every write is followed.
        name: what the table is called, or None.
        owner: the process that it lives with, or None. A `Pid`.
    """

    __slots__ = (
        "indexes",
        "key",
        "kind",
        "lock",
        "name",
        "order",
        "owner",
        "row_type",
        "rows",
        "shape",
        "steps",
        "watch",
        "watched",
    )

    by_row: ClassVar[bool] = False

    def __init__(
        self,
        kind: TableKind,
        shape: Shape[Row],
        indexes: Sequence[Field] = (),
        bounds: Bounds | None = None,
        clock: Clock | None = None,
    ) -> None:
        for field in indexes:
            shape.check_defined(field)
        self.kind = kind
        self.shape = shape
        self.row_type: type = shape.row if shape.trusting else _NoRow
        self.key: Callable[[Row], object] = shape.key
        self.steps: dict[Field, Any] = {}
        self.lock = RLock()
        self.name: str | None = None
        self.owner: object = None
        self.order = Order(self.lock) if kind == "ordered_set" else None
        self.indexes: list[Index[Row]] = [Index(field, shape.getter(field)) for field in indexes]
        self.watch: Watch[Row] = Watch(self.indexes, bounds, (clock or SystemClock()).monotonic, by_row=self.by_row)
        self.watched = bool(indexes) or bounds is not None
        self.rows: Any = self._make_rows({})

    def _make_rows(self, rows: dict[object, Row]) -> object:
        if self.watched:
            return WatchedRows(rows, self.lock, self.order, self.watch)
        return rows if self.order is None else OrderedRows(rows, self.order)

    def watch_rows(self) -> None:
        """Let every write be followed from now on. Call it in the thread that writes."""
        with self.lock:
            if not self.watched:
                self.watched = True
                self.rows = self._make_rows(self.rows)

    def drop(self, why: str) -> None:
        """The table is no more: every use of it raises `TableGone`."""
        with self.lock:
            self.rows = Gone(why)
            if self.order is not None:
                self.order.clear()

    def detached(self, why: str) -> Self:
        """What a handle has that is of no use any more: every use of it raises `TableGone`."""
        detached = copy(self)
        detached.rows = Gone(why)
        return detached

    # --- reading, in any thread ----------------------------------------------------------------------------------

    def size(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    def all(self) -> list[Row]:
        """All rows as they are at one moment; in the order of their keys, if they have one."""
        order = self.order
        if order is None:
            return snapshot(self.rows.values())
        with self.lock:
            order.sort(self.rows)
            return list(map(self.rows.__getitem__, order.all()))

    def of_keys(self, keys: Iterable[object]) -> list[Row]:
        """The rows of some keys, as far as there are any."""
        return [row for row in map(self.rows.get, keys) if row is not None]

    def fresh(self, row: Row) -> Row | None:
        """What a row that was read is now; None if it has gone."""
        found: Row | None = self.rows.get(self.key(row))
        return found

    def same_rows(self, other: Content[Any]) -> bool:
        """Whether the other one has equal rows."""
        return bool(self.rows == other.rows)

    # --- writing, in the thread that writes ---------------------------------------------------------------------

    def remove(self, row: Row) -> int:
        """Remove a row, if one that equals it is there. Returns how many were removed."""
        key = self.key(row)
        return int(self.rows.get(key) == row and self.rows.pop(key, None) is not None)


class BagContent(Content[Row]):
    """The rows of a table with any number of rows a key."""

    __slots__ = ()

    by_row = True

    def _make_rows(self, _: dict[object, Row]) -> object:
        buckets: Buckets[Row] = Buckets(self.key, distinct=self.kind == "bag", lock=self.lock, watch=self.watch)
        buckets.watched = self.watched
        return buckets

    def watch_rows(self) -> None:
        """Let every write be followed from now on."""
        self.rows.watched = self.watched = True

    def all(self) -> list[Row]:
        """All rows as they are at one moment, key by key."""
        found: list[Row] = self.rows.all()
        return found

    def of_keys(self, keys: Iterable[object]) -> list[Row]:
        """The rows of some keys."""
        return list(chain.from_iterable(map(self.rows.of, keys)))

    def fresh(self, row: Row) -> Row | None:
        """A row that was read, or None if it has gone."""
        return row if row in self.rows.of(self.key(row)) else None

    def remove(self, row: Row) -> int:
        """Remove all rows that equal this one. Returns how many there were."""
        removed: int = self.rows.remove(row)
        return removed


class _Expiring(Content[Row]):
    """A content whose rows have a time to live: those whose time is over are removed before anybody sees them."""

    __slots__ = ()

    @property
    def rows(self) -> Any:  # noqa: ANN401 - as in the base
        """Without those whose time is over."""
        self._rows.expire()
        return self._rows

    @rows.setter
    def rows(self, rows: Any) -> None:  # noqa: ANN401
        self._rows = rows  # type: ignore[misc]  # each of those below has its slot


class ExpiringContent(_Expiring[Row]):
    """At most one row a key, for a time."""

    __slots__ = ("_rows",)


class ExpiringBagContent(_Expiring[Row], BagContent[Row]):
    """Any number of rows a key, for a time."""

    __slots__ = ("_rows",)
