"""What a table knows of its rows' class: how a row is checked, keyed, and changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Generic, TypeAlias, TypeVar, cast, get_args, get_origin

from headwater.errors import DefinitionError, InvalidRow, KeyChanged, MutableRow, UnknownField, one_of
from headwater.immutable import (
    frozen_copy,
    instead,
    is_frozen_record,
    mutable_parts,
    promises_immutable,
    record_fields,
    with_fields,
)

Row = TypeVar("Row")

Field: TypeAlias = str | int
"""A field of a row: its name, or for tuples its index."""

Key: TypeAlias = "Field | tuple[Field, ...] | Callable[[Row], object]"
"""What rows are found by: a field, several fields (the key is a tuple of them then), or a function of the row."""

Getter: TypeAlias = Callable[[Row], object]


class Shape(Generic[Row]):
    """The class of a table's rows, and their key.

    Args:
        row: a frozen msgspec Struct, a frozen dataclass, a named tuple, `tuple`, or `tuple[int, str]` and the like.
        key: what rows are found by.
        copies: whether mutable values in rows are stored as frozen copies instead of being refused.

    Raises:
        DefinitionError: rows of this class can change, or have no such field.

    Attributes:
        row: the class itself.
        annotation: the class as it was given, such as `tuple[int, str]`.
        name: what it is called.
        fields: the names of its fields; empty for plain tuples.
        key_fields: the fields that make up the key; empty for a function.
        composite: whether the key is a tuple of several fields.
        key: gives the key of a row.
        trusting: whether the class's annotations promise that rows are immutable. Then hashing a row is check enough;
            otherwise each value is looked at.
    """

    __slots__ = (
        "_copies",
        "annotation",
        "composite",
        "fields",
        "key",
        "key_fields",
        "name",
        "row",
        "steps",
        "trusting",
    )

    def __init__(self, row: type[Row], key: Key[Row], *, copies: bool = False) -> None:
        kind = cast("type[Row]", get_origin(row) or row)
        self.row = kind
        self.annotation: object = row
        self.name = kind.__qualname__
        self.fields = record_fields(kind)
        if kind is not tuple and not is_frozen_record(kind):
            raise DefinitionError(f"rows never change: make {self.name} a frozen Struct, a frozen dataclass or a tuple")
        self._copies = copies
        self.trusting = not copies and promises_immutable(row if get_args(row) else kind)
        self.key_fields = () if callable(key) else key if isinstance(key, tuple) else (key,)
        self.composite = isinstance(key, tuple)
        for field in self.key_fields:
            self.check_defined(field)
        if self.composite and len(self.key_fields) < 2:
            raise DefinitionError(f"a key of several fields names at least two, not {key!r}")
        if callable(key):
            self.key: Getter[Row] = _hashed(key)
        else:
            self.key = self.getter(*self.key_fields)

    def check_defined(self, field: Field) -> None:
        """Make sure that rows have a field which the table's definition names.

        Raises:
            DefinitionError: they don't.
        """
        try:
            self.check_field(field)
        except UnknownField as error:
            raise DefinitionError(str(error)) from None

    # --- fields ----------------------------------------------------------------------------------------------

    def check_field(self, field: Field) -> None:
        """Make sure that rows have the field.

        Raises:
            UnknownField: they don't.
        """
        if isinstance(field, int):
            if not issubclass(self.row, tuple):
                raise UnknownField(f"only tuples have numbered fields, {self.name} hasn't: {field}")
        elif field not in self.fields:
            raise UnknownField(f"{self.name} has no field {field!r}; it has {one_of(self.fields)}")

    def getter(self, *fields: Field) -> Getter[Row]:
        """Gives the value of a field, or the tuple of several."""
        if all(isinstance(field, int) for field in fields):
            return cast("Getter[Row]", itemgetter(*fields))
        names = [field if isinstance(field, str) else self.fields[field] for field in fields]
        return attrgetter(*names)

    def with_fields(self, row: Row, changed: Mapping[Field, object]) -> Row:
        """The row with other values in some fields.

        Raises:
            UnknownField: it has no such field.
            KeyChanged: one of them is part of the key.
            MutableRow: a value is mutable.
        """
        for field in changed:
            self.check_field(field)
            if field in self.key_fields:
                raise KeyChanged(f"{field!r} is part of the key of {self.name} rows; delete and insert instead")
        return self.admit(cast("Row", self.replaced(row, changed)))

    def replaced(self, row: Row, changed: Mapping[Field, object]) -> object:
        """The row with other values in some fields, unchecked."""
        if any(isinstance(field, int) for field in changed):
            values = list(cast("Sequence[object]", row))
            for field, value in changed.items():
                values[field if isinstance(field, int) else self.fields.index(field)] = value
            return tuple(values) if self.row is tuple else self.row(*values)
        return with_fields(row, cast("Mapping[str, object]", changed))

    # --- checks ----------------------------------------------------------------------------------------------

    def admit(self, row: Row) -> Row:
        """The row as it is stored: itself, or with frozen copies of what is mutable in it.

        Raises:
            InvalidRow: it is of another class, or can't be hashed.
            MutableRow: it holds something mutable.
        """
        if type(row) is not self.row:
            raise InvalidRow(f"this table holds {self.name} rows, not {type(row).__qualname__}")
        if self._copies:
            row = cast("Row", frozen_copy(row))
        for path, culprit in mutable_parts(row, self.name):
            what = f"{path} is a {type(culprit).__qualname__}"
            raise MutableRow(f"{what}; use {instead(culprit)}, or make the table with copies=True")
        self.key_of(row)
        return row

    def key_of(self, row: Row) -> object:
        """The key of a row.

        Raises:
            InvalidRow: it can't be hashed.
        """
        try:
            key = self.key(row)
            hash(key)
        except TypeError as error:
            raise InvalidRow(f"the key of a {self.name} can't be used: {error}") from error
        except IndexError as error:
            raise InvalidRow(f"a row has no field {self.key_fields}: {error}") from error
        return key

    def same_key(self, old: Row, new: Row) -> object:
        """The key of both rows.

        Raises:
            KeyChanged: they have different ones.
        """
        key = self.key_of(new)
        if self.key_of(old) != key:
            raise KeyChanged(f"a row may not get another key: {self.key(old)!r} became {key!r}")
        return key


def _hashed(function: Callable[[Row], object]) -> Getter[Row]:
    def key(row: Row) -> object:
        found = function(row)
        hash(found)
        return found

    return key
