"""Stored events to typed ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal, TypeAlias, TypeVar

from headwater.codec import Codec, TypeName
from headwater.errors import CodecError, Undecodable, UnknownType
from headwater.store.envelope import MARK
from headwater.store.model import Part, Recorded, StoredEvent, Undecoded
from headwater.upcaster import Raw

T = TypeVar("T")

Unfold: TypeAlias = Callable[[Iterable[StoredEvent]], Iterator[T]]
"""Makes of stored events what a reader gets."""

OnUndecodable = Literal["raise", "keep"]
"""What a typed read does with an event that it can't decode: raise, or give it with `Undecoded` in its place."""


_SEALED: Final = "it holds personal fields that aren't opened: there is no master key, or they were altered"


class EventDecoder:
    """Decodes events out of the log; its errors tell where they lie.

    Args:
        codec: knows the classes, and the upcasters.
    """

    __slots__ = ("_codec", "_decoders")

    def __init__(self, codec: Codec) -> None:
        self._codec: Final = codec
        self._decoders: Final[dict[tuple[str, int], Callable[[str], object]]] = {}

    def decode(self, stored: StoredEvent) -> object:
        """The event itself.

        Raises:
            UnknownType: nothing is registered for its type.
            Undecodable: it doesn't fit its class, or upcasters don't make exactly one event of it.
        """
        parts = self.unfold(stored)
        if len(parts) != 1:
            upcast = f"upcasters make {len(parts)} events of a {stored.type} v{stored.schema}: use `unfold`"
            raise _placed(stored, Undecodable(upcast, name=stored.type))
        return parts[0].event

    def unfold(self, stored: StoredEvent) -> tuple[Recorded, ...]:
        """What it is read as: one event, or as many as upcasters make of it. All, or it raises.

        Raises:
            UnknownType: nothing is registered for its type.
            Undecodable: it doesn't fit its class, or an upcaster failed.
        """
        kind = (stored.type, stored.schema)
        decoder = self._decoders.get(kind)
        if decoder is not None:
            try:
                return (Recorded(decoder(stored.data), stored),)
            except Exception:  # noqa: BLE001, S110 - told below, as it should be
                pass
        try:
            if kind in self._codec.upcasters:
                return self._upcast(TypeName(*kind), stored)
            event = self._codec.decode(TypeName(*kind), stored.data)
        except CodecError as error:
            raise _placed(stored, error) from error
        self._decoders[kind] = self._codec.decoder(TypeName(*kind))
        return (Recorded(event, stored),)

    def recorded(self, page: Iterable[StoredEvent]) -> Iterator[Recorded]:
        """The events with all that the log knows about them.

        Raises:
            UnknownType, Undecodable: see `unfold`; after those before it were given.
        """
        decoders = self._decoders
        for stored in page:
            try:
                event = decoders[stored.type, stored.schema](stored.data)
            except Exception:  # noqa: BLE001 - told by `unfold`, as it should be
                yield from self.unfold(stored)
            else:
                yield Recorded(event, stored)

    def recorded_or_kept(self, page: Iterable[StoredEvent]) -> Iterator[Recorded]:
        """Like `recorded`; what can't be decoded has `Undecoded` in the event's place."""
        for stored in page:
            yield from self._unfold_or_keep(stored)

    def recorded_backwards(self, page: Iterable[StoredEvent]) -> Iterator[Recorded]:
        """Like `recorded`, the last part of an event first."""
        for stored in page:
            yield from reversed(self.unfold(stored))

    def recorded_or_kept_backwards(self, page: Iterable[StoredEvent]) -> Iterator[Recorded]:
        """Like `recorded_or_kept`, the last part of an event first."""
        for stored in page:
            yield from reversed(self._unfold_or_keep(stored))

    def _unfold_or_keep(self, stored: StoredEvent) -> tuple[Recorded, ...]:
        try:
            return self.unfold(stored)
        except CodecError as error:
            return (Recorded(Undecoded(error), stored),)

    def _upcast(self, name: TypeName, stored: StoredEvent) -> tuple[Recorded, ...]:
        made: list[tuple[TypeName, object]] = []
        for raw in self._codec.upcasters.apply(name, self._codec.raw(name, stored.data), stored):
            kind = TypeName(raw.type, raw.schema)
            made.append((kind, self._converted(name, kind, raw)))
        return tuple(
            Recorded(event, stored, Part(kind.name, kind.version, index, len(made)))
            for index, (kind, event) in enumerate(made)
        )

    def _converted(self, name: TypeName, kind: TypeName, raw: Raw) -> object:
        try:
            return self._codec.convert(kind, raw.data)
        except UnknownType:
            raise
        except CodecError as error:
            raise Undecodable(f"what upcasters made of a {name} is unusable: {error}", name=name.name) from error


def _placed(stored: StoredEvent, error: CodecError) -> CodecError:
    if MARK in stored.data and isinstance(error, Undecodable):
        error = Undecodable(f"{error}; {_SEALED}", name=stored.type)
    message = f"position {stored.position}, stream {stored.stream!r}, version {stored.version}: {error}"
    if isinstance(error, UnknownType):
        return UnknownType(message, name=error.name, version=error.version, position=stored.position)
    return Undecodable(message, name=stored.type, position=stored.position)
