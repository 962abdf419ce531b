"""What the database is asked about a group of appends before they are checked: one query, one snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from headwater.errors import StorageFailed
from headwater.store.adapter import Append
from headwater.store.model import StoredEvent
from headwater.store.postgres.catalogue import Catalogue, Head, StreamState
from headwater.store.postgres.connection import Connection
from headwater.store.query import AppendCondition
from headwater.store.repetition import Repetition
from headwater.store.repetitions import events_of

_STREAMS: Final = """
SELECT ROW(streams.name, streams.id, greatest(
    (SELECT version FROM {s}.events WHERE stream = streams.id ORDER BY version DESC LIMIT 1),
    (SELECT version FROM {s}.links WHERE stream = streams.id ORDER BY version DESC LIMIT 1),
    0
), coalesce(marks.first, 1), coalesce(marks.tombstoned, false))
FROM unnest($1::text[]) AS asked (name) JOIN {s}.streams ON streams.name = asked.name
LEFT JOIN {s}.marks ON marks.stream = streams.id
"""
# The tag that the fewest events have, as far as the first ten thousand of each tell. Its events are gone through one by
# one: a hundred were too few to tell a tag of 400 events from one of 200,000, which took a second instead of 3 ms.
_RAREST: Final = """(
    SELECT wanted.tag FROM unnest(item.tags) AS wanted (tag) ORDER BY (
        SELECT count(*) FROM (
            SELECT FROM {s}.event_tags AS one WHERE one.tag = wanted.tag AND one.position > item.after LIMIT 10000
        ) AS counted
    ) LIMIT 1
)"""
_TAGGED: Final = f"""
SELECT first.position FROM {{s}}.event_tags AS first
WHERE first.tag = CASE cardinality(item.tags) WHEN 1 THEN item.tags[1] ELSE {_RAREST} END
AND first.position > item.after
AND (cardinality(item.tags) = 1 OR NOT EXISTS (
    SELECT FROM unnest(item.tags) AS wanted (tag) WHERE NOT EXISTS (
        SELECT FROM {{s}}.event_tags AS other WHERE other.tag = wanted.tag AND other.position = first.position
    )
))
AND (cardinality(item.types) = 0 OR EXISTS (
    SELECT FROM {{s}}.events JOIN {{s}}.types ON types.id = events.type
    WHERE events.position = first.position AND types.name = ANY (item.types)
))
ORDER BY first.position LIMIT 1
"""  # noqa: S608 - constants only
_TYPED: Final = """
SELECT min((
    SELECT position FROM {s}.events
    WHERE events.type = types.id AND position > item.after ORDER BY position LIMIT 1
)) FROM {s}.types WHERE types.name = ANY (item.types)
"""
_CONFLICTS: Final = f"""
SELECT ROW(found.number, found.position) FROM (
    SELECT item.number, CASE WHEN cardinality(item.tags) > 0 THEN ({_TAGGED}) ELSE ({_TYPED}) END AS position
    FROM (
        SELECT number, after,
               ARRAY (SELECT json_array_elements_text(given.types)) AS types,
               ARRAY (SELECT json_array_elements_text(given.tags)) AS tags
        FROM unnest($3::integer[], $4::bigint[], $5::text[]::json[], $6::text[]::json[])
            AS given (number, after, types, tags)
        OFFSET 0
    ) AS item
) AS found WHERE found.position IS NOT NULL
"""  # noqa: S608 - constants only
_REPEATED: Final = """
SELECT ROW(events.position, streams.name, events.version, types.name, types.schema, events.data, events.id,
           events.recorded_at, events.tags, events.remaining,
           events.position = 1 OR (SELECT remaining FROM {s}.events AS other WHERE position = events.position - 1) = 0)
FROM unnest($7::uuid[]) AS asked (id) JOIN {s}.events ON events.id = asked.id
JOIN {s}.streams ON streams.id = events.stream JOIN {s}.types ON types.id = events.type
"""
_FACTS: Final = f"""
SELECT revision, position, hash, recorded_at, streams, types,
       ARRAY ({_STREAMS}),
       ARRAY (SELECT ROW(name, schema, id) FROM {{s}}.types WHERE id > $2),
       ARRAY ({_CONFLICTS}),
       ARRAY ({_REPEATED})
