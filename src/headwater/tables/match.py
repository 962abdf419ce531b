"""Which rows are meant: conditions on fields, and a test for what they can't say. Pure.

A condition on a field is a value that it must equal, or one of `OneOf`, `Between`, `AtLeast`, `Above`, `AtMost`,
`Below`, `Prefix` and `Not`. All conditions must hold. Values that can't be compared with each other don't match.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import msgspec

from headwater.tables.shape import Field, Shape

Row = TypeVar("Row")


class _Top:
    """Above every other value: the upper end of a prefix of tuples."""

    __slots__ = ()

    def __lt__(self, other: object) -> bool:
        return False

    def __gt__(self, other: object) -> bool:
        return self is not other


TOP: Final = _Top()


class Span(msgspec.Struct, frozen=True):
    """A stretch of an order.

    Attributes:
        low: its lower end; None for none.
        high: its upper end; None for none.
        inclusive: whether the ends belong to it.
    """

    low: object = None
    high: object = None
    inclusive: tuple[bool, bool] = (True, True)


class Condition:
    """Base of what a field's value can be asked for."""

    __slots__ = ()

    def holds(self, value: object) -> bool:
        """Whether a value fulfils it."""
        raise NotImplementedError

    def span(self) -> Span | None:
        """The stretch of an order in which all values lie that fulfil it, and no others; None if there is none."""
        return None

    def values(self) -> tuple[object, ...] | None:
        """The only values that fulfil it; None if there are others."""
        return None


@dataclass(frozen=True, slots=True)
class Anything(Condition):
    """Any value."""

    def holds(self, value: object) -> bool:
        """Always."""
        return True


ANY: Final = Anything()
"""Any value will do: a place in a pattern of `like` that isn't asked for."""


@dataclass(frozen=True, slots=True)
class Equal(Condition):
    """Equal to a value; also what a plain value in `where` means."""

    value: object

    def holds(self, value: object) -> bool:
        """Whether they are equal."""
        return value == self.value

    def values(self) -> tuple[object, ...]:
        """The one."""
        return (self.value,)


@dataclass(frozen=True, slots=True, init=False)
class OneOf(Condition):
    """Equal to one of some values: `OneOf("buy", "sell")`."""

    options: tuple[object, ...]

    def __init__(self, *options: object) -> None:
        object.__setattr__(self, "options", options)

    def holds(self, value: object) -> bool:
        """Whether it is one of them."""
        return value in self.options

    def values(self) -> tuple[object, ...]:
        """All of them."""
        return self.options


class Within(Condition):
    """Base of those that are a stretch of an order."""

    __slots__ = ()

    def span(self) -> Span:
        """The stretch."""
        raise NotImplementedError

    def holds(self, value: object) -> bool:
        """Whether the value lies in the stretch. Not if it can't be compared with the ends."""
        return lies_within(value, self.span())


@dataclass(frozen=True, slots=True)
class Between(Within):
    """From `low` to `high`, both included."""

    low: object
    high: object

    def span(self) -> Span:
        """Both ends included."""
        return Span(self.low, self.high)


@dataclass(frozen=True, slots=True)
class AtLeast(Within):
    """Equal to `low` or greater."""

    low: object

    def span(self) -> Span:
        """No upper end."""
        return Span(low=self.low)


@dataclass(frozen=True, slots=True)
class Above(Within):
    """Greater than `low`."""

    low: object

    def span(self) -> Span:
        """No upper end."""
        return Span(low=self.low, inclusive=(False, True))


@dataclass(frozen=True, slots=True)
class AtMost(Within):
    """Equal to `high` or less."""

    high: object

    def span(self) -> Span:
        """No lower end."""
        return Span(high=self.high)


@dataclass(frozen=True, slots=True)
class Below(Within):
    """Less than `high`."""

    high: object

    def span(self) -> Span:
        """No lower end."""
        return Span(high=self.high, inclusive=(True, False))


