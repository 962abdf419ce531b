"""The queries that read events. See the package's docstring for why a page is one row, and `columns` for its form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import apsw
import msgspec

from headwater.errors import InternalError
from headwater.store.chain import GENESIS, ChainHead, ChainLink
from headwater.store.model import StoredEvent
from headwater.store.page import Page, Selection
from headwater.store.sqlite.columns import COLUMNS, EXACT, JOINED, Ambiguous, Cell, unpacked
from headwater.store.sqlite.names import Names
from headwater.store.sqlite.selecting import Statement, places, positions

_HEAD: Final = "(SELECT coalesce(max(position), 0) FROM events)"
_LOG: Final = f"SELECT events.position AS place, {COLUMNS} FROM events"  # noqa: S608 - constants only
_RANGE: Final = f"{_LOG} WHERE position > ? AND position < ? ORDER BY position {{}} LIMIT ?"
_FORWARDS: Final = _RANGE.format("ASC")
_BACKWARDS: Final = _RANGE.format("DESC")
_CHAIN: Final = f"""
SELECT {EXACT}, json_group_array(hex(hash))
FROM (SELECT events.position AS place, hash, {COLUMNS} FROM events WHERE position > ? ORDER BY position LIMIT ?)
"""  # noqa: S608
_BY_ID: Final = "SELECT position AS place, position FROM events WHERE id IN (SELECT unhex(value) FROM json_each(?))"
_ENDS: Final = """
SELECT json_group_array(position) FROM events
WHERE position IN (SELECT value FROM json_each(?)) AND remaining = 0
"""

_texts: Final = msgspec.json.Decoder(list[str])
_integers: Final = msgspec.json.Decoder(list[int])


def read(connection: apsw.Connection, names: Names, selection: Selection, limit: int) -> Page:
    """The first events of a selection."""
    if selection.stream is not None or selection.query is None or not selection.query.items:
        return _read(connection, names, selection, limit)
    with connection:  # one snapshot: a type that comes up between the look for it and the page would be passed over
        page = _read(connection, names, selection, limit)
    return page  # noqa: RET504 - mypy: `with` may swallow what is raised


def _read(connection: apsw.Connection, names: Names, selection: Selection, limit: int) -> Page:
    rows = _selected(connection, selection, limit)
    try:
        events, found, head = _page(connection, names, rows)
    except Ambiguous:
        events, found, head = _page(connection, names, rows, exact=True)
    _check_order(found, selection)
    if selection.stream is not None:
        _mark_links(events, found, selection.stream)
    return Page(events, head)


def head(connection: apsw.Connection) -> int:
    """The highest position; 0 for an empty log."""
    [found] = _row(connection, f"SELECT {_HEAD}", ())
    return int(str(found))


def events_by_id(connection: apsw.Connection, ids: Iterable[bytes]) -> list[StoredEvent]:
    """Those events that have one of the ids, in no order."""
    wanted = msgspec.json.encode([one.hex() for one in ids]).decode()
    events, _, _ = _page(connection, Names(), _at(Statement(_BY_ID, (wanted,))), exact=True)
    return events


def ends(connection: apsw.Connection, positions: Sequence[int]) -> set[int]:
    """Those of the positions at which an append ends."""
    wanted = msgspec.json.encode(positions).decode()
    [found] = _row(connection, _ENDS, (wanted,))
    return set(_integers.decode(str(found)))


def chain(connection: apsw.Connection, after: int, limit: int) -> list[ChainLink]:
    """The next events above position `after` with what is stored as their hashes."""
    *cells, hashes = _row(connection, _CHAIN, (after, limit))
    events, _ = unpacked(connection, Names(), cells, exact=True)
    return list(map(ChainLink, events, map(bytes.fromhex, _texts.decode(str(hashes)))))


def chain_head(connection: apsw.Connection) -> ChainHead:
    """Where the chain ends, as it was noted; at its beginning if the note is gone."""
    rows = connection.execute("SELECT position, hash FROM chain").fetchall()
    return ChainHead(*msgspec.convert(rows[0], tuple[int, bytes])) if rows else ChainHead(0, GENESIS)


def _selected(connection: apsw.Connection, selection: Selection, limit: int) -> Statement:
    """The rows of the first events of a selection."""
    if selection.stream is None and (selection.query is None or selection.query.everything):
        return Statement(_BACKWARDS if selection.backwards else _FORWARDS, (*positions(selection), limit))
    return _at(places(connection, selection, limit))


def _at(places: Statement) -> Statement:
    """The rows of the events at these places."""
    sql = (
        f"SELECT found.place AS place, {COLUMNS} "  # noqa: S608 - constants only
        f"FROM ({places.sql}) AS found CROSS JOIN events ON events.position = found.position"
    )
    return Statement(sql, places.values)


def _page(
    connection: apsw.Connection, names: Names, rows: Statement, *, exact: bool = False
) -> tuple[list[StoredEvent], list[int], int]:
    """The events, their places, and the log's head."""
    query = f"SELECT {EXACT if exact else JOINED}, {_HEAD} FROM ({rows.sql})"  # noqa: S608 - constants only
    *cells, head = _row(connection, query, rows.values)
    return *unpacked(connection, names, cells, exact=exact), int(str(head))


def _row(connection: apsw.Connection, query: str, values: tuple[apsw.SQLiteValue, ...]) -> tuple[Cell, ...]:
    # All rows are fetched although there is one: a statement that isn't finished would hold its snapshot.
    [row] = connection.execute(query, values).fetchall()
    return row


def _check_order(found: list[int], selection: Selection) -> None:
    """SQLite gathers a column in the order of the subquery, but doesn't promise it."""
    if found != sorted(found, reverse=selection.backwards):
        raise InternalError("SQLite returned a page out of order")


def _mark_links(events: list[StoredEvent], versions: list[int], stream: str) -> None:
    """Have the events that were linked into the stream look so."""
    for index, event in enumerate(events):
        if event.stream != stream:
            origin = (event.stream, event.version)
            events[index] = msgspec.structs.replace(event, stream=stream, version=versions[index], linked_from=origin)
