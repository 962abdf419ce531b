"""A table with at most one row a key."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MethodType
from typing import ClassVar, TypeVar

from headwater.clock import Clock
from headwater.errors import InvalidRow
from headwater.tables.bounds import Bounds
from headwater.tables.content import Content, ExpiringContent, TableKind
from headwater.tables.counting import Count, Step, check_countable, make_step
from headwater.tables.file import load
from headwater.tables.match import Where
from headwater.tables.query import Query
from headwater.tables.shape import Field, Key, Shape
from headwater.tables.table_reader import TableReader

Row = TypeVar("Row")


class Table(TableReader[Row]):
    """Rows in memory, at most one for each key, in the order in which their keys first came.

        quotes = Table(Quote, key="instrument")
        quotes.insert(Quote("BTC", 100))
        quotes.lookup("BTC")

    A row that is inserted takes the place of the one that has its key. Every operation is atomic, those on lists too:
    nobody sees a part of it, and if it raises, nothing has changed. Any thread may read; one thread writes, that of
    the event loop if there is one. Keys are equal as in dicts, so 1 and 1.0 and True are one key.

    Rows are immutable. A class whose annotations leave no room for anything mutable is believed, and a row is hashed
    when it is inserted, which finds a list, dict or set in spite of them; the values of other classes are looked at
    one by one.

    Args:
        row: the rows' class: a frozen Struct, a frozen dataclass, a named tuple, `tuple`, or `tuple[int, str]`.
        key: what rows are found by: a field, a tuple of fields, or a function of the row. Tuples' fields are numbers.
        copies: whether what is mutable in a row is stored as a frozen copy (lists as tuples, sets as frozensets,
            dicts as read-only mappings) instead of being refused.
        indexes: fields by whose values rows are found, beside the key.
        max_rows: how many rows there may be; beyond, those are evicted whose keys came first. None for any number.
        time_to_live: seconds that a row lives after it was last written; then nobody sees it any more. None for ever.
        clock: where the time comes from; the operating system by default.

    Raises:
        DefinitionError: rows of this class can change, there is no such field, or a bound isn't positive.
    """

    __slots__ = ()

    kind: ClassVar[TableKind] = "set"

    def __init__(
        self,
        row: type[Row],
        key: Key[Row],
        *,
        copies: bool = False,
        indexes: Sequence[Field] = (),
        max_rows: int | None = None,
        time_to_live: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        content: type[Content[Row]] = Content if time_to_live is None else ExpiringContent
        bounds = Bounds.of(max_rows, time_to_live)
        super().__init__(content(self.kind, Shape(row, key, copies=copies), indexes, bounds, clock))

    def reader(self) -> TableReader[Row]:
        """A handle that can read the table, and not change it."""
        return TableReader.of(self._content)

    # --- inserting -------------------------------------------------------------------------------------------

    def insert(self, row: Row) -> None:
        """Insert the row, in place of the one that has its key.

        Raises:
            InvalidRow: the row is of another class, or it or its key can't be hashed.
            MutableRow: it holds something mutable.
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
        content.rows[key] = row

    def insert_many(self, rows: Iterable[Row]) -> None:
        """Insert all rows, as one write: nobody sees a part of them. Of rows with one key the last counts.

        Raises:
            InvalidRow, MutableRow: as `insert` does. No row was inserted.
        """
        self._content.rows.update(self._stage(rows))

    def insert_new(self, row: Row) -> bool:
        """Insert the row if its key has none. Returns whether it did.

        Raises:
            InvalidRow, MutableRow: as `insert` does.
        """
        row, key = self._admit(row)
        if key in self._content.rows:
            return False
        self._place(key, row)
        return True

    def insert_new_many(self, rows: Iterable[Row]) -> bool:
        """Insert all rows if none of their keys has one. Returns whether it did: all or none.

        Raises:
            InvalidRow, MutableRow: as `insert` does. No row was inserted.
        """
        staged = self._stage(rows)
        present = self._content.rows
        if any(key in present for key in staged):
            return False
        present.update(staged)
        return True

    def _admit(self, row: Row) -> tuple[Row, object]:
        row = self._content.shape.admit(row)
        return row, self._content.shape.key_of(row)

    def _place(self, key: object, row: Row) -> None:
        """Write a row whose key may be new."""
        self._content.rows[key] = row

    def _stage(self, rows: Iterable[Row]) -> dict[object, Row]:
        """The rows by key, if all of them can be inserted."""
        rows = rows if isinstance(rows, list) else list(rows)
        content = self._content
        if set(map(type, rows)) == {content.row_type}:
            try:
                deque(map(hash, rows), maxlen=0)
                return dict(zip(map(content.key, rows), rows, strict=True))
            except TypeError:
                pass  # looked at one by one, to say which
        admitted = list(map(content.shape.admit, rows))
        return dict(zip(map(content.shape.key_of, admitted), admitted, strict=True))

    # --- removing --------------------------------------------------------------------------------------------

    def delete(self, key: object) -> bool:
        """Remove the row of a key. Returns whether there was one."""
        return self._content.rows.pop(key, None) is not None

    def delete_row(self, row: Row) -> bool:
        """Remove this row, if the table has one that equals it. Returns whether it had."""
        return self._content.remove(row) > 0

    def delete_where(self, rows: Where[Row]) -> int:
        """Remove the rows that are meant, each by itself. Returns how many there were.

        Raises:
            UnknownField: rows have no such field.
        """
        return sum(map(self._content.remove, Query(self._content, rows).find()))

    def take(self, key: object) -> Row | None:
        """Remove the row of a key and return it; None if there is none."""
        row: Row | None = self._content.rows.pop(key, None)
        return row

    def clear(self) -> None:
        """Remove all rows, as one write."""
        self._content.rows.clear()

    # --- changing --------------------------------------------------------------------------------------------

    def replace_if(self, old: Row, new: Row) -> bool:
        """Put `new` in the place of `old`, if the table still has a row that equals `old`. Returns whether it had.

        Raises:
            KeyChanged: they have different keys.
            InvalidRow, MutableRow: as `insert` does.
        """
        new, _ = self._admit(new)
        key = self._content.shape.same_key(old, new)
        rows = self._content.rows
        if rows.get(key) != old:
            return False
        rows[key] = new
        return True

    def replace_where(self, rows: Where[Row], function: Callable[[Row], Row]) -> int:
        """Put what `function` makes of a row in its place, for each row that is meant. Returns how many were replaced.

        Each row is replaced by itself, and only if it is still as it was given to the function. If the function
        raises, or makes something that can't be inserted, none was replaced.

        Raises:
            UnknownField: rows have no such field.
            KeyChanged: the function made a row with another key.
            InvalidRow, MutableRow: as `insert` does.
        """
        pairs = [(old, self._admit(function(old))[0]) for old in Query(self._content, rows).find()]
        for old, new in pairs:
            self._content.shape.same_key(old, new)
        return sum(self.replace_if(old, new) for old, new in pairs)

    def update_counter(
        self,
        key: object,
        field: Field,
        by: int = 1,
        threshold: int | None = None,
        reset: int = 0,
        default: Row | None = None,
    ) -> int:
        """Add to a field of the row of a key. Returns what the field holds then.

        Args:
            key: the row's.
            field: which field; it holds an integer, and isn't part of the key.
            by: what is added; it may be negative.
            threshold: the highest value that it may get, or, if it counts down, the lowest; None for any.
            reset: what it becomes instead of going beyond the threshold.
            default: the row to begin with if there is none.

        Raises:
            MissingKey: there is no such row, and no default.
            UnknownField: rows have no such field.
            NotCountable: the field holds no integer, or is part of the key.
        """
        if threshold is None and default is None:
            try:
                step: Step = self._content.steps[field]
            except KeyError:
                step = self._step(field)
            return step(self, key, by)
        return self.update_counters(key, [Count(field, by, threshold, reset)], default=default)[0]

    def counter(self, field: Field) -> Callable[..., int]:
        """What `update_counter` does for one field, ready to be called often: `count(key)`, `count(key, by)`.

        Raises:
            UnknownField: rows have no such field.
            NotCountable: it is part of the key.
        """
        return MethodType(self._step(field), self)

    def _step(self, field: Field) -> Step:
        step = self._content.steps[field] = make_step(self._content.shape, field)
        return step

    def update_counters(self, key: object, counts: Iterable[Count], *, default: Row | None = None) -> tuple[int, ...]:
        """Change several counters of the row of a key, as one write. Returns what each holds after its change.

        Raises:
            MissingKey, UnknownField, NotCountable: as `update_counter` does. Nothing has changed.
        """
        row, shape = self._row_or(key, default), self._content.shape
        numbers: list[int] = []
        changed: dict[Field, object] = {}
        for count in counts:
            check_countable(shape, count.field)
            value = changed.get(count.field, shape.getter(count.field)(row))
            numbers.append(count.after(value))
            changed[count.field] = numbers[-1]
        new = shape.with_fields(row, changed)
        self._place(shape.same_key(row, new), new)
        return tuple(numbers)

    def update_element(self, key: object, changed: Mapping[Field, object], *, default: Row | None = None) -> Row:
        """Change some fields of the row of a key, as one write. Returns the row as it is then.

        Args:
            key: the row's.
            changed: the new values by field.
            default: the row to begin with if there is none.

        Raises:
            MissingKey: there is no such row, and no default.
            UnknownField: rows have no such field.
            KeyChanged: a field is part of the key.
            MutableRow: a value is mutable.
        """
        shape = self._content.shape
        old = self._row_or(key, default)
        new = shape.with_fields(old, changed)
        self._place(shape.same_key(old, new), new)
        return new

    def _row_or(self, key: object, default: Row | None) -> Row:
        row: Row | None = self._content.rows.get(key)
        if row is not None:
            return row
        if default is None:
            raise self.missing(key)
        default, other = self._admit(default)
        if other != key:
            raise InvalidRow(f"the default row has the key {other!r} instead of {key!r}")
        return default

    # --- files -----------------------------------------------------------------------------------------------

    def load(self, path: str | os.PathLike[str]) -> int:
        """Insert all rows of a file that `save` wrote, as one write. Returns how many there are.

        Raises:
            NotATableFile, CorruptTableFile: the file can't be trusted.
            OtherTableFile: it is of another kind of table, of other rows, or with another key.
            InvalidRow, MutableRow: as `insert` does.
            OSError: the file can't be read.
        """
        rows = load(self._content, path)
        self.insert_many(rows)
        return len(rows)
