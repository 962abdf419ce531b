"""The state of an aggregate as bytes and back, for snapshots. Pure."""

from __future__ import annotations

import hashlib
import typing
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from headwater.errors import DefinitionError


def plain(value: object) -> object:
    """A number or a string of a subclass, such as `Position`, as what it is by itself: for `enc_hook` of msgspec."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str(value)
    raise NotImplementedError(f"a {type(value).__qualname__} has no form in a snapshot")


_MSGPACK: Final = msgspec.msgpack.Encoder(enc_hook=plain)
_JSON: Final = msgspec.json.Encoder(enc_hook=plain)


class StateCodec:
    """Encodes the attributes of one class's objects, by the annotations of the class.

    Args:
        owner: the class.
        omitted: attributes that aren't part of the state.

    Attributes:
        fingerprint: changes when an attribute, or its type, does.

    Raises:
        DefinitionError: an annotation can't be resolved, or names something that can't be encoded.
    """

    def __init__(self, owner: type, omitted: frozenset[str]) -> None:
        self._owner: Final = owner
        self._omitted: Final = omitted
        hints = _hints(owner, omitted)
        self._names: Final = frozenset(hints)
        state = msgspec.defstruct(
            f"{owner.__name__}State", [(name, hint | msgspec.UnsetType, msgspec.UNSET) for name, hint in hints.items()]
        )
        self._decoder: Final = msgspec.msgpack.Decoder(state)
        self._json_decoder: Final = msgspec.json.Decoder(state)
        described = repr(sorted((name, str(hint)) for name, hint in hints.items()))
        self.fingerprint: Final = hashlib.sha256(described.encode()).hexdigest()[:12]

    def dump(self, attributes: Mapping[str, object]) -> bytes:
        """Encode the attributes that were set, as MessagePack.

        Raises:
            DefinitionError: one has no annotation, or a value that can't be encoded.
        """
        return self._dumped(attributes, _MSGPACK.encode)

    def dump_json(self, attributes: Mapping[str, object]) -> bytes:
        """Like `dump`, as JSON, for people to read too."""
        return self._dumped(attributes, _JSON.encode)

    def _dumped(self, attributes: Mapping[str, object], encode: Callable[[object], bytes]) -> bytes:
        state = {name: value for name, value in attributes.items() if name not in self._omitted}
        unknown = state.keys() - self._names
        if unknown:
            raise DefinitionError(
                f"{self._owner.__qualname__}.{min(unknown)} has no annotation in the class, so that it can't be put "
                "into a snapshot: annotate it, or override dump_state and load_state"
            )
        try:
            return encode(state)
        except (TypeError, ValueError, OverflowError, NotImplementedError) as error:
            raise DefinitionError(f"the state of {self._owner.__qualname__} can't be encoded: {error}") from error

    def load(self, data: bytes) -> dict[str, object]:
        """The attributes that were encoded, checked against their annotations.

        Raises:
            msgspec.DecodeError: the bytes are broken or don't fit.
        """
        return _attributes(self._decoder.decode(data))

    def load_json(self, data: bytes | memoryview) -> dict[str, object]:
        """Like `load`, of what `dump_json` has given."""
        return _attributes(self._json_decoder.decode(data))


def _attributes(state: msgspec.Struct) -> dict[str, object]:
    found = ((name, getattr(state, name)) for name in state.__struct_fields__)
    return {name: value for name, value in found if value is not msgspec.UNSET}


def _hints(owner: type, omitted: frozenset[str]) -> dict[str, type]:
    try:
        hints = typing.get_type_hints(owner)
        fields = {
            name: hint
            for name, hint in hints.items()
            if name not in omitted and typing.get_origin(hint) is not typing.ClassVar
        }
        for name, hint in fields.items():
            if isinstance(msgspec.inspect.type_info(hint), msgspec.inspect.CustomType):
                raise DefinitionError(
                    f"{owner.__qualname__}.{name}: a {hint!r} can't be put into a snapshot by itself; override "
                    "dump_state and load_state"
                )
    except (NameError, TypeError) as error:
        raise DefinitionError(
            f"{owner.__qualname__}: its annotations can't be used for snapshots ({error}); override dump_state and "
            "load_state"
        ) from error
    return fields
