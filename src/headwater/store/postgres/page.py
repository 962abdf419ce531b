"""The queries that read events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from headwater.store.chain import GENESIS, ChainHead, ChainLink
from headwater.store.model import StoredEvent
from headwater.store.page import Page, Selection
from headwater.store.postgres.connection import Connection
from headwater.store.postgres.selecting import Statement

_HEAD: Final = "SELECT coalesce(max(position), 0) AS head FROM {s}.events"
_COLUMNS: Final = """
    events.position, streams.name, events.version, types.name, types.schema, events.data, events.id,
    events.recorded_at, events.causation, events.correlation, events.metadata, events.tags, events.remaining
"""
_JOINED: Final = """
    {s}.events JOIN {s}.streams ON streams.id = events.stream JOIN {s}.types ON types.id = events.type
"""
# The head stands in each row, and in a row of its own when there are no events: one query, so one snapshot.
_PAGE: Final = f"""
SELECT top.head, found.place, {_COLUMNS} FROM ({_HEAD}) AS top
LEFT JOIN (({{places}}) AS found JOIN ({_JOINED}) ON events.position = found.position) ON true
ORDER BY found.place {{order}}
"""  # noqa: S608 - constants only
_CHAIN: Final = f"""
SELECT events.hash, {_COLUMNS} FROM {_JOINED} WHERE events.position > $1 ORDER BY events.position LIMIT $2
"""  # noqa: S608
_CHAIN_HEAD: Final = "SELECT position, hash FROM {s}.head"
_REVISION: Final = "SELECT revision FROM {s}.head"

_names: Final = msgspec.json.Decoder(tuple[str, ...])


async def read(connection: Connection, schema: str, selection: Selection, limit: int) -> Page:
    """The first events of a selection."""
    statement = Statement(schema, selection, limit)
    order = "DESC" if selection.backwards else "ASC"
    sql = _PAGE.format(s=schema, places=statement.places(), order=order)
    rows = await connection.fetch(sql, *statement.values)
    head = int(rows[0][0])
    if rows[0][1] is None:
        return Page([], head)
    _, places, *columns = zip(*rows, strict=True)
    events = _events(columns)
    return Page(events if selection.stream is None else _linked(events, places, selection.stream), head)


async def head(connection: Connection, schema: str) -> int:
    """The highest position; 0 for an empty log."""
    return int(await connection.fetchval(_HEAD.format(s=schema)))


async def revision(connection: Connection, schema: str) -> int:
    """A number that rises with everything that is written."""
    return int(await connection.fetchval(_REVISION.format(s=schema)) or 0)


async def chain(connection: Connection, schema: str, after: int, limit: int) -> list[ChainLink]:
    """The next events above position `after` with what is stored as their hashes."""
    rows = await connection.fetch(_CHAIN.format(s=schema), after, limit)
    if not rows:
        return []
    hashes, *columns = zip(*rows, strict=True)
    return list(map(ChainLink, _events(columns), hashes))


async def chain_head(connection: Connection, schema: str) -> ChainHead:
    """Where the chain ends, as it was noted; at its beginning if the note is gone."""
    row = await connection.fetchrow(_CHAIN_HEAD.format(s=schema))
    return ChainHead(0, GENESIS) if row is None else ChainHead(*row)


def _events(columns: Sequence[Sequence[Any]]) -> list[StoredEvent]:
    """From the columns of `_COLUMNS`."""
    *fields, tags, remaining = columns
    return list(map(StoredEvent, *fields, map(_tags, tags), remaining))


def _linked(events: list[StoredEvent], versions: Sequence[int], stream: str) -> list[StoredEvent]:
    """Have the events that were linked into the stream look so."""
    for index, event in enumerate(events):
        if event.stream != stream:
            origin = (event.stream, event.version)
            events[index] = msgspec.structs.replace(event, stream=stream, version=versions[index], linked_from=origin)
    return events


def _tags(text: str | None) -> tuple[str, ...]:
    return _names.decode(text) if text else ()
