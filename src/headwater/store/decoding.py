"""Stored events to typed ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from headwater.codec import Codec, TypeName
from headwater.errors import CodecError, Undecodable, UnknownType
from headwater.store.envelope import MARK
from headwater.store.model import Recorded, StoredEvent, Undecoded

OnUndecodable = Literal["raise", "keep"]
"""What a typed read does with an event that it can't decode: raise, or give it with `Undecoded` in its place."""


_SEALED: Final = "it holds personal fields that aren't opened: there is no master key, or they were altered"


class EventDecoder:
    """Decodes events out of the log; its errors tell where they lie.

    Args:
        codec: knows the classes.
    """

    __slots__ = ("_codec", "_decoders", "_names")

    def __init__(self, codec: Codec) -> None:
        self._codec: Final = codec
        self._names: Final[dict[tuple[str, int], TypeName]] = {}
        self._decoders: Final[dict[tuple[str, int], Callable[[str], object]]] = {}

    def decode(self, stored: StoredEvent) -> object:
        """The event itself.

        Raises:
            UnknownType: nothing is registered for its type.
            Undecodable: it doesn't fit its class.
        """
        kind = (stored.type, stored.schema)
        name = self._names.get(kind)
        if name is None:
            name = self._names.setdefault(kind, TypeName(*kind))
        try:
            return self._codec.decode(name, stored.data)
        except CodecError as error:
            raise _placed(stored, error) from error

    def recorded(self, stored: StoredEvent) -> Recorded:
        """The event with all that the log knows about it.

        Raises:
            UnknownType, Undecodable: see `decode`.
        """
        decoder = self._decoders.get((stored.type, stored.schema))
        if decoder is not None:
            try:
                return Recorded(decoder(stored.data), stored)
            except Exception:  # noqa: BLE001, S110 - told below, as it should be
                pass
        recorded = Recorded(self.decode(stored), stored)
        kind = (stored.type, stored.schema)
        self._decoders[kind] = self._codec.decoder(self._names[kind])
        return recorded

    def recorded_or_kept(self, stored: StoredEvent) -> Recorded:
        """Like `recorded`; what can't be decoded has `Undecoded` in the event's place."""
        try:
            return self.recorded(stored)
        except CodecError as error:
            return Recorded(Undecoded(error), stored)


def _placed(stored: StoredEvent, error: CodecError) -> CodecError:
    if MARK in stored.data and isinstance(error, Undecodable):
        error = Undecodable(f"{error}; {_SEALED}", name=stored.type)
    message = f"position {stored.position}, stream {stored.stream!r}, version {stored.version}: {error}"
    if isinstance(error, UnknownType):
        return UnknownType(message, name=error.name, version=error.version, position=stored.position)
    return Undecodable(message, name=stored.type, position=stored.position)
