"""What is about to be written: conditions checked, identifiers and places assigned, rows laid out. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from headwater.errors import ConditionFailed, PipelineBroken, StoreError
from headwater.store.adapter import Append, AppendPart
from headwater.store.chain import next_hash
from headwater.store.expectation import unmet
from headwater.store.model import Appended
from headwater.store.pending import Pending
from headwater.store.postgres.catalogue import NO_STREAM, Catalogue, Head, StreamState
from headwater.store.postgres.facts import Facts
from headwater.store.repetitions import Repetitions
from headwater.types import Position, Version

_CHUNK_EVENTS: Final = 10_000
_CHUNK_CHARACTERS: Final = 8 * 1024 * 1024

WRITE: Final = """
WITH moved AS (
    UPDATE {s}.head SET revision = revision + 1, position = $2, hash = $3, recorded_at = $4, streams = $5, types = $6
    WHERE revision = $1 RETURNING 1
), new_streams AS (
    INSERT INTO {s}.streams (id, name) SELECT id, name FROM moved, unnest($7::bigint[], $8::text[]) AS new (id, name)
), new_types AS (
    INSERT INTO {s}.types (id, name, schema)
    SELECT id, name, schema FROM moved, unnest($9::integer[], $10::text[], $11::bigint[]) AS new (id, name, schema)
), new_tags AS (
    INSERT INTO {s}.event_tags (tag, position)
    SELECT tag, position FROM moved, unnest($12::text[], $13::bigint[]) AS new (tag, position)
), new_events AS (
    INSERT INTO {s}.events (position, stream, version, type, id, recorded_at, causation, correlation,
                            data, metadata, tags, remaining, hash)
    SELECT $14 + number, coalesce(stream, $27), version, coalesce(type, $28), id, coalesce(recorded_at, $4),
           coalesce(causation, $29), coalesce(correlation, $30), data, coalesce(metadata, $31), coalesce(tags, $32),
           coalesce(remaining, $33), hash
    FROM moved, unnest($15::bigint[], $16::bigint[], $17::integer[], $18::uuid[], $19::uuid[], $20::uuid[],
                       $21::text[], $22::text[], $23::text[], $24::bigint[], $25::bytea[], $26::bigint[])
        WITH ORDINALITY AS new (stream, version, type, id, causation, correlation, data, metadata, tags, remaining,
                                hash, recorded_at, number)
)
SELECT count(*) FROM moved
"""
"""Adds a chunk's rows if the log is at a revision, or nothing at all. Gives 1 or 0.