@dataclass(frozen=True, slots=True)
class Prefix(Condition):
    """A string that begins with a string, or a tuple that begins with a tuple's items."""

    prefix: str | tuple[object, ...]

    def holds(self, value: object) -> bool:
        """Whether it begins so."""
        if isinstance(self.prefix, str):
            return isinstance(value, str) and value.startswith(self.prefix)
        return isinstance(value, tuple) and value[: len(self.prefix)] == self.prefix

    def span(self) -> Span | None:
        """From the prefix itself to just before what would come after all that begin so."""
        if isinstance(self.prefix, tuple):
            return Span(self.prefix, (*self.prefix, TOP))
        after = _after(self.prefix)
        return Span(self.prefix) if after is None else Span(self.prefix, after, (True, False))


@dataclass(frozen=True, slots=True)
class Not(Condition):
    """Anything but a value, or but what fulfils a condition."""

    what: object

    def holds(self, value: object) -> bool:
        """Whether the other doesn't hold."""
        return not condition(self.what).holds(value)


def condition(asked: object) -> Condition:
    """A condition as it is; for any other value: equal to it."""
    return asked if isinstance(asked, Condition) else Equal(asked)


def lies_within(value: object, span: Span) -> bool:
    """Whether a value lies in the stretch. Not if it can't be compared with the ends."""
    low_included, high_included = span.inclusive
    try:
        if span.low is not None and not (value > span.low or (low_included and value == span.low)):  # type: ignore[operator]
            return False
        return span.high is None or bool(
            value < span.high or (high_included and value == span.high)  # type: ignore[operator]
        )
    except TypeError:
        return False


def _after(prefix: str) -> str | None:
    """The least string that is greater than all that begin with the prefix; None if there is none."""
    kept = prefix.rstrip("\U0010ffff")
    return kept[:-1] + chr(ord(kept[-1]) + 1) if kept else None


class Where(Generic[Row]):
    """Which rows are meant. Made by `where` and `like`; two of them are combined with `&`.

    Args:
        conditions: what each field must fulfil.
        tests: what the row itself must pass.
    """

    __slots__ = ("conditions", "tests")

    def __init__(self, conditions: Mapping[Field, Condition], tests: tuple[Callable[[Row], bool], ...] = ()) -> None:
        self.conditions = conditions
        self.tests = tests

    def __and__(self, other: Where[Row]) -> Where[Row]:
        """The rows that both mean. A field that both ask for must fulfil both."""
        merged: dict[Field, Condition] = dict(self.conditions)
        for field, asked in other.conditions.items():
            merged[field] = _Both(merged[field], asked) if field in merged else asked
        return Where(merged, self.tests + other.tests)

    def test(self, shape: Shape[Row]) -> Callable[[Row], bool]:
        """What tells whether a row of this shape is meant.

        Raises:
            UnknownField: rows have no such field.
        """
        checks = []
        for field, asked in self.conditions.items():
            shape.check_field(field)
            if asked is not ANY:
                checks.append((shape.getter(field), asked.holds))
        tests = self.tests
        if len(checks) == 1 and not tests:
            read, holds = checks[0]
            return lambda row: holds(read(row))
        return lambda row: all(holds(read(row)) for read, holds in checks) and all(test(row) for test in tests)


@dataclass(frozen=True, slots=True)
class _Both(Condition):
    one: Condition
    other: Condition

    def holds(self, value: object) -> bool:
        return self.one.holds(value) and self.other.holds(value)


def where(test: Callable[[Row], bool] | None = None, /, **fields: object) -> Where[Row]:
    """The rows whose fields are so, and that pass the test: `where(side="buy", price=Between(10, 20))`.

    Fields can use keys, orders and indexes to find rows; a test is run for each row that the fields leave.

    Args:
        test: given a row, says whether it is meant.
        fields: a value or a condition for each field that matters.
    """
    return Where({name: condition(asked) for name, asked in fields.items()}, () if test is None else (test,))


def like(*pattern: object) -> Where[Row]:
    """The tuples that look so: `like("BTC", ANY, Between(10, 20))`. Places beyond the pattern don't matter."""
    return Where({place: condition(asked) for place, asked in enumerate(pattern) if asked is not ANY})
