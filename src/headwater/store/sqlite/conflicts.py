"""The query for whether the file holds what an append's condition excludes."""

from __future__ import annotations

from typing import Final

import apsw
import msgspec

from headwater.store.query import AppendCondition

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