A column in which all events agree is empty; what they agree in stands behind the columns, and for `recorded_at` it is
the head's time.
"""

# Of an event: stream, version, type, id, causation, correlation, data, metadata, tags, remaining, hash, recorded_at.
Row = tuple[int, int, int, bytes, bytes | None, bytes | None, str, str | None, str | None, int, bytes, int]
_OFTEN_EQUAL: Final = (0, 2, 4, 5, 7, 8, 9)  # stream, type, causation, correlation, metadata, tags, remaining


class Chunk(msgspec.Struct, frozen=True):
    """What one statement adds: all of a draft, unless it is very large.

    Attributes:
        revision: which the log must be at.
        head: the head behind it.
        streams: new ones: number and name.
        types: new ones: number, name and schema version.
        tags: tag and position.
        rows: the events.
    """

    revision: int
    head: Head
    streams: list[tuple[int, str]] = []
    types: list[tuple[int, str, int]] = []
    tags: list[tuple[str, int]] = []
    rows: list[Row] = []

    def arguments(self) -> list[object]:
        """For `WRITE`."""
        head = self.head
        return [
            self.revision,
            head.position,
            head.hash,
            head.recorded_at,
            head.streams,
            head.types,
            *(zip(*self.streams, strict=True) if self.streams else ((), ())),
            *(zip(*self.types, strict=True) if self.types else ((), (), ())),
            *(zip(*sorted(self.tags), strict=True) if self.tags else ((), ())),
            head.position - len(self.rows),
            *self._columns(),
        ]

    def _columns(self) -> list[object]:
        columns: list[Sequence[object]] = list(zip(*self.rows, strict=True)) if self.rows else [()] * 12
        common = []
        for number in _OFTEN_EQUAL:  # what needn't be sent for each event is worth a look
            column = columns[number]
            equal = bool(column) and column.count(column[0]) == len(column)
            common.append(column[0] if equal else None)
            columns[number] = () if equal else column
        if columns[-1] and columns[-1][0] == self.head.recorded_at:  # they never fall, and the head's is the last one's
            columns[-1] = ()
        return [*columns, *common]


class Draft:
    """What a group of appends will add. Dropping it undoes everything.

    Args:
        catalogue: what is committed.
        facts: what the database has said about the group, at the catalogue's revision.
        now: microseconds since 1970-01-01 UTC.
        head: the head to begin at, if it isn't the catalogue's.

    Attributes:
        revision: the revision that it was made for.
        changed: whether there is anything to write.
    """

    __slots__ = (
        "_catalogue",
        "_characters",
        "_chunk",
        "_chunks",
        "_facts",
        "_hash",
        "_now",
        "_pending",
        "_position",
        "_recorded_at",
        "_repetitions",
        "_streams",
        "_streams_count",
        "_types",
        "changed",
        "revision",
    )

    def __init__(self, catalogue: Catalogue, facts: Facts, now: int, head: Head | None = None) -> None:
        head = head or catalogue.head
        self._catalogue = catalogue
        self._facts = facts
        self._now = now
        self._recorded_at = head.recorded_at
        self._position = head.position
        self._hash = head.hash
        self._streams = dict(facts.streams)
        self._streams_count = head.streams
        self._types: dict[tuple[str, int], int] = {}
        self._pending = Pending() if facts.conflicts else None
        self._repetitions = None if facts.repetitions is None else Repetitions(facts.repetitions)
        self._chunk = Chunk(head.revision, head, [], [], [], [])
        self._chunks: list[Chunk] = []
        self._characters = 0
        self.revision = head.revision
        self.changed = False

    def add(self, append: Append) -> Appended | StoreError:
        """Check the append against all that was added before it, and add it if its conditions hold."""
        append.failed = False  # it may have been in a draft before
        answered = self._answered_already(append)
        if answered is None:
            answered = self._refusal(append)
        if answered is None:
            return self._lay_out(append)
        append.failed = isinstance(answered, StoreError)  # before anything that follows it is looked at
        return answered

    def successor(self, appends: Sequence[Append], now: int) -> Draft | None:
        """An empty draft for appends upon this one, which counts as committed. None if something has to be asked first.

        Nothing is added to this one any more.
        """
        known = self._catalogue.streams
        names = set(stream_names(appends))
        asks = any(append.idempotent or append.condition is not None for append in appends)
        if asks or self._types or not all(name in self._streams or name in known for name in names):
            return None
        return Draft(self._catalogue, Facts(self._streams), now, self.chunks()[-1].head)

    def chunks(self) -> list[Chunk]:
        """What is to be written, in this order and in one transaction."""
        if self._chunk.rows:
            self._end_chunk()
        return self._chunks

    def first(self) -> tuple[int, bytes]:
        """Position and identifier of the first event, by which it can be told whether all of it was committed."""
        chunk = self.chunks()[0]
        return chunk.head.position - len(chunk.rows) + 1, chunk.rows[0][3]

    def adopt(self) -> None:
        """Let the catalogue know that it is committed."""
        self._catalogue.adopt(self._chunks[-1].head, self._streams, self._types)

    # --- checks ------------------------------------------------------------------------------------------------

    def _answered_already(self, append: Append) -> Appended | StoreError | None:
        if append.follows is not None and append.follows.failed:
            return PipelineBroken(f"an append to {append.stream!r} failed, and this one was decided upon it")
        if append.idempotent and self._repetitions is not None:
            return self._repetitions.first_result(append)
        return None

    def _refusal(self, append: Append) -> StoreError | None:
        for part in append.parts:
            state = self._stream(part.stream)
            if state.version == part.expected and state.version >= state.first and not state.tombstoned:
                continue  # as it nearly always is
            error = unmet(part.stream, part.expected, state.version, state.first, tombstoned=state.tombstoned)
            if error is not None:
                return error
        return None if append.condition is None else self._unmet_condition(append)

    def _unmet_condition(self, append: Append) -> ConditionFailed | None:
        assert append.condition is not None  # noqa: S101 - the caller has looked
        position = self._facts.conflicts[append]
        if position is None and self._pending is not None:
            position = self._pending.first_conflict(append.condition)
        return None if position is None else ConditionFailed(position, append.condition.after)

    def _stream(self, name: str) -> StreamState:
        return self._streams.get(name) or self._catalogue.streams.get(name) or NO_STREAM

    # --- rows --------------------------------------------------------------------------------------------------

    def _lay_out(self, append: Append) -> Appended:
        self.changed = True
        self._recorded_at = max(self._recorded_at, self._now if append.recorded_at is None else append.recorded_at)
        if len(append.parts) == 1 and self._repetitions is None:
            return self._lay_out_part(append.parts[0], append, 0)
        left = append.count
        done = []
        for part in append.parts:
            left -= len(part.events)
            done.append(self._lay_out_part(part, append, left))
        if self._repetitions is not None:  # this one may be asked for again, even if it asks for none itself
            self._repetitions.add(append, done, self._recorded_at)
        return Appended.together(done)

    def _lay_out_part(self, part: AppendPart, append: Append, left: int) -> Appended:
        """Lay out the rows of a part; `left` events of the append lie behind it."""
        name, recorded_at, context = part.stream, self._recorded_at, append.context
        causation, correlation = context.causation, context.correlation
        metadata = None if context.metadata is None else context.metadata.decode()
        state = self._ensure_stream(name)
        stream, version = state.id, state.version
        known, text_of, pending = self._catalogue.types, self._catalogue.tags_text, self._pending
        remaining = left + len(part.events)
        for event in part.events:
            position = self._position = self._position + 1
            version += 1
            remaining -= 1
            kind, schema, id_, data = event.type, event.schema, event.id, event.data.decode()
            tags = text_of(event.tags)
            context_fields = (causation, correlation, data, metadata, tags, remaining)
            self._hash = next_hash(
                self._hash, (position, name, version, kind, schema, id_, recorded_at, *context_fields)
            )
            number = known.get((kind, schema)) or self._type(kind, schema)
            self._chunk.rows.append((stream, version, number, id_, *context_fields, self._hash, recorded_at))
            if tags is not None:
                self._chunk.tags.extend((tag, position) for tag in event.tags)
            if pending is not None:
                pending.add(position, event)
            self._characters += len(data)
            if self._characters >= _CHUNK_CHARACTERS or len(self._chunk.rows) >= _CHUNK_EVENTS:
                self._end_chunk()
        self._streams[name] = StreamState(stream, version, state.first, state.tombstoned)
        return Appended(name, Version(version), Position(self._position), len(part.events))

    def _ensure_stream(self, name: str) -> StreamState:
        state = self._stream(name)
        if state.id:
            return state
        self._streams_count += 1
        self._chunk.streams.append((self._streams_count, name))
        return StreamState(self._streams_count, 0)

    def _type(self, name: str, schema: int) -> int:
        number = self._types.get((name, schema))
        if number is None:
            number = self._types[name, schema] = len(self._catalogue.types) + len(self._types) + 1
            self._chunk.types.append((number, name, schema))
        return number

    def _end_chunk(self) -> None:
        types = len(self._catalogue.types) + len(self._types)
        revision = self._chunk.revision + 1
        head = Head(revision, self._position, self._hash, self._recorded_at, self._streams_count, types)
        self._chunks.append(msgspec.structs.replace(self._chunk, head=head))
        self._chunk = Chunk(revision, head, [], [], [], [])
        self._characters = 0


def stream_names(appends: Iterable[Append]) -> Iterator[str]:
    """The streams that the appends add to; some of them more than once."""
    for append in appends:
        for part in append.parts:
            yield part.stream
