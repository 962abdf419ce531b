"""Typed events to encoded ones, and what stands beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from headwater.codec import Codec
from headwater.errors import CodecError
from headwater.store.model import Context, NewEvent
from headwater.store.naming import check_tags
from headwater.types import IdSource

NOWHERE: Final = Context()
"""The context of events of which nothing is known."""

_REMEMBERED_TAGS: Final = 10_000


class EventEncoder:
    """Gives events their type names, their bytes, identifiers and tags.

    Args:
        codec: knows the classes.
        ids: where identifiers come from.
    """

    __slots__ = ("_encode", "_new_id", "_tagger_of", "_tags")

    def __init__(self, codec: Codec, ids: IdSource) -> None:
        self._encode: Final = codec.encode
        self._tagger_of: Final = codec.types.tagger_of
        self._new_id: Final = ids.next_bytes
        self._tags: Final[dict[tuple[str, ...], tuple[str, ...]]] = {}

    def encode(
        self, stream: str, events: Sequence[object], tags: tuple[str, ...], ids: Sequence[UUID] | None
    ) -> list[NewEvent]:
        """Encode the events of one stream.

        Args:
            stream: the stream's name, for messages.
            events: the events.
            tags: what all of them can be found by, checked, besides what their classes give them.
            ids: their identifiers; made up if not given.

        Raises:
            ValueError: there are no events, or not as many ids as events.
            UnknownType, CodecError, InvalidTag: an event cannot be encoded.
        """
        if not events:
            raise ValueError(f"an append to {stream!r} needs at least one event")
        if ids is not None and len(ids) != len(events):
            raise ValueError(f"{len(events)} events need as many ids, not {len(ids)}")
        encoded: list[NewEvent] = []
        for event in events:
            (name, schema), data = self._encode(event)
            tagger = self._tagger_of(type(event))
            own = tags if tagger is None else self._checked((*tags, *tagger(event)))
            event_id = self._new_id() if ids is None else ids[len(encoded)].bytes
            encoded.append(NewEvent(name, schema, data, event_id, own))
        return encoded

    def _checked(self, tags: tuple[str, ...]) -> tuple[str, ...]:
        """The same events have the same tags again and again: what was checked is remembered for a while."""
        checked = self._tags.get(tags)
        if checked is None:
            if len(self._tags) >= _REMEMBERED_TAGS:
                self._tags.clear()
            checked = self._tags[tags] = check_tags(tags)
        return checked


def make_context(
    causation: UUID | None = None, correlation: UUID | None = None, metadata: Mapping[str, object] | None = None
) -> Context:
    """What is stored beside the events of an append, from its parts.

    Raises:
        CodecError: the metadata doesn't fit into JSON.
    """
    if causation is None and correlation is None and metadata is None:
        return NOWHERE
    try:
        encoded = None if metadata is None else msgspec.json.encode(metadata)
    except (TypeError, ValueError, OverflowError) as error:
        raise CodecError(f"the metadata could not be encoded: {error}") from error
    return Context(
        None if causation is None else causation.bytes, None if correlation is None else correlation.bytes, encoded
    )
