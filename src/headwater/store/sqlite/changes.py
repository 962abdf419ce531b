"""Changes of streams other than appends: links and marks. Run by the writer, inside its transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import apsw
import msgspec

from headwater.errors import DuplicateEvent, EventNotFound, StreamNotFound
from headwater.store.model import ExpectedVersion
from headwater.store.sqlite.catalogue import StreamState
from headwater.store.sqlite.draft import Draft
from headwater.store.sqlite.streams import stream_info
from headwater.store.stream import Linked, StreamInfo, repeated
from headwater.types import Version

_INSERT_LINKS: Final = """
INSERT INTO links (stream, version, position, head) SELECT ?, value ->> 0, value ->> 1, ? FROM json_each(?)
"""
_MISSING: Final = "SELECT min(value) FROM json_each(?) WHERE value NOT IN (SELECT position FROM events)"
_TAKEN: Final = """
SELECT min(value) FROM json_each(?1) WHERE value IN (SELECT position FROM links WHERE stream = ?2)
OR (SELECT stream FROM events WHERE position = value) = ?2
"""
_MARK: Final = "INSERT OR REPLACE INTO marks (stream, first, tombstoned) VALUES (?, ?, ?)"


def link(
    connection: apsw.Connection, draft: Draft, stream: str, positions: Sequence[int], expected: ExpectedVersion
) -> Linked:
    """Put events into another stream too.

    Raises:
        EventNotFound, DuplicateEvent, StreamDeleted, WrongExpectedVersion: nothing was linked.
        apsw.Error: SQLite refused.
    """
    state = _checked(draft, stream, expected)
    wanted = msgspec.json.encode(positions).decode()
    missing = _integer(connection, _MISSING, (wanted,))
    if missing is not None:
        raise EventNotFound(f"there is no event at position {missing} to link into {stream!r}")
    taken = _integer(connection, _TAKEN, (wanted, state.id)) or repeated(positions)
    if taken is not None:
        raise DuplicateEvent(f"stream {stream!r} has the event at position {taken}", id=_id_of(connection, taken))
    state = _with_row(draft, stream)
    rows = [(state.version + index, position) for index, position in enumerate(positions, start=1)]
    connection.execute(_INSERT_LINKS, (state.id, draft.head, msgspec.json.encode(rows).decode()))
    version = state.version + len(positions)
    draft.change_stream(stream, StreamState(state.id, version, state.first, state.tombstoned))
    return Linked(stream, Version(version), len(positions))


def truncate(
    connection: apsw.Connection, draft: Draft, stream: str, before: int | None, expected: ExpectedVersion
) -> StreamInfo:
    """Have reads skip the versions below `before`.

    Raises:
        StreamNotFound, StreamDeleted, WrongExpectedVersion: nothing was changed.
        apsw.Error: SQLite refused.
    """
    state = _checked(draft, stream, expected)
    if not state.version:
        raise StreamNotFound(f"there is no stream {stream!r} to truncate")
    end = state.version + 1
    first = end if before is None else max(1, min(before, end))
    return _mark(connection, draft, stream, StreamState(state.id, state.version, first))


def tombstone(connection: apsw.Connection, draft: Draft, stream: str, expected: ExpectedVersion) -> StreamInfo:
    """Close a stream for ever.

    Raises:
        StreamDeleted, WrongExpectedVersion: nothing was changed.
        apsw.Error: SQLite refused.
    """
    _checked(draft, stream, expected)
    state = _with_row(draft, stream)
    return _mark(connection, draft, stream, StreamState(state.id, state.version, state.version + 1, tombstoned=True))


def _checked(draft: Draft, stream: str, expected: ExpectedVersion) -> StreamState:
    """The stream as it is, number 0 if it doesn't exist. Nothing is changed before everything was checked."""
    error = draft.check(stream, expected)
    if error is not None:
        raise error
    return draft.stream(stream) or StreamState(0, 0)


def _with_row(draft: Draft, stream: str) -> StreamState:
    state = draft.ensure_stream(stream)
    draft.flush()
    return state


def _mark(connection: apsw.Connection, draft: Draft, stream: str, state: StreamState) -> StreamInfo:
    connection.execute(_MARK, (state.id, state.first, int(state.tombstoned)))
    draft.change_stream(stream, state)
    info = stream_info(connection, stream)
    assert info is not None  # noqa: S101 - it was just changed
    return info


def _id_of(connection: apsw.Connection, position: int) -> UUID:
    [(found,)] = connection.execute("SELECT id FROM events WHERE position = ?", (position,)).fetchall()
    assert isinstance(found, bytes)  # noqa: S101 - tells the type checker what the table's STRICT says
    return UUID(bytes=found)


def _integer(connection: apsw.Connection, query: str, values: tuple[apsw.SQLiteValue, ...]) -> int | None:
    [(found,)] = connection.execute(query, values).fetchall()
    assert found is None or isinstance(found, int)  # noqa: S101 - positions are integers
    return found
