"""What a command was answered the first time, out of the log."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from headwater.cqrs.committed import Committed
from headwater.errors import CommandIdTaken
from headwater.sourcing.messages import Event
from headwater.store.model import StoredEvent
from headwater.store.store import EventStore
from headwater.types import Position, Version


async def recall(store: EventStore, stream: str, identifier: bytes) -> Committed:
    """The answer to the command of this identifier, which has left events in the stream.

    Reads the stream backwards, as far as the command's events lie.

    Args:
        store: where the stream is.
        stream: the aggregate's stream.
        identifier: the 16 bytes of the command's identifier.

    Raises:
        CommandIdTaken: its events aren't in this stream.
        StoreError, CodecError: they can't be read.
    """
    found: list[StoredEvent] = []
    async with store.raw_stream(stream, backwards=True) as events:
        async for stored in events:
            if stored.causation_bytes == identifier:
                found.append(stored)
            elif found:
                break
    if not found:
        raise CommandIdTaken(
            f"the command id {UUID(bytes=identifier)} was used for another aggregate than {stream!r}, or its events "
            "can't be read any more; give each command an id of its own"
        )
    last = found[0]
    return Committed(
        stream,
        Version(last.version),
        Position(last.position),
        tuple(cast("Event", store.decode(stored)) for stored in reversed(found)),
    )
