"""Values to bytes and back, under names that outlive their classes.

A stored value carries a *type name* and a *schema version*, never a Python path: classes may move and be
renamed, the log stays readable. The bytes are JSON (by msgspec), so that any other tool can read them too.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import ClassVar, Final, Protocol, Self

import msgspec

from headwater.errors import CodecError, DefinitionError, Undecodable, UnknownType, one_of
from headwater.personal import PersonalFields, personal_fields
from headwater.types import TypeName as TypeName  # most know it as a part of the codec
from headwater.upcaster import AnyUpcaster
from headwater.upcasters import Upcasters

OWN_TYPES: Final = "headwater."
"""How the names of Headwater's own types begin. They stay as they are, or Headwater itself upcasts them."""

Tagger = Callable[[object], Iterable[str]]
"""Tells the tags of a value: what it can be found by in the log."""


class TypeRegistry:
    """Which class each type name stands for. One to one: neither a name nor a class is ever registered twice.

    Args:
        classes: msgspec Structs or dataclasses, each with the type name it has in the log.
    """

    def __init__(self, classes: Iterable[tuple[type, TypeName]] = ()) -> None:
        self._class_by_name: dict[TypeName, type] = {}
        self._name_by_class: dict[type, TypeName] = {}
        self._tagger_by_class: dict[type, Tagger] = {}
        self._personal_by_name: dict[tuple[str, int], PersonalFields] = {}
        for registered, name in classes:
            self.register(registered, name)

    def register(self, registered: type, name: TypeName, tagger: Tagger | None = None) -> None:
        """Let `name` stand for the class. Registering the same pair again changes nothing but the tagger.

        Args:
            registered: a msgspec Struct or a dataclass.
            name: its type name in the log.
            tagger: tells the tags of its values; they have none without it.

        Raises:
            DefinitionError: the name stands for another class, or the class has another name; the schema version is
                below 1; the name holds a NUL character; or its personal fields are declared wrongly, see
                `headwater.personal`.
        """
        if name.version < 1:
            raise DefinitionError(f"{registered.__qualname__}: a schema version starts at 1, not {name.version}")
        if "\0" in name.name:
            raise DefinitionError(f"{registered.__qualname__}: a type name can't hold a NUL character: {name.name!r}")
        other = self._class_by_name.get(name, registered)
        if other is not registered:
            raise DefinitionError(
                f"type name {name} stands for {other.__module__}.{other.__qualname__} already; give "
                f"{registered.__module__}.{registered.__qualname__} another name"
            )
        if self._name_by_class.get(registered, name) != name:
            raise DefinitionError(f"{registered.__qualname__} is called {self._name_by_class[registered]} already")
        if registered not in self._name_by_class:
            personal = personal_fields(registered)
            if personal is not None:
                self._personal_by_name[name] = personal
        self._class_by_name[name] = registered
        self._name_by_class[registered] = name
        if tagger is not None:
            self._tagger_by_class[registered] = tagger

    def name_of(self, registered: type) -> TypeName:
        """What the class is called in the log.

        Raises:
            UnknownType: the class is not registered.
        """
        name = self._name_by_class.get(registered)
        if name is None:
            raise UnknownType(
                f"{registered.__module__}.{registered.__qualname__} is not registered; "
                f"known: {one_of(self._own_names())}",
                name=registered.__qualname__,
            )
        return name

    def tagger_of(self, registered: type) -> Tagger | None:
        """What tells the tags of the class's values; None if they have none."""
        return self._tagger_by_class.get(registered)

    def personal_of(self, name: tuple[str, int]) -> PersonalFields | None:
        """What is personal in the values of a type, by its name and schema version; None if nothing is."""
        return self._personal_by_name.get(name)

    @property
    def personal(self) -> bool:
        """Whether any class has personal fields."""
        return bool(self._personal_by_name)

    def class_of(self, name: TypeName) -> type:
        """The class that the name stands for.

        Raises:
            UnknownType: no class is registered under this name and version.
        """
        registered = self._class_by_name.get(name)
        if registered is None:
            raise UnknownType(
                f"no class is registered for type {name}; known: {one_of(self._own_names())}",
                name=name.name,
                version=name.version,
            )
        return registered

    def names(self) -> list[str]:
        """All type names, in alphabetical order."""
        return sorted(str(name) for name in self._class_by_name)

    def _own_names(self) -> list[str]:
        """Those that people have given."""
        return [name for name in self.names() if not name.startswith(OWN_TYPES)]

    @property
    def classes(self) -> Mapping[TypeName, type]:
        """All classes by their type names, in the order in which they were registered."""
        return MappingProxyType(self._class_by_name)


