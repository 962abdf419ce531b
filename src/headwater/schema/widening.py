"""Whether all JSON that fitted a class still fits it, and still means the same. Pure.

Compares JSON Schemas as `shape_of` draws them. What it doesn't know it takes for a change that doesn't fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, cast

from headwater.schema.shape import Shape

_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_EXACT: Final = ("format", "contentEncoding", "pattern", "multipleOf", "timeZone", "propertyNames")
_REFERENCE: Final = "#/$defs/"


class Misfit(NamedTuple):
    """Why old JSON doesn't fit.

    Attributes:
        field: the field, with the path to it: `lines[].price`.
        reason: what has changed.
    """

    field: str
    reason: str


def misfits(old: Shape, new: Shape) -> list[Misfit]:
    """What keeps JSON of the old shape from being read as the new one, or from meaning what it did."""
    return list(_Comparison(old, new).objects(_as_object(old), _as_object(new), ""))


def _as_object(shape: Shape) -> Shape:
    return {"type": "object", "properties": shape.get("fields", {}), "required": shape.get("required", [])}


class _Comparison:
    """Two shapes, each with the types that it defines."""

    def __init__(self, old: Shape, new: Shape) -> None:
        self._old: Final = _part(old, "definitions")
        self._new: Final = _part(new, "definitions")
        self._under_way: Final[set[tuple[str, str]]] = set()

    def schemas(self, old: Shape, new: Shape, path: str) -> list[Misfit]:
        """What doesn't fit between two types. One that holds itself fits if all else in it does."""
        pair = (str(old.get("$ref", "")), str(new.get("$ref", "")))
        if all(pair) and pair in self._under_way:
            return []
        self._under_way.add(pair)
        try:
            return list(self._unions(_resolved(old, self._old), _resolved(new, self._new), path))
        finally:
            self._under_way.discard(pair)

    def _unions(self, old: Shape, new: Shape, path: str) -> Iterator[Misfit]:
        """What doesn't fit between two types, each of which may be one of several."""
        choices = [_resolved(one, self._new) for one in _list(new.get("anyOf")) or [new]]
        for one in [_resolved(one, self._old) for one in _list(old.get("anyOf")) or [old]]:
            found = [list(self._simple(one, choice, path)) for choice in choices]
            if all(found):
                alike = [misfits for misfits, choice in zip(found, choices, strict=True) if _alike(one, choice)]
                yield from alike[0] if len(alike) == 1 else [_narrowed(path, old, new)]

    def _simple(self, old: Shape, new: Shape, path: str) -> Iterator[Misfit]:
        """What doesn't fit between two types that are no unions."""
        if not _demands_something(new):
            return
        kinds = (old.get("type"), new.get("type"))
        if "enum" in new or "enum" in old:
            yield from _enums(old, new, path)
        elif (kinds[0] != kinds[1] and kinds != ("integer", "number")) or not _bounds_fit(old, new):
            yield _narrowed(path, old, new)
        elif kinds[1] == "array":
            yield from self._arrays(old, new, path)
        elif kinds[1] == "object":
            yield from self.objects(old, new, path)

    def _arrays(self, old: Shape, new: Shape, path: str) -> Iterator[Misfit]:
        before, after = _list(old.get("prefixItems")), _list(new.get("prefixItems"))
        if after and len(before) != len(after):
            yield _narrowed(path, old, new)
        elif before:
            rest = _part(new, "items")
            for number, one in enumerate(before):
                yield from self.schemas(one, after[number] if after else rest, f"{path}[{number}]")
        elif not after:
            yield from self.schemas(_part(old, "items"), _part(new, "items"), f"{path}[]")

    def objects(self, old: Shape, new: Shape, path: str) -> Iterator[Misfit]:
        """What doesn't fit between two objects: classes, or mappings."""
        if any(old.get(key) != new.get(key) for key in ("order", "tag")) or ("properties" in old) != (
            "properties" in new
        ):
            yield _narrowed(path, old, new)
        elif "properties" not in old:
            one, other = _part(old, "additionalProperties"), _part(new, "additionalProperties")
            yield from self.schemas(one, other, f"{path}{{}}")
        else:
            yield from _fields(old, new, path)
            before, after = _part(old, "properties"), _part(new, "properties")
            for name in sorted(before.keys() & after.keys()):
                yield from self.schemas(_part(before, name), _part(after, name), _join(path, name))


