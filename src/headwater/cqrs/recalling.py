"""What a command was answered the first time, out of the log."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from headwater.cqrs.committed import Committed, CommittedState
from headwater.errors import CommandIdTaken
from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.messages import Event
from headwater.sourcing.repository import Repository
from headwater.store.model import StoredEvent
from headwater.store.store import EventStore
from headwater.types import Position, Version


async def recall(
    store: EventStore,
    kind: type[Aggregate],
    id: str,  # noqa: A002 - the field's term
    identifier: bytes,
    repository: Repository | None,
) -> Committed:
    """The answer to the command of this identifier, which has left events in the stream.

    Reads the stream backwards, as far as the command's events lie.

    Args:
        store: where the stream is.
        kind: the aggregate's class.
        id: which aggregate.
        identifier: the 16 bytes of the command's identifier.
        repository: if the answer shall be a `CommittedState`, where the aggregate is from.

    Raises:
        CommandIdTaken: its events aren't in this stream.
        StoreError, CodecError: they can't be read.
    """
    stream = kind.stream_of(id)
    found: list[StoredEvent] = []
    async with store.raw_stream(stream, backwards=True) as stream_events:
        async for stored in stream_events:
            if stored.causation_bytes == identifier:
                found.append(stored)
            elif found:
                break
    if not found:
        raise CommandIdTaken(
            f"the command id {UUID(bytes=identifier)} was used for another aggregate than {stream!r}, or its events "
            "can't be read any more; give each command an id of its own"
        )
    events = tuple(cast("Event", recorded.event) for recorded in store.recorded(reversed(found)))
    version, position = Version(found[0].version), Position(found[0].position)
    if repository is None:
        return Committed(stream, version, position, events)
    loaded = await repository.load(kind, id, version)
    return CommittedState(stream, version, position, events, loaded.aggregate)
