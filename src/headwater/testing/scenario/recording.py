"""Events as the log would give them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from headwater.clock import microseconds
from headwater.codec import Codec
from headwater.sourcing.messages import Event
from headwater.store.model import Recorded, StoredEvent
from headwater.testing.scenario.storable import tags_of

STREAM: Final = "stream"
"""The stream in which events lie of which a scenario doesn't say it."""

AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When events were recorded of which a scenario doesn't say it."""


class Place(NamedTuple):
    """Where an event lies."""

    position: int
    stream: str
    version: int


def recorded(
    event: Event,
    place: Place,
    at: datetime = AT,
    metadata: Mapping[str, object] | None = None,
    correlation: UUID | None = None,
) -> Recorded:
    """The event, with what the log would know of it."""
    name, data = Codec.of(type(event)).encode(event)
    stored = StoredEvent(
        position=place.position,
        stream=place.stream,
        version=place.version,
        type=name.name,
        schema=name.version,
        data=data.decode(),
        id_bytes=place.position.to_bytes(16),
        microseconds=microseconds(at),
        causation_bytes=None,
        correlation_bytes=None if correlation is None else correlation.bytes,
        metadata_json=msgspec.json.encode(metadata).decode() if metadata else None,
        tags=tags_of(event),
    )
    return Recorded(event, stored)