FROM {{s}}.head
"""  # noqa: S608 - constants only
_HEAD_COLUMNS: Final = 6


class Question(msgspec.Struct, frozen=True):
    """What a group of appends wants to know.

    Attributes:
        streams: of which streams.
        conditional: the appends that have a condition.
        ids: the identifiers that may be in the log.
    """

    streams: tuple[str, ...]
    conditional: tuple[Append, ...]
    ids: tuple[bytes, ...]

    @classmethod
    def of(cls, appends: Iterable[Append], streams: Iterable[str]) -> Question:
        """What these appends want to know besides these streams."""
        appends = list(appends)
        return cls(
            tuple(streams),
            tuple(append for append in appends if append.condition is not None),
            tuple(event.id for append in appends if append.idempotent for event in events_of(append)),
        )

    @property
    def empty(self) -> bool:
        """Whether nothing needs to be asked."""
        return not (self.streams or self.conditional or self.ids)


class Facts(msgspec.Struct, frozen=True):
    """The answer.

    Attributes:
        streams: those of the streams that exist.
        conflicts: for each append that has a condition the lowest position in the log that it excludes.
        repetitions: the events of the log that have one of the ids; None if there was no such question.
    """

    streams: Mapping[str, StreamState] = {}
    conflicts: Mapping[Append, int | None] = {}
    repetitions: tuple[Repetition, ...] | None = None


async def ask(connection: Connection, sql: str, question: Question, catalogue: Catalogue) -> Facts:
    """Ask the database. What it says of the head and of types goes into the catalogue.

    Args:
        connection: where to.
        sql: of `statement`.
        question: what.
        catalogue: what is known.

    Raises:
        asyncpg.PostgresError: the server refused.
        StorageFailed: the head is gone.
    """
    conditions = [append.condition for append in question.conditional if append.condition is not None]
    items = [
        (number, condition.after, _json(item.types), _json(item.tags))
        for number, condition in enumerate(conditions)
        if not condition.query.everything
        for item in condition.query.items
    ]
    columns = list(zip(*items, strict=True)) or [(), (), (), ()]
    row = await connection.fetchrow(sql, question.streams, len(catalogue.types), *columns, question.ids)
    if row is None:
        raise StorageFailed("the row of the table head is gone: whoever has removed it must put it back")
    head = Head(*row[:_HEAD_COLUMNS])
    streams, types, conflicts, repeated = row[_HEAD_COLUMNS:]
    catalogue.learn(head, {(name, schema): number for name, schema, number in types})
    found = _conflicts(conditions, conflicts, head.position)
    return Facts(
        {name: StreamState(*state) for name, *state in streams},
        dict(zip(question.conditional, found, strict=True)),
        tuple(_repetition(*one) for one in repeated) if question.ids else None,
    )


def statement(schema: str) -> str:
    """The query, on the tables of a schema whose name is quoted."""
    return _FACTS.format(s=schema)


def _conflicts(conditions: Sequence[AppendCondition], found: Iterable[tuple[int, int]], head: int) -> list[int | None]:
    first: list[int | None] = [
        condition.after + 1 if condition.query.everything and condition.after < head else None
        for condition in conditions
    ]
    for number, position in found:
        first[number] = min(first[number] or position, position)
    return first


def _repetition(
    position: int,
    stream: str,
    version: int,
    kind: str,
    schema: int,
    data: str,
    id_: bytes,
    recorded_at: int,
    tags: str | None,
    remaining: int,
    begins: bool,
) -> Repetition:
    event = StoredEvent(
        position,
        stream,
        version,
        kind,
        schema,
        data,
        id_,
        recorded_at,
        None,
        None,
        None,
        msgspec.json.decode(tags, type=tuple[str, ...]) if tags else (),
        remaining,
    )
    return Repetition(event, begins)


def _json(names: tuple[str, ...]) -> str:
    return msgspec.json.encode(names).decode()
