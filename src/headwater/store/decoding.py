"""Stored events to typed ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Literal, TypeAlias, TypeVar

from headwater.codec import Codec, TypeName
from headwater.errors import CodecError, Undecodable, UnknownType
from headwater.store.envelope import MARK
from headwater.store.model import Recorded, StoredEvent, Undecoded

T = TypeVar("T")

Unfold: TypeAlias = Callable[[Iterable[StoredEvent]], Iterator[T]]
"""Makes of stored events what a reader gets."""

OnUndecodable = Literal["raise", "keep"]
"""What a typed read does with an event that it can't decode: raise, or give it with `Undecoded` in its place."""


_SEALED: Final = "it holds personal fields that aren't opened: there is no master key, or they were altered"


class EventDecoder:
    """Decodes events out of the log; its errors tell where they lie.

    Args:
        codec: knows the classes.
    """

    __slots__ = ("_codec", "_decoders")

    def __init__(self, codec: Codec) -> None:
        self._codec: Final = codec
        self._decoders: Final[dict[tuple[str, int], Callable[[str], object]]] = {}

    def decode(self, stored: StoredEvent) -> object:
        """The event itself.

        Raises:
            UnknownType: nothing is registered for its type.
            Undecodable: it doesn't fit its class.
        """
        kind = (stored.type, stored.schema)
        decoder = self._decoders.get(kind)
        if decoder is not None:
            try:
                return decoder(stored.data)
            except Exception:  # noqa: BLE001, S110 - told below, as it should be
                pass
        name = TypeName(*kind)
        try:
            event = self._codec.decode(name, stored.data)
        except CodecError as error:
            raise _placed(stored, error) from error
        self._decoders[kind] = self._codec.decoder(name)
        return event

    def decode_all(self, page: Sequence[StoredEvent]) -> list[object]:
        """The events themselves, for those who read many.

        Raises:
            UnknownType, Undecodable: see `decode`; the first one that can't be decoded is told.
        """
        decoders = self._decoders
        try:
            return [decoders[stored.type, stored.schema](stored.data) for stored in page]
        except Exception:  # noqa: BLE001 - told by `decode`, as it should be
            return [self.decode(stored) for stored in page]

    def recorded(self, page: Iterable[StoredEvent]) -> Iterator[Recorded]:
        """The events with all that the log knows about them.

        Raises:
            UnknownType, Undecodable: see `decode`; after those before it were given.
        """
        decoders = self._decoders
        for stored in page:
            try:
                event = decoders[stored.type, stored.schema](stored.data)
            except Exception:  # noqa: BLE001 - told by `decode`, as it should be
                event = self.decode(stored)
            yield Recorded(event, stored)

    def recorded_or_kept(self, page: Iterable[StoredEvent]) -> Iterator[Recorded]:
        """Like `recorded`; what can't be decoded has `Undecoded` in the event's place."""
        for stored in page:
            try:
                yield from self.recorded((stored,))
            except CodecError as error:
                yield Recorded(Undecoded(error), stored)


def _placed(stored: StoredEvent, error: CodecError) -> CodecError:
    if MARK in stored.data and isinstance(error, Undecodable):
        error = Undecodable(f"{error}; {_SEALED}", name=stored.type)
    message = f"position {stored.position}, stream {stored.stream!r}, version {stored.version}: {error}"
    if isinstance(error, UnknownType):
        return UnknownType(message, name=error.name, version=error.version, position=stored.position)
    return Undecodable(message, name=stored.type, position=stored.position)