def _fields(old: Shape, new: Shape, path: str) -> Iterator[Misfit]:
    """Fields that are gone, are demanded newly, or have another default."""
    before, after = _part(old, "properties"), _part(new, "properties")
    gone, fresh = sorted(before.keys() - after.keys()), sorted(after.keys() - before.keys())
    hint = f"; is it called {fresh[0]!r} now?" if len(gone) == len(fresh) == 1 else ""
    for name in gone:
        yield Misfit(_join(path, name), f"the field is gone{hint}")
    for name in sorted(_texts(new.get("required")) - _texts(old.get("required"))):
        reason = "the field has lost its default" if name in before else "the field is new and has no default"
        yield Misfit(_join(path, name), reason)
    for name in sorted(before.keys() & after.keys()):
        one, other = _part(before, name), _part(after, name)
        if "default" in one and "default" in other and one["default"] != other["default"]:
            yield Misfit(
                _join(path, name),
                f"its default was {one['default']!r} and is {other['default']!r}: events without the field would mean "
                "something else",
            )


def _enums(old: Shape, new: Shape, path: str) -> Iterator[Misfit]:
    before, after = _list_of(old.get("enum")), _list_of(new.get("enum"))
    if "enum" not in new:
        kinds: dict[str, tuple[type, ...]] = {"string": (str,), "integer": (int,), "number": (int, float)}
        allowed = kinds.get(str(new.get("type")), ())
        if not all(isinstance(one, allowed) for one in before) or not _bounds_fit(old, new):
            yield _narrowed(path, old, new)
    elif "enum" not in old:
        yield _narrowed(path, old, new)
    else:
        for gone in [one for one in before if one not in after]:
            yield Misfit(path, f"the value {gone!r} is gone")


def _bounds_fit(old: Shape, new: Shape) -> bool:
    for keys, sign in ((_LOWER, 1), (_UPPER, -1)):
        for key in keys:
            bound, before = _number(new, key), _number(old, key)
            if bound is not None and (before is None or before * sign < bound * sign):
                return False
    return all(key not in new or old.get(key) == new[key] for key in _EXACT)


def _number(schema: Shape, key: str) -> float | None:
    value = schema.get(key)
    return value if isinstance(value, int | float) else None


def _narrowed(path: str, old: Shape, new: Shape) -> Misfit:
    return Misfit(path, f"it was {described(old)}, and is {described(new)}")


def described(schema: Shape) -> str:
    """A type in few words."""
    if "anyOf" in schema:
        return " or ".join(described(one) for one in _list(schema["anyOf"]))
    if "enum" in schema:
        return "one of " + ", ".join(repr(one) for one in _list_of(schema["enum"]))
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_REFERENCE)
    words = [str(schema.get("type", "anything"))]
    words += [str(schema[key]) for key in ("format", "contentEncoding") if key in schema]
    words += [f"{key} {schema[key]}" for key in (*_LOWER, *_UPPER, "pattern", "multipleOf") if key in schema]
    return " ".join(words)


def _resolved(schema: Shape, definitions: Shape) -> Shape:
    reference = schema.get("$ref")
    return _part(definitions, reference.removeprefix(_REFERENCE)) if isinstance(reference, str) else schema


def _alike(old: Shape, new: Shape) -> bool:
    """Whether it is likely the same choice of a union, so that it helps to tell what has changed in it."""
    return all((key in old) == (key in new) for key in ("enum", "properties")) and old.get("type") == new.get("type")


def _demands_something(schema: Shape) -> bool:
    return bool(schema.keys() - {"default"})


def _part(schema: Shape, key: str) -> Shape:
    value = schema.get(key)
    return cast("Shape", value) if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Shape]:
    return [cast("Shape", one) for one in value] if isinstance(value, list) else []


def _list_of(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


def _texts(value: object) -> set[str]:
    return {str(one) for one in _list_of(value)}


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
