"""What tells the code of one projection from that of another: a hash of it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType
from typing import Final

import msgspec

from headwater.errors import DefinitionError
from headwater.immutable import promises_immutable

_LENGTH: Final = 16
_NOT_CODE: Final = frozenset(["topic", "snapshot_every", "view", "view_name", "view_version"])
"""Attributes that change nothing in the rows, or are told otherwise."""


def fingerprint(cls: type, base: type, row: type, *settings: object) -> str:
    """A hash of what a view's rows depend on: its methods, its rows' class, its settings.

    It changes when a method of the class changes, or a number or string that is an attribute of it, also if it is
    inherited from a class below `base`; not when a function does that these call. Another version of Python may compile
    the same code otherwise.

    Args:
        cls: the projection's class.
        base: the class whose methods don't count, nor those of its bases.
        row: the class of the rows.
        settings: values whose `repr` says all.
    """
    described = [repr(settings), repr(sorted(schema_of(row).items(), key=str))]
    for parent in cls.__mro__:
        if parent is base:
            break
        described += _attributes(parent)
    return hashlib.sha256("\n".join(described).encode()).hexdigest()[:_LENGTH]


def schema_of(row: type) -> dict[str, object]:
    """What the rows of a class look like, in JSON Schema.

    Raises:
        DefinitionError: they hold something that can't be written into a snapshot and come back as it was.
    """
    if not promises_immutable(row):
        raise DefinitionError(
            f"rows of class {row.__qualname__} can't be put into a snapshot: annotate fields with immutable types "
            "such as int, str, datetime, a tuple, a frozenset or a frozen Struct"
        )
    try:
        return msgspec.json.schema(row)
    except TypeError as error:
        raise DefinitionError(f"rows of class {row.__qualname__} can't be put into a snapshot: {error}") from error


def _attributes(cls: type) -> Iterator[str]:
    for name, value in sorted(vars(cls).items()):
        function = getattr(value, "__func__", getattr(value, "fget", value))
        if isinstance(function, FunctionType):
            yield f"{name} {_code(function.__code__)}"
        elif isinstance(value, int | float | str | bytes) and name not in _NOT_CODE and not name.startswith("__"):
            yield f"{name} {_constant(value)}"


def _code(code: CodeType) -> str:
    constants = [_code(one) if isinstance(one, CodeType) else _constant(one) for one in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {constants}"


def _constant(value: object) -> str:
    if isinstance(value, frozenset):
        return f"{{{_sorted(value)}}}"
    return f"{type(value).__name__} {value!r}"


def _sorted(values: Iterable[object]) -> str:
    return ", ".join(sorted(map(repr, values)))
