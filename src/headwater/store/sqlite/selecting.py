"""From what is asked of the log to the SQL that finds the places of its events.

Each function gives a query of two columns, `place` and `position`, in the order that was asked for, and its values.
Whatever the query, a page costs the rows that it looks at and not the whole log: each alternative of a query stops
at the page's length, and follows an index in the order of positions.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import apsw
import msgspec

from headwater.store.page import Selection
from headwater.store.query import EventQuery, QueryItem

_HIGHEST: Final = 2**63 - 1
_NOWHERE: Final = "SELECT 0 AS place, 0 AS position WHERE 0"
_STREAM: Final = "(SELECT id FROM streams WHERE name = ?)"
_FIRST: Final = f"coalesce((SELECT first FROM marks WHERE stream = {_STREAM}), 1)"  # noqa: S608 - constants only
_TAG: Final = "(SELECT id FROM tags WHERE name = ?)"
_HAS_TAG: Final = f"EXISTS (SELECT 1 FROM event_tags WHERE tag = {_TAG} AND position = first.position)"  # noqa: S608
_HAS_TYPE: Final = """(
    SELECT types.name FROM events JOIN types ON types.id = events.type WHERE events.position = first.position
) IN (SELECT value FROM json_each(?))"""


class Statement(NamedTuple):
    """SQL and the values of its parameters."""

    sql: str
    values: tuple[apsw.SQLiteValue, ...]


def places(connection: apsw.Connection, selection: Selection, limit: int) -> Statement:
    """Where the first events of a selection lie: of a stream, or those in the log that a query means.

    Raises:
        apsw.Error: SQLite refused.
    """
    if selection.stream is not None:
        return _stream_places(selection, selection.stream, limit)
    return _matching_places(connection, selection, selection.query or EventQuery(), limit)


def _order(selection: Selection) -> str:
    return "DESC" if selection.backwards else "ASC"


def _bounds(selection: Selection) -> tuple[int, int]:
    """The places that are asked for lie strictly between these."""
    return selection.after, _HIGHEST if selection.before is None else selection.before


def positions(selection: Selection) -> tuple[int, int]:
    """The positions that are asked for lie strictly between these, when a selection is of the whole log."""
    after, before = _bounds(selection)
    return after, before if selection.until is None else min(before, selection.until + 1)


def _matching_places(connection: apsw.Connection, selection: Selection, query: EventQuery, limit: int) -> Statement:
    alternatives = [
        statement for item in query.items for statement in _alternatives(connection, item, selection, limit)
    ]
    if not alternatives:
        return Statement(_NOWHERE, ())
    union = " UNION ".join(f"SELECT position FROM ({statement.sql})" for statement in alternatives)  # noqa: S608
    sql = f"SELECT position AS place, position FROM ({union}) ORDER BY position {_order(selection)} LIMIT ?"  # noqa: S608
    return Statement(sql, (*(value for statement in alternatives for value in statement.values), limit))


def _alternatives(connection: apsw.Connection, item: QueryItem, selection: Selection, limit: int) -> list[Statement]:
    if item.tags:
        return [_tagged(item, selection, limit)]
    return [_typed(number, selection, limit) for number in _types(connection, item.types)]


def _tagged(item: QueryItem, selection: Selection, limit: int) -> Statement:
    first, *others = item.tags
    conditions = [_HAS_TAG] * len(others) + [_HAS_TYPE] * bool(item.types)
    more = "".join(f" AND {condition}" for condition in conditions)
    sql = (
        f"SELECT position FROM event_tags AS first WHERE tag = {_TAG} AND position > ? AND position < ?{more} "  # noqa: S608
        f"ORDER BY position {_order(selection)} LIMIT ?"
    )
    types = (_json(item.types),) if item.types else ()
    return Statement(sql, (first, *positions(selection), *others, *types, limit))


def _typed(number: int, selection: Selection, limit: int) -> Statement:
    sql = (
        "SELECT position FROM events WHERE type = ? AND position > ? AND position < ? "  # noqa: S608
        f"ORDER BY position {_order(selection)} LIMIT ?"
    )
    return Statement(sql, (number, *positions(selection), limit))


def _types(connection: apsw.Connection, names: tuple[str, ...]) -> list[int]:
    query = "SELECT json_group_array(id) FROM types WHERE name IN (SELECT value FROM json_each(?))"
    [(text,)] = connection.execute(query, (_json(names),)).fetchall()
    return msgspec.json.decode(str(text), type=list[int])


def _stream_places(selection: Selection, stream: str, limit: int) -> Statement:
    until = _HIGHEST if selection.until is None else selection.until
    bounds = f"stream = {_STREAM} AND version > ? AND version < ? AND version >= {_FIRST}"
    values = (stream, *_bounds(selection), stream, until)
    sql = (
        f"SELECT version AS place, position FROM events WHERE {bounds} AND position <= ? "  # noqa: S608
        f"UNION ALL SELECT version AS place, position FROM links WHERE {bounds} AND head <= ? "
        f"ORDER BY place {_order(selection)}"
    )
    if selection.query is None or selection.query.everything:
        return Statement(f"{sql} LIMIT ?", (*values, *values, limit))
    matches, wanted = _matches(selection.query)
    filtered = (
        f"SELECT found.place, found.position FROM ({sql}) AS found "  # noqa: S608
        "CROSS JOIN events ON events.position = found.position JOIN types ON types.id = events.type "
        f"WHERE {matches} ORDER BY found.place {_order(selection)} LIMIT ?"
    )
    return Statement(filtered, (*values, *values, *wanted, limit))


def _matches(query: EventQuery) -> tuple[str, tuple[str, ...]]:
    alternatives, values = [], []
    for item in query.items:
        conditions = []
        if item.types:
            conditions.append("types.name IN (SELECT value FROM json_each(?))")
            values.append(_json(item.types))
        for tag in item.tags:
            conditions.append("? IN (SELECT value FROM json_each(events.tags))")
            values.append(tag)
        alternatives.append(" AND ".join(conditions))
    return "(" + " OR ".join(f"({alternative})" for alternative in alternatives) + ")", tuple(values)


def _json(values: tuple[str, ...]) -> str:
    return msgspec.json.encode(values).decode()
