"""What can't be changed, and the path to what can. Pure.

Immutable are numbers, strings, bytes, dates, enums, paths, functions, classes, exceptions, and of such: tuples,
frozensets, mapping proxies, frozen dataclasses and frozen msgspec Structs. Headwater's own types, such as addresses,
count as immutable. A class whose instances are shared on purpose says so with `__shared__ = True`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import re
import types
import typing
import uuid
from collections.abc import Iterator, Mapping, Set
from pathlib import PurePath
from types import BuiltinFunctionType, EllipsisType, FunctionType, MappingProxyType, MethodType, ModuleType, NoneType
from typing import Final

import msgspec

_ATOMS: Final = (
    NoneType, EllipsisType, bool, int, float, complex, str, bytes, range, enum.Enum, type, BaseException,
    decimal.Decimal, fractions.Fraction, dt.date, dt.time, dt.timedelta, dt.tzinfo, uuid.UUID,
    re.Pattern, PurePath, FunctionType, BuiltinFunctionType, MethodType, ModuleType,
)  # fmt: skip

_INSTEAD: Final[dict[type, str]] = {
    list: "a tuple",
    set: "a frozenset",
    dict: "a types.MappingProxyType or a frozen struct",
    bytearray: "bytes",
}


def mutable_parts(value: object, path: str) -> Iterator[tuple[str, object]]:
    """The mutable values in `value`, each with the path to it, which begins with `path`."""
    if isinstance(value, _ATOMS) or _is_trusted(type(value)):
        return
    parts = _parts(value)
    if parts is None:
        yield path, value
        return
    for step, part in parts:
        yield from mutable_parts(part, f"{path}{step}")


def instead(value: object) -> str:
    """What to use instead of a mutable value, for an error message."""
    for kind, better in _INSTEAD.items():
        if isinstance(value, kind):
            return better
    return (
        "a frozen one" if isinstance(value, msgspec.Struct) or dataclasses.is_dataclass(value) else "immutable values"
    )


def frozen_copy(value: object) -> object:
    """The value with tuples for lists, frozensets for sets, read-only mappings for dicts, and bytes for bytearrays.

    What is immutable already is returned as it is; frozen records are copied only if something in them changes.
    Other mutable objects are left as they are: `mutable_parts` finds them.
    """
    match value:
        case list():
            return tuple(map(frozen_copy, value))
        case bytearray():
            return bytes(value)
        case Set() if not isinstance(value, frozenset):
            return frozenset(map(frozen_copy, value))
        case dict():
            return MappingProxyType({key: frozen_copy(part) for key, part in value.items()})
        case _:
            return _frozen_inside(value)


def _frozen_inside(value: object) -> object:
    if type(value) is tuple:
        copied = tuple(map(frozen_copy, value))
        return value if all(map(_same, copied, value)) else copied
    if not is_frozen_record(type(value)):
        return value
    old = {name: getattr(value, name) for name in record_fields(type(value))}
    new = {name: frozen_copy(part) for name, part in old.items()}
    changed = {name: part for name, part in new.items() if part is not old[name]}
    return with_fields(value, changed) if changed else value


def _same(one: object, other: object) -> bool:
    return one is other


def with_fields(record: object, changed: Mapping[str, object]) -> object:
    """A copy of a frozen record with other values in some fields."""
    if isinstance(record, msgspec.Struct):
        return msgspec.structs.replace(record, **changed)
    if isinstance(record, tuple):
        return record._replace(**changed)  # type: ignore[attr-defined]  # a named tuple
    return dataclasses.replace(record, **changed)  # type: ignore[type-var]  # a dataclass


def is_frozen_record(kind: type) -> bool:
    """Whether the class is a frozen msgspec Struct, a frozen dataclass or a named tuple."""
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_config__.frozen
    if issubclass(kind, tuple):
        return hasattr(kind, "_fields")
    return bool(getattr(getattr(kind, "__dataclass_params__", None), "frozen", False))


def record_fields(kind: type) -> tuple[str, ...]:
    """The names of a record's fields, in their order."""
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    if issubclass(kind, tuple):
        return tuple(getattr(kind, "_fields", ()))
    return tuple(getattr(kind, "__dataclass_fields__", ()))


def promises_immutable(annotation: object, seen: frozenset[type] = frozenset()) -> bool:
    """Whether every value that fits the annotation is immutable, as far as types can tell.

    True for atoms, for literals, unions, tuples and frozensets of such, and for frozen records of such. `object`, type
    variables and abstract types leave it open: False.
    """
    annotation = getattr(annotation, "__supertype__", annotation)  # a NewType
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return True
    if origin is typing.Annotated or origin is typing.Final or origin is typing.ClassVar:
        return promises_immutable(typing.get_args(annotation)[0], seen)
    if origin in (typing.Union, types.UnionType, tuple, frozenset):
        return all(part is ... or promises_immutable(part, seen) for part in typing.get_args(annotation))
    kind = NoneType if annotation is None else annotation if origin is None else origin
    if not isinstance(kind, type):
        return False
    if issubclass(kind, _ATOMS) or _is_trusted(kind) or kind in seen:
        return True
    return is_frozen_record(kind) and _promised_by_fields(kind, seen | {kind})


def _promised_by_fields(kind: type, seen: frozenset[type]) -> bool:
    try:
        hints = typing.get_type_hints(kind)
    except (NameError, TypeError):  # names that are only known where the class was written: nothing is promised
        return False
    return all(name in hints and promises_immutable(hints[name], seen) for name in record_fields(kind))


def _is_trusted(kind: type) -> bool:
    return bool(getattr(kind, "__shared__", False)) or kind.__module__.startswith("headwater.")


def _parts(value: object) -> list[tuple[str, object]] | None:
    """What an immutable container holds, each with the step to it; None if the value isn't one."""
    if isinstance(value, tuple):
        return [(f"[{number}]", part) for number, part in enumerate(value)]
    if isinstance(value, frozenset):
        return [("{}", part) for part in value]
    if isinstance(value, MappingProxyType):
        return [(f"[{key!r}]", part) for key, part in value.items()]
    if is_frozen_record(type(value)):
        return [(f".{name}", getattr(value, name)) for name in record_fields(type(value))]
    return None
