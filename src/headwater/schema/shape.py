"""What the JSON of a class of events looks like, as JSON Schema without what is for people only. Pure."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import inspect as types

from headwater.errors import DefinitionError
from headwater.personal import personal_fields

Shape = dict[str, object]
"""A class as JSON: `fields`, each as JSON Schema; `required` ones; `definitions` of the types that they mention; which
are `personal`, and whose, `subject`."""

_PLAIN: Final[dict[type[types.Type], Shape]] = {
    types.AnyType: {},
    types.RawType: {},
    types.NoneType: {"type": "null"},
    types.BoolType: {"type": "boolean"},
    types.IntType: {"type": "integer"},
    types.FloatType: {"type": "number"},
    types.StrType: {"type": "string"},
    types.BytesType: {"type": "string", "contentEncoding": "base64"},
    types.ByteArrayType: {"type": "string", "contentEncoding": "base64"},
    types.MemoryViewType: {"type": "string", "contentEncoding": "base64"},
    types.DateTimeType: {"type": "string", "format": "date-time"},
    types.DateType: {"type": "string", "format": "date"},
    types.TimeType: {"type": "string", "format": "time"},
    types.TimeDeltaType: {"type": "string", "format": "duration"},
    types.UUIDType: {"type": "string", "format": "uuid"},
    types.DecimalType: {"type": "string", "format": "decimal"},
}

_BOUNDS: Final = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
    "tz": "timeZone",
}
_ITEM_BOUNDS: Final = {"min_length": "minItems", "max_length": "maxItems"}
_KEY_BOUNDS: Final = {"min_length": "minProperties", "max_length": "maxProperties"}

Record = types.StructType | types.DataclassType | types.TypedDictType | types.NamedTupleType


def shape_of(registered: type) -> Shape:
    """What the JSON of a class looks like.

    Raises:
        DefinitionError: it has a field of a type that can't be read from JSON, or an annotation that can't be resolved.
    """
    try:
        info = types.type_info(registered)
    except Exception as error:
        raise DefinitionError(f"{registered.__qualname__} can't be read from JSON: {error}") from error
    drawing = _Drawing(registered)
    if not isinstance(info, types.StructType | types.DataclassType):
        raise DefinitionError(f"{registered.__qualname__} is neither a Struct nor a dataclass")
    own = drawing.fields(info)
    shape: Shape = {"fields": own["properties"], "required": own["required"]}
    if drawing.definitions:
        shape["definitions"] = dict(drawing.definitions)
    personal = personal_fields(registered)
    if personal is not None:
        shape["personal"], shape["subject"] = sorted(personal.fields), personal.subject
    return shape


class _Drawing:
    """Draws types as JSON Schema, and remembers the classes that they mention."""

    def __init__(self, registered: type) -> None:
        self._registered: Final = registered
        self.definitions: Final[dict[str, object]] = {}

    def draw(self, kind: types.Type) -> Shape:
        """A type as JSON Schema."""
        match kind:
            case types.Metadata():
                return self.draw(kind.type)
            case types.UnionType():
                return {"anyOf": sorted((self.draw(one) for one in kind.types), key=msgspec.json.encode)}
            case types.EnumType():
                return _choices([one.value for one in kind.cls])
            case types.LiteralType():
                return _choices(list(kind.values))
            case types.StructType() | types.DataclassType() | types.TypedDictType() | types.NamedTupleType():
                return self._reference(kind)
            case types.CustomType() if kind.cls is object:
                return {}
            case _:
                return self._plain(kind)

    def _plain(self, kind: types.Type) -> Shape:
        match kind:
            case types.TupleType():
                return {"type": "array", "prefixItems": [self.draw(one) for one in kind.item_types]}
            case types.CollectionType():
                return {"type": "array", "items": self.draw(kind.item_type), **_bounds(kind, _ITEM_BOUNDS)}
            case types.DictType():
                keys = self.draw(kind.key_type)
                named = {} if keys == {"type": "string"} else {"propertyNames": keys}
                values = self.draw(kind.value_type)
                return {"type": "object", "additionalProperties": values, **named, **_bounds(kind, _KEY_BOUNDS)}
        if type(kind) not in _PLAIN:
            raise DefinitionError(f"{self._registered.__qualname__} can't be read from JSON: it has a field of {kind}")
        return {**_PLAIN[type(kind)], **_bounds(kind, _BOUNDS)}

    def _reference(self, kind: Record) -> Shape:
        """A class inside is drawn once, apart."""
        name = kind.cls.__qualname__.rpartition("<locals>.")[2]
        if name not in self.definitions:
            self.definitions[name] = {}  # it may hold itself
            self.definitions[name] = self.fields(kind)
        return {"$ref": f"#/$defs/{name}"}

    def fields(self, kind: Record) -> Shape:
        """A class with its fields."""
        drawn = {field.encode_name: {**self.draw(field.type), **_default(field)} for field in kind.fields}
        required = sorted(field.encode_name for field in kind.fields if field.required)
        shape: Shape = {"type": "object", "properties": drawn, "required": required}
        if isinstance(kind, types.NamedTupleType) or getattr(kind, "array_like", False):
            shape["order"] = [field.encode_name for field in kind.fields]
        tag = getattr(kind, "tag", None)
        return shape if tag is None else {**shape, "tag": {str(getattr(kind, "tag_field", "type")): tag}}


def _choices(values: list[object]) -> Shape:
    return {"enum": sorted(values, key=msgspec.json.encode)}


def _bounds(kind: types.Type, names: dict[str, str]) -> Shape:
    found = ((name, getattr(kind, attribute, None)) for attribute, name in names.items())
    return {name: value for name, value in found if value is not None}


def _default(field: types.Field) -> Shape:
    """What it is when it isn't there; nothing if it must be there, or if that is computed."""
    default = field.default
    if field.default_factory in (list, dict, set, tuple):
        default = {} if field.default_factory is dict else []
    if default is msgspec.NODEFAULT or default is msgspec.UNSET:
        return {}
    return {"default": msgspec.json.decode(msgspec.json.encode(default))}  # as a lock gives it back: tuples are lists
