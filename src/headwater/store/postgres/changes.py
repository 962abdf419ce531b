"""Changes of streams other than appends: links and marks. Run by the writer, inside its transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from headwater.errors import DuplicateEvent, EventNotFound, StreamNotFound
from headwater.store.model import ExpectedVersion
from headwater.store.postgres.catalogue import StreamState
from headwater.store.postgres.streams import stream_info
from headwater.store.postgres.task import Scope
from headwater.store.stream import Linked, StreamInfo
from headwater.types import Version

_INSERT_LINKS: Final = """
INSERT INTO {s}.links (stream, version, position, head)
SELECT $1, version, position, $2 FROM unnest($3::bigint[], $4::bigint[]) AS new (version, position)
"""
_MISSING: Final = """
SELECT min(asked.position) FROM unnest($1::bigint[]) AS asked (position)
WHERE NOT EXISTS (SELECT FROM {s}.events WHERE events.position = asked.position)
"""
_TAKEN: Final = """
SELECT min(asked.position) FROM unnest($1::bigint[]) AS asked (position)
WHERE EXISTS (SELECT FROM {s}.links WHERE links.stream = $2 AND links.position = asked.position)
OR EXISTS (SELECT FROM {s}.events WHERE events.stream = $2 AND events.position = asked.position)
"""
_ID: Final = "SELECT id FROM {s}.events WHERE position = $1"
_MARK: Final = """
INSERT INTO {s}.marks (stream, first, tombstoned) VALUES ($1, $2, $3)
ON CONFLICT (stream) DO UPDATE SET first = excluded.first, tombstoned = excluded.tombstoned
"""


async def link(scope: Scope, stream: str, positions: Sequence[int], expected: ExpectedVersion) -> Linked:
    """Put events into another stream too.

    Raises:
        EventNotFound, DuplicateEvent, StreamDeleted, WrongExpectedVersion: nothing was linked.
    """
    state = _checked(scope, stream, expected)
    await _check_positions(scope, stream, state, positions)
    state = await scope.ensure_stream(stream)
    version = state.version + len(positions)
    versions = range(state.version + 1, version + 1)
    insert = _INSERT_LINKS.format(s=scope.schema)
    await scope.connection.execute(insert, state.id, scope.head.position, list(versions), list(positions))
    scope.streams[stream] = replace(state, version=version)
    return Linked(stream, Version(version), len(positions))


async def truncate(scope: Scope, stream: str, before: int | None, expected: ExpectedVersion) -> StreamInfo:
    """Have reads skip the versions below `before`.

    Raises:
        StreamNotFound, StreamDeleted, WrongExpectedVersion: nothing was changed.
    """
    state = _checked(scope, stream, expected)
    if not state.version:
        raise StreamNotFound(f"there is no stream {stream!r} to truncate")
    end = state.version + 1
    return await _mark(scope, stream, replace(state, first=end if before is None else max(1, min(before, end))))


async def tombstone(scope: Scope, stream: str, expected: ExpectedVersion) -> StreamInfo:
    """Close a stream for ever.

    Raises:
        StreamDeleted, WrongExpectedVersion: nothing was changed.
    """
    _checked(scope, stream, expected)
    state = await scope.ensure_stream(stream)
    return await _mark(scope, stream, replace(state, first=state.version + 1, tombstoned=True))


def _checked(scope: Scope, stream: str, expected: ExpectedVersion) -> StreamState:
    """The stream as it is. Nothing is changed before everything was checked."""
    error = scope.check(stream, expected)
    if error is not None:
        raise error
    return scope.stream(stream)


async def _check_positions(scope: Scope, stream: str, state: StreamState, positions: Sequence[int]) -> None:
    outside = [position for position in positions if not 0 < position <= scope.head.position]
    missing = outside[0] if outside else await scope.connection.fetchval(_MISSING.format(s=scope.schema), positions)
    if missing is not None:
        raise EventNotFound(f"there is no event at position {missing} to link into {stream!r}")
    taken = await scope.connection.fetchval(_TAKEN.format(s=scope.schema), positions, state.id)
    taken = taken or _repeated(positions)
    if taken is not None:
        id_ = await scope.connection.fetchval(_ID.format(s=scope.schema), taken)
        raise DuplicateEvent(f"stream {stream!r} has the event at position {taken}", id=UUID(bytes=id_))


async def _mark(scope: Scope, stream: str, state: StreamState) -> StreamInfo:
    await scope.connection.execute(_MARK.format(s=scope.schema), state.id, state.first, state.tombstoned)
    scope.streams[stream] = state
    info = await stream_info(scope.connection, scope.schema, stream)
    assert info is not None  # noqa: S101 - it was just changed
    return info


def _repeated(positions: Sequence[int]) -> int | None:
    seen: set[int] = set()
    for position in positions:
        if position in seen:
            return position
        seen.add(position)
    return None
