"""How rows are found: by key, by a stretch of an order, by an index, or by looking at all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final, Generic, Literal, TypeAlias, TypeVar

import msgspec

from headwater.tables.content import Content
from headwater.tables.match import TOP, Condition, Equal, Prefix, Span, Where
from headwater.tables.shape import Field

Row = TypeVar("Row")

_FIRST_LOOK: Final = 1_000
"""How many rows more than are wanted are looked at, before all are."""

Access: TypeAlias = Literal["key", "range", "index", "scan"]


class Plan(msgspec.Struct, frozen=True):
    """How rows are found.

    Attributes:
        access: by `key`, by a `range` of an order, by an `index`, or by a `scan` of all.
        fields: the fields by which; empty for a scan.
        candidates: how many rows are looked at, at most.
    """

    access: Access
    fields: tuple[Field, ...]
    candidates: int


class Query(Generic[Row]):
    """A search through the rows of one table.

    Args:
        content: the table's.
        where: which rows are meant.

    Raises:
        UnknownField: rows have no such field.
    """

    __slots__ = ("_content", "_keys", "_span", "plan", "test")

    def __init__(self, content: Content[Row], where: Where[Row]) -> None:
        self._content = content
        self.test = where.test(content.shape)
        self._keys: Sequence[object] | None = None
        self._span: Span | None = None
        self.plan = self._by_key(where) or self._by_range(where) or self._by_index(where) or self._by_scan()

    # --- planning --------------------------------------------------------------------------------------------

    def _by_key(self, where: Where[Row]) -> Plan | None:
        fields = self._content.shape.key_fields
        asked = [where.conditions.get(field) for field in fields]
        if not self._content.shape.composite and asked:
            values = None if asked[0] is None else asked[0].values()
        elif asked and all(isinstance(one, Equal) for one in asked):
            values = (tuple(one.value for one in asked if isinstance(one, Equal)),)
        else:
            values = None
        if values is None or not _hashable(values):
            return None
        self._keys = list(dict.fromkeys(values))
        return Plan("key", fields, len(self._content.of_keys(self._keys)))

    def _by_range(self, where: Where[Row]) -> Plan | None:
        order, shape = self._content.order, self._content.shape
        if order is None or not shape.key_fields:
            return None
        fields, span = shape.key_fields[:1], None
        if shape.composite:
            fields, span = _bound_prefix(shape.key_fields, where)
        elif shape.key_fields[0] in where.conditions:
            span = where.conditions[shape.key_fields[0]].span()
        if span is None:
            return None
        with self._content.lock:
            order.sort(self._content.rows)
            try:
                count = order.count(span)
            except TypeError:  # it can't be compared with the keys, so no row matches
                self._keys, count = [], 0
        self._span = span
        return Plan("range", fields, count)

    def _by_index(self, where: Where[Row]) -> Plan | None:
        best: tuple[int, Field, tuple[object, ...]] | None = None
        for index in self._content.indexes:
            asked = where.conditions.get(index.field)
            values = None if asked is None else asked.values()
            if values is not None and _hashable(values):
                count = index.count(values)
                if best is None or count < best[0]:
                    best = (count, index.field, values)
        if best is None:
            return None
        count, field, values = best
        with self._content.lock:
            self._keys = next(index for index in self._content.indexes if index.field == field).find(values)
        return Plan("index", (field,), count)

    def _by_scan(self) -> Plan:
        return Plan("scan", (), self._content.size())

    # --- finding ---------------------------------------------------------------------------------------------

    def candidates(self, *, reverse: bool = False, most: int | None = None) -> list[Row]:
        """The rows to look at, as they are at one moment, in the order of their keys if the table has one.

        Args:
            reverse: whether to begin at the other end.
            most: how many of an order at most; None for all.
        """
        content, order = self._content, self._content.order
        with content.lock:
            if self._keys is not None:
                rows = content.of_keys(self._keys)
                return _sorted(rows, content, reverse=reverse) if order is not None else rows[:: -1 if reverse else 1]
            if order is None:
                return content.all()[:: -1 if reverse else 1]
            order.sort(content.rows)
            return content.of_keys(order.within(self._span or Span(), most, reverse=reverse))

    def find(self, limit: int | None = None, *, reverse: bool = False) -> list[Row]:
        """The rows that are meant, at most so many.

        Raises:
            ValueError: the limit is negative.
        """
        check_limit(limit)
        if limit is None:
            return list(filter(self.test, self.candidates(reverse=reverse)))
        some = self.candidates(reverse=reverse, most=limit + _FIRST_LOOK)
        found = list(islice(filter(self.test, some), limit))
        if len(found) == limit or len(some) < limit + _FIRST_LOOK:
            return found
        return list(islice(filter(self.test, self.candidates(reverse=reverse)), limit))


def check_limit(limit: int | None) -> None:
    """Look at how many rows somebody wants at most; None for all.

    Raises:
        ValueError: fewer than none.
    """
    if limit is not None and limit < 0:
        raise ValueError(f"a limit is 0 or more, not {limit!r}")


def _sorted(rows: list[Row], content: Content[Row], *, reverse: bool) -> list[Row]:
    return sorted(rows, key=content.key, reverse=reverse)  # type: ignore[arg-type]  # the keys of an order can be compared


def _bound_prefix(fields: tuple[Field, ...], where: Where[Row]) -> tuple[tuple[Field, ...], Span | None]:
    """The stretch of composite keys whose first fields are asked to equal something."""
    bound: list[object] = []
    last: Condition | None = None
    for field in fields:
        last = where.conditions.get(field)
        if not isinstance(last, Equal):
            break
        bound.append(last.value)
    used = fields[: len(bound)]
    inner = None if last is None else last.span()
    if inner is not None:
        return (*used, fields[len(bound)]), _below(tuple(bound), inner)
    return used, Prefix(tuple(bound)).span() if bound else None


def _below(bound: tuple[object, ...], inner: Span) -> Span:
    """A stretch of one field, as one of the tuples that begin with `bound` and go on with that field."""
    whole = Prefix(bound).span() or Span()
    low_included, high_included = inner.inclusive
    low = whole.low if inner.low is None else (*bound, inner.low) if low_included else (*bound, inner.low, TOP)
    high = whole.high if inner.high is None else (*bound, inner.high, TOP) if high_included else (*bound, inner.high)
    return Span(low, high, (True, high_included or inner.high is None))


def _hashable(values: tuple[object, ...]) -> bool:
    try:
        hash(values)
    except TypeError:
        return False
    return True
