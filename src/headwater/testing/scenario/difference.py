"""How what was expected and what there is differ, field by field. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import zip_longest
from typing import Final

import msgspec

MOST: Final = 50
"""How many lines are given; what lies beyond is counted."""

_NOTHING: Final = object()


def difference(expected: object, found: object) -> list[str]:
    """One line for each place in which two values differ; none if they are equal.

        >>> difference([Deposited(50)], [Deposited(40)])
        ['[0].amount: expected 50, found 40']

    Goes into Structs, dataclasses, mappings, lists and tuples; anything else is compared by `==` as a whole. Values of
    different classes differ, even if they are equal, such as True and 1.

    Args:
        expected: what should be.
        found: what there is.
    """
    return _shortened(list(_differences("", expected, found)))


def numbered_difference(noun: str, expected: Sequence[object], found: Sequence[object]) -> list[str]:
    """Like `difference` of two sequences, whose members are called "event 1" and so on."""
    pairs = enumerate(zip_longest(expected, found, fillvalue=_NOTHING), start=1)
    return _shortened(list(_of_members({f"{noun} {number}": pair for number, pair in pairs})))


def require(title: str, lines: Sequence[str]) -> None:
    """Raise AssertionError if there are any differences: the title, and below it each of them."""
    if lines:
        raise AssertionError("\n".join([title, *(f"  {line}" for line in lines)]))


def _shortened(lines: list[str]) -> list[str]:
    return lines if len(lines) <= MOST else [*lines[:MOST], f"… and {len(lines) - MOST} more"]


def _differences(place: str, expected: object, found: object) -> Iterator[str]:
    if expected is found:
        return
    if expected is _NOTHING:
        yield f"{place}: expected nothing, found {found!r}"
    elif found is _NOTHING:
        yield f"{place}: expected {expected!r}, found nothing"
    elif type(expected) is not type(found):
        yield _whole(place, expected, found)
    else:
        inside = list(_inside(place, expected, found))
        yield from inside or ([] if expected == found else [_whole(place, expected, found)])


def _whole(place: str, expected: object, found: object) -> str:
    return f"{place or 'value'}: expected {expected!r}, found {found!r}"


def _inside(place: str, expected: object, found: object) -> Iterator[str]:
    """The differences of the members of two values of one class; none if they have no members."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        yield from _of_members(
            {
                f"{place}[{key!r}]": (expected.get(key, _NOTHING), found.get(key, _NOTHING))
                for key in dict.fromkeys((*expected, *found))
            }
        )
    elif isinstance(expected, Sequence) and isinstance(found, Sequence) and not isinstance(expected, str | bytes):
        pairs = zip_longest(expected, found, fillvalue=_NOTHING)
        yield from _of_members({f"{place}[{index}]": pair for index, pair in enumerate(pairs)})
    else:
        yield from _of_members(
            {_under(place, name): (getattr(expected, name), getattr(found, name)) for name in _fields(expected)}
        )


def _of_members(pairs: Mapping[str, tuple[object, object]]) -> Iterator[str]:
    for place, (expected, found) in pairs.items():
        yield from _differences(place, expected, found)


def _fields(value: object) -> tuple[str, ...]:
    if isinstance(value, msgspec.Struct):
        return value.__struct_fields__
    if is_dataclass(value):
        return tuple(field.name for field in fields(value))
    return ()


def _under(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
