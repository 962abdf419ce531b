"""Whether the log holds what an append's condition excludes: in the file, and in the transaction itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import apsw
import msgspec

from headwater.store.model import NewEvent
from headwater.store.query import AppendCondition, QueryItem

_TAGGED: Final = """
SELECT first.position FROM event_tags AS first
WHERE first.tag = (SELECT id FROM tags WHERE name = item.value ->> '$[3][0]')
AND first.position > item.value ->> 1
AND NOT EXISTS (
    SELECT 1 FROM json_each(item.value, '$[3]') AS wanted WHERE NOT EXISTS (
        SELECT 1 FROM event_tags AS other
        WHERE other.tag = (SELECT id FROM tags WHERE name = wanted.value) AND other.position = first.position
    )
)
AND (json_array_length(item.value, '$[2]') = 0 OR (
    SELECT types.name FROM events JOIN types ON types.id = events.type WHERE events.position = first.position
) IN (SELECT value FROM json_each(item.value, '$[2]')))
ORDER BY first.position LIMIT 1
"""
_TYPED: Final = """
SELECT min((
    SELECT position FROM events
    WHERE events.type = types.id AND events.position > item.value ->> 1 ORDER BY position LIMIT 1
)) FROM json_each(item.value, '$[2]') AS wanted JOIN types ON types.name = wanted.value
"""
_FIRST: Final = f"""
SELECT json_group_array(json_array(number, position)) FROM (
    SELECT item.value ->> 0 AS number,
           CASE WHEN json_array_length(item.value, '$[3]') > 0 THEN ({_TAGGED}) ELSE ({_TYPED}) END AS position
    FROM json_each(?) AS item
) WHERE position IS NOT NULL
"""  # noqa: S608 - constants only

_pairs: Final = msgspec.json.Decoder(list[tuple[int, int]])


def first_conflicts(connection: apsw.Connection, conditions: list[AppendCondition], head: int) -> list[int | None]:
    """For each condition the lowest position in the file that it excludes, by one query.

    Raises:
        apsw.Error: SQLite refused.
    """
    found: list[int | None] = [None] * len(conditions)
    items = []
    for number, condition in enumerate(conditions):
        if condition.query.everything:
            found[number] = condition.after + 1 if condition.after < head else None
        elif condition.after < head:
            items += [(number, int(condition.after), item.types, item.tags) for item in condition.query.items]
    if items:
        [(text,)] = connection.execute(_FIRST, (msgspec.json.encode(items).decode(),)).fetchall()
        for number, position in _pairs.decode(str(text)):
            found[number] = min(found[number] or position, position)
    return found


class Pending:
    """The events of the transaction itself, to be found by types and tags."""

    __slots__ = ("_by_tag", "_events")

    def __init__(self) -> None:
        self._events: list[tuple[int, NewEvent]] = []
        self._by_tag: dict[str, list[tuple[int, NewEvent]]] = {}

    def add(self, position: int, event: NewEvent) -> None:
        """An event will lie at this position."""
        self._events.append((position, event))
        for tag in event.tags:
            self._by_tag.setdefault(tag, []).append((position, event))

    def first_conflict(self, condition: AppendCondition) -> int | None:
        """The lowest position of an event that the condition excludes."""
        items = condition.query.items or (QueryItem(),)
        found = [self._first(item, condition.after) for item in items]
        return min((position for position in found if position is not None), default=None)

    def _first(self, item: QueryItem, after: int) -> int | None:
        for position, event in self._candidates(item):
            if position > after and item.matches(event.type, event.tags):
                return position
        return None

    def _candidates(self, item: QueryItem) -> Iterable[tuple[int, NewEvent]]:
        if not item.tags:
            return self._events
        return min((self._by_tag.get(tag, []) for tag in item.tags), key=len)
