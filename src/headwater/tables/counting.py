"""Counters: integers in fields of rows."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias, TypeVar, cast, get_type_hints

import msgspec

from headwater.errors import MissingKey, NotCountable
from headwater.tables.content import Content
from headwater.tables.shape import Field, Shape

Row = TypeVar("Row")


class Counted(Protocol):
    """A table, as far as counting has to know it."""

    _content: Content[Any]

    def missing(self, key: object) -> MissingKey:
        """The error that says that there is no row of a key."""


Step: TypeAlias = Callable[[Counted, object, int], int]
"""Adds to one field of the row of a key, and returns what the field holds then."""


class Count(msgspec.Struct, frozen=True):
    """A change of a counter.

    Attributes:
        field: which field.
        by: what is added; it may be negative.
        threshold: the highest value that it may get, or, if it counts down, the lowest; None for any.
        reset: what it becomes instead of going beyond the threshold.
    """

    field: Field
    by: int = 1
    threshold: int | None = None
    reset: int = 0

    def after(self, value: object) -> int:
        """The counter's next value.

        Raises:
            NotCountable: it holds no integer.
        """
        number = counted(self.field, value, self.by)
        if self.threshold is None:
            return number
        beyond = number > self.threshold if self.by >= 0 else number < self.threshold
        return self.reset if beyond else number


def counted(field: Field, value: object, by: int) -> int:
    """A counter's next value.

    Raises:
        NotCountable: one of the two is no integer.
    """
    if type(value) is not int or type(by) is not int:
        what = f"{field!r} holds {value!r}" if type(value) is not int else f"it was to be changed by {by!r}"
        raise NotCountable(f"a counter counts integers: {what}")
    return value + by


def check_countable(shape: Shape[Row], field: Field) -> None:
    """Make sure that rows have the field, and that it may change.

    Raises:
        UnknownField: they haven't.
        NotCountable: it is part of the key.
    """
    shape.check_field(field)
    if field in shape.key_fields:
        raise NotCountable(f"{field!r} is part of the key of {shape.name} rows; keys don't change")


def make_step(shape: Shape[Row], field: Field) -> Step:
    """What counts in a field of rows of this shape.

    Raises:
        UnknownField: rows have no such field.
        NotCountable: it is part of the key.
    """
    check_countable(shape, field)
    if issubclass(shape.row, msgspec.Struct) and isinstance(field, str) and shape.key_fields:
        return _struct_step(shape.row, field)
    read = shape.getter(field)

    def step(table: Counted, key: object, by: int = 1) -> int:
        rows = table._content.rows  # noqa: SLF001 - of the tables' own
        row = rows.get(key)
        if row is None:
            raise table.missing(key)
        number = counted(field, read(row), by)
        new = cast("Row", shape.replaced(row, {field: number}))
        rows[shape.same_key(row, new)] = new
        return number

    return step


_STRUCT_STEP: Final = """
def step(table, key, by=1):
    rows = table._content.rows
    try:
        row = rows[key]
    except KeyError:
        raise table.missing(key) from None
    number = row.{field}
    if {doubt}:
        counted({field!r}, number, by)
    number += by
    rows[key] = kind({arguments})
    return number
"""
"""Written out for each field, as dataclasses write their methods: nothing else is as fast."""

_DOUBT_BY: Final = "by is not one and type(by) is not int"
_DOUBT_BOTH: Final = f"type(number) is not int or {_DOUBT_BY}"
"""A field that is annotated as `int` is believed to hold one, as tables believe annotations elsewhere."""


def _struct_step(kind: type[msgspec.Struct], field: str) -> Step:
    parameters = inspect.signature(kind).parameters.values()
    arguments = ", ".join(
        f"{'' if one.kind is one.POSITIONAL_OR_KEYWORD else one.name + '='}"
        f"{'number' if one.name == field else 'row.' + one.name}"
        for one in parameters
    )
    scope: dict[str, Any] = {"kind": kind, "counted": counted, "one": 1}
    doubt = _DOUBT_BY if _is_annotated_int(kind, field) else _DOUBT_BOTH
    exec(_STRUCT_STEP.format(field=field, arguments=arguments, doubt=doubt), scope)  # noqa: S102 - names of fields are identifiers
    return cast("Step", scope["step"])


def _is_annotated_int(kind: type[msgspec.Struct], field: str) -> bool:
    try:
        return get_type_hints(kind).get(field) is int
    except (NameError, TypeError):  # names that are only known where the class was written
        return False