class NamedType(Protocol):
    """A class that says itself what it is called in the log, as classes of events do."""

    type_name: ClassVar[TypeName]
    tagger: ClassVar[Tagger | None]


class Codec:
    """Encodes and decodes the values of one registry. Safe to use from any thread.

    A subclass may write values otherwise, as long as what it writes is JSON text.

    Args:
        types: the classes that it may meet.
        upcasters: what makes of the JSON of earlier days what these classes can read.

    Raises:
        BrokenUpcasters: two upcasters are for the same type name and version, or they lead round in a circle.
    """

    def __init__(self, types: TypeRegistry | None = None, upcasters: Iterable[AnyUpcaster] = ()) -> None:
        self.types: Final = types or TypeRegistry()
        self.upcasters = Upcasters(upcasters)
        self._encoder = msgspec.json.Encoder()
        self._decoders: dict[TypeName, msgspec.json.Decoder[object]] = {}

    @classmethod
    def of(cls, *classes: type[NamedType], upcasters: Iterable[AnyUpcaster] = ()) -> Self:
        """A codec for classes of events, which have their names and tags with them.

        Raises:
            DefinitionError: two of them have the same name and schema version.
            BrokenUpcasters: two upcasters are for the same type name and version, or they lead round in a circle.
        """
        types = TypeRegistry()
        for one in classes:
            types.register(one, one.type_name, one.tagger)
        return cls(types, upcasters)

    def with_upcasters(self, upcasters: Iterable[AnyUpcaster]) -> Self:
        """The same codec with further upcasters.

        Raises:
            BrokenUpcasters: two are for the same type name and version, or they lead round in a circle.
        """
        codec = copy.copy(self)
        codec.upcasters = Upcasters((*self.upcasters, *upcasters))
        return codec

    def check_upcasters(self) -> None:
        """Make sure that all versions of all types up to the present ones can be read.

        Raises:
            BrokenUpcasters: one can't; names it.
        """
        self.upcasters.check(self.types.classes.keys())

    def encode(self, value: object) -> tuple[TypeName, bytes]:
        """The value's type name and its JSON.

        Raises:
            UnknownType: its class is not registered.
            CodecError: a field holds something that JSON cannot.
        """
        name = self.types.name_of(type(value))
        try:
            return name, self._encoder.encode(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise CodecError(f"a {name} could not be encoded: {error}") from error

    def decoder(self, name: TypeName) -> Callable[[str], object]:
        """What decodes values of one type, for those who decode many: it does as `decode` does, or raises anything.

        Raises:
            UnknownType: nothing is registered under this name and version.
        """
        if type(self).decode is Codec.decode:
            return self._decoder(name).decode
        return partial(self.decode, name)

    def decode(self, name: TypeName, data: bytes | str) -> object:
        """The value that the JSON stands for, checked against its class.

        Raises:
            UnknownType: nothing is registered under this name and version.
            Undecodable: the JSON is broken or doesn't fit the class; the message names the field.
        """
        decoder = self._decoder(name)
        try:
            return decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Undecodable(f"a {name} could not be decoded: {error}", name=name.name) from error

    def raw(self, name: TypeName, data: bytes | str) -> object:
        """What was encoded, as plain JSON values for upcasters. A subclass that writes otherwise has to override it.

        Raises:
            Undecodable: the JSON is broken.
        """
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Undecodable(f"a {name} is no JSON: {error}", name=name.name) from error

    def convert(self, name: TypeName, raw: Mapping[str, object]) -> object:
        """The value that plain values stand for, checked against its class.

        Raises:
            UnknownType, Undecodable: see `decode`.
            CodecError: there is something among them that JSON can't hold.
        """
        try:
            data = self._encoder.encode(raw)
        except (TypeError, ValueError, OverflowError) as error:
            raise CodecError(f"the fields of a {name} could not be encoded: {error}") from error
        return Codec.decode(self, name, data)

    def _decoder(self, name: TypeName) -> msgspec.json.Decoder[object]:
        decoder = self._decoders.get(name)
        if decoder is None:
            decoder = self._decoders[name] = msgspec.json.Decoder(self.types.class_of(name))
        return decoder
