"""From what is asked of the log to the SQL that finds the places of its events. Pure.

Each function gives a query of two columns, `place` and `position`, in the order that was asked for. Whatever the
query, a page costs the rows that it looks at and not the whole log: each alternative of a query stops at the
page's length, and follows an index in the order of positions.
"""

from __future__ import annotations

from typing import Final

from headwater.store.page import Selection
from headwater.store.query import EventQuery, QueryItem

_HIGHEST: Final = 2**63 - 1


class Statement:
    """SQL that is being put together, and the values of its parameters.

    Args:
        schema: the schema's quoted name.
        selection: what is asked for.
        limit: how many events at most.
    """

    def __init__(self, schema: str, selection: Selection, limit: int) -> None:
        self.values: list[object] = []
        self._schema: Final = schema
        self._selection: Final = selection
        self._order: Final = "DESC" if selection.backwards else "ASC"
        self._limit: Final = self._parameter(min(limit, _HIGHEST), "bigint")

    def places(self) -> str:
        """Where the first events of the selection lie."""
        selection = self._selection
        if selection.stream is not None:
            return self._stream_places(selection.stream)
        if selection.query is None or selection.query.everything:
            return self._log_places()
        return self._matching_places(selection.query)

    def _parameter(self, value: object, kind: str) -> str:
        self.values.append(value)
        return f"${len(self.values)}::{kind}"

    def _bounds(self, column: str, after: int, before: int | None) -> str:
        """The column lies strictly between these."""
        low = f"{column} > {self._parameter(_clamped(after), 'bigint')}"
        return low if before is None else f"{low} AND {column} < {self._parameter(_clamped(before), 'bigint')}"

    def _position_bounds(self, column: str) -> str:
        selection = self._selection
        before = selection.before
        if selection.until is not None:
            before = selection.until + 1 if before is None else min(before, selection.until + 1)
        return self._bounds(column, selection.after, before)

    def _log_places(self) -> str:
        return f"""
            SELECT position AS place, position FROM {self._schema}.events
            WHERE {self._position_bounds("position")} ORDER BY position {self._order} LIMIT {self._limit}
        """  # noqa: S608 - values are parameters

    # --- by types and tags -------------------------------------------------------------------------------------

    def _matching_places(self, query: EventQuery) -> str:
        bounds = self._position_bounds("first.position")
        union = " UNION ".join(
            f"({self._tagged(item, bounds) if item.tags else self._typed(item, bounds)})" for item in query.items
        )
        return f"""
            SELECT position AS place, position FROM ({union}) AS either
            ORDER BY position {self._order} LIMIT {self._limit}
        """  # noqa: S608

    def _tagged(self, item: QueryItem, bounds: str) -> str:
        tags = self._parameter(list(item.tags), "text[]")
        conditions = [f"first.tag = {self._rarest(tags, bounds) if len(item.tags) > 1 else f'({tags})[1]'}", bounds]
        if len(item.tags) > 1:
            conditions.append(f"""NOT EXISTS (
                SELECT FROM unnest({tags}) AS wanted (tag) WHERE NOT EXISTS (
                    SELECT FROM {self._schema}.event_tags AS other
                    WHERE other.tag = wanted.tag AND other.position = first.position
                )
            )""")  # noqa: S608
        if item.types:
            types = self._parameter(list(item.types), "text[]")
            conditions.append(f"""EXISTS (
                SELECT FROM {self._schema}.events JOIN {self._schema}.types ON types.id = events.type
                WHERE events.position = first.position AND types.name = ANY ({types})
            )""")
        return f"""
            SELECT first.position FROM {self._schema}.event_tags AS first WHERE {" AND ".join(conditions)}
            ORDER BY first.position {self._order} LIMIT {self._limit}
        """  # noqa: S608

    def _rarest(self, tags: str, bounds: str) -> str:
        """The tag that the fewest events have, as far as the first ten thousand of each tell."""
        return f"""(
            SELECT wanted.tag FROM unnest({tags}) AS wanted (tag) ORDER BY (
                SELECT count(*) FROM (
                    SELECT FROM {self._schema}.event_tags AS first WHERE first.tag = wanted.tag AND {bounds} LIMIT 10000
                ) AS counted
            ) LIMIT 1
        )"""  # noqa: S608

    def _typed(self, item: QueryItem, bounds: str) -> str:
        return f"""
            SELECT found.position FROM {self._schema}.types CROSS JOIN LATERAL (
                SELECT first.position FROM {self._schema}.events AS first WHERE first.type = types.id AND {bounds}
                ORDER BY first.position {self._order} LIMIT {self._limit}
            ) AS found WHERE types.name = ANY ({self._parameter(list(item.types), "text[]")})
        """  # noqa: S608

    # --- of a stream -------------------------------------------------------------------------------------------

    def _stream_places(self, name: str) -> str:
        selection, schema = self._selection, self._schema
        stream = f"(SELECT id FROM {schema}.streams WHERE name = {self._parameter(name, 'text')})"  # noqa: S608
        first = f"coalesce((SELECT first FROM {schema}.marks WHERE stream = {stream}), 1)"  # noqa: S608
        bounds = (
            f"stream = {stream} AND version >= {first} AND {self._bounds('version', selection.after, selection.before)}"
        )
        until = self._parameter(_HIGHEST if selection.until is None else _clamped(selection.until), "bigint")
        query = None if selection.query is None or selection.query.everything else selection.query
        limit = "" if query is not None else f"ORDER BY version {self._order} LIMIT {self._limit}"
        places = f"""
            (SELECT version AS place, position FROM {schema}.events WHERE {bounds} AND position <= {until} {limit})
            UNION ALL
            (SELECT version AS place, position FROM {schema}.links WHERE {bounds} AND head <= {until} {limit})
            ORDER BY place {self._order}
        """  # noqa: S608
        if query is None:
            return f"{places} LIMIT {self._limit}"
        return f"""
            SELECT found.place, found.position FROM ({places}) AS found
            JOIN {schema}.events ON events.position = found.position JOIN {schema}.types ON types.id = events.type
            WHERE {self._matches(query)} ORDER BY place {self._order} LIMIT {self._limit}
        """  # noqa: S608

    def _matches(self, query: EventQuery) -> str:
        return "(" + " OR ".join(f"({self._matches_item(item)})" for item in query.items) + ")"

    def _matches_item(self, item: QueryItem) -> str:
        conditions = []
        if item.types:
            conditions.append(f"types.name = ANY ({self._parameter(list(item.types), 'text[]')})")
        conditions += [
            f"EXISTS (SELECT FROM {self._schema}.event_tags "
            f"WHERE tag = {self._parameter(tag, 'text')} AND event_tags.position = events.position)"
            for tag in item.tags
        ]
        return " AND ".join(conditions)


def _clamped(place: int) -> int:
    return max(-_HIGHEST, min(place, _HIGHEST))
