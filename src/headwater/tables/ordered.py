"""A table whose keys have an order."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import ClassVar, TypeVar

from headwater.errors import IncomparableKey
from headwater.tables.content import TableKind
from headwater.tables.match import Prefix, Span
from headwater.tables.query import check_limit
from headwater.tables.table import Table
from headwater.tables.table_reader import TableReader

Row = TypeVar("Row")


class OrderedReader(TableReader[Row]):
    """What can be read of an ordered table, besides what can be read of any: its ends, neighbours and stretches.

    Keys that were inserted since the order was last asked for are sorted in then. Reading the order once after many
    inserts costs little more a row than inserting it did; the first to read after a million of them waits for about
    half a second.
    """

    __slots__ = ()

    def first(self) -> Row | None:
        """The row with the lowest key; None if there is none."""
        return self._end(Span())

    def last(self) -> Row | None:
        """The row with the highest key; None if there is none."""
        return self._end(Span(), reverse=True)

    def next(self, key: object) -> Row | None:
        """The row with the lowest key above this one, which need not be there; None if there is none.

        Raises:
            IncomparableKey: the key can't be compared with the table's.
        """
        return self._end(Span(low=key, inclusive=(False, True)))

    def previous(self, key: object) -> Row | None:
        """The row with the highest key below this one, which need not be there; None if there is none.

        Raises:
            IncomparableKey: the key can't be compared with the table's.
        """
        return self._end(Span(high=key, inclusive=(True, False)), reverse=True)

    def range(
        self, low: object = None, high: object = None, *, limit: int | None = None, reverse: bool = False
    ) -> list[Row]:
        """The rows with keys from `low`, included, to `high`, excluded, in their order, as they are at one moment.

        Args:
            low: where it begins; None for the first key.
            high: where it ends; None for behind the last key.
            limit: how many at most.
            reverse: whether to begin at the upper end.

        Raises:
            IncomparableKey: an end can't be compared with the table's keys.
            ValueError: the limit is negative.
        """
        return self._within(Span(low, high, (True, False)), limit, reverse=reverse)

    def prefix(self, prefix: str | tuple[object, ...], *, limit: int | None = None, reverse: bool = False) -> list[Row]:
        """The rows whose keys begin so: strings with a string, tuples with a tuple's items. Only these are looked at.

        Args:
            prefix: how.
            limit: how many at most.
            reverse: whether to begin at the upper end.

        Raises:
            IncomparableKey: the prefix can't be compared with the table's keys.
            ValueError: the limit is negative.
        """
        return self._within(Prefix(prefix).span() or Span(), limit, reverse=reverse)

    def _end(self, span: Span, *, reverse: bool = False) -> Row | None:
        found = self._within(span, 1, reverse=reverse)
        return found[0] if found else None

    def _within(self, span: Span, limit: int | None, *, reverse: bool) -> list[Row]:
        content = self._content
        rows, order = content.rows, content.order
        if order is None:
            raise TypeError("this table has no order")  # nobody gets here by the public way
        check_limit(limit)
        with content.lock:
            order.sort(rows)
            try:
                keys = order.within(span, limit, reverse=reverse)
            except TypeError as error:
                raise IncomparableKey(f"no such stretch in the order of the keys: {error}") from error
            return list(itemgetter(*keys)(rows)) if len(keys) > 1 else [rows[key] for key in keys]


class OrderedTable(Table[Row], OrderedReader[Row]):
    """A `Table` that keeps its rows in the order of their keys, whatever the order in which they came.

        trades = OrderedTable(Trade, key=("instrument", "position"))
        trades.prefix(("BTC",), limit=10, reverse=True)      # the last ten of BTC, newest first

    Keys must have an order among each other. Looking up a key costs what it costs in a `Table`; a key is removed, or
    sorted in after it came, in O(log n).

    Args and Raises: as for `Table`.
    """

    __slots__ = ()

    kind: ClassVar[TableKind] = "ordered_set"

    def reader(self) -> OrderedReader[Row]:
        """A handle that can read the table, and not change it."""
        return OrderedReader.of(self._content)

    def insert(self, row: Row) -> None:
        """Insert the row, in place of the one that has its key.

        Raises:
            InvalidRow: the row is of another class, or it or its key can't be hashed.
            MutableRow: it holds something mutable.
            IncomparableKey: its key can't be compared with the table's.
        """
        content = self._content
        if type(row) is content.row_type:
            try:
                hash(row)
                key = content.key(row)
            except TypeError:
                row, key = self._admit(row)
        else:
            row, key = self._admit(row)
        rows = content.rows
        order = content.order
        if order is not None and (type(key) is not order.kind or not rows):
            order.admit(rows, key)
        rows[key] = row

    def _stage(self, rows: Iterable[Row]) -> dict[object, Row]:
        staged = super()._stage(rows)
        order = self._content.order
        if order is not None:
            order.admit_many(self._content.rows, staged.keys())
        # In memory side by side, as they are read; but who follows the writes hears of them in the order given.
        return staged if self._content.watched else {key: staged[key] for key in sorted(staged)}  # type: ignore[type-var]

    def _place(self, key: object, row: Row) -> None:
        if self._content.order is not None:
            self._content.order.admit(self._content.rows, key)
        self._content.rows[key] = row
