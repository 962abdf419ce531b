"""A transaction that is about to be written: conditions checked, identifiers and places assigned, rows laid out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import apsw

from headwater.errors import ConditionFailed, PipelineBroken, StoreError
from headwater.store.adapter import Append, AppendPart
from headwater.store.chain import ChainHead, next_hash, tags_text
from headwater.store.expectation import unmet
from headwater.store.model import Appended, ExpectedVersion, StoredEvent
from headwater.store.pending import Pending
from headwater.store.repetitions import Repetitions
from headwater.store.sqlite.catalogue import Catalogue, StreamState, TagSet
from headwater.store.sqlite.conflicts import first_conflicts
from headwater.store.sqlite.repetitions import look_up
from headwater.store.sqlite.rows import Rows
from headwater.types import Position, Version

_NOTE_CHAIN: Final = "UPDATE chain SET position = ?, hash = ?"


class Draft:
    """What one transaction will add. Holds everything that isn't committed yet, so that dropping it undoes all.

    Args:
        connection: the writer's, in the transaction.
        catalogue: what is committed.
        chain: the last event that is committed.
        recorded_at: the time of the last event that is committed, in microseconds since 1970-01-01 UTC.
        now: the time of the transaction.
        remember: whether to note the events as readers will see them.

    Attributes:
        recent: the events that were added, if they are to be noted.
        head: the position of the last event, those of the transaction included.
        recorded_at: its time.
        changed: whether there is anything to commit.
    """

    __slots__ = (
        "_catalogue",
        "_conflicts",
        "_connection",
        "_hash",
        "_next_stream",
        "_next_tag",
        "_now",
        "_pending",
        "_repetitions",
        "_rows",
        "_streams",
        "_tag_sets",
        "_tags",
        "_types",
        "_unnoted",
        "changed",
        "head",
        "recent",
        "recorded_at",
    )

    def __init__(
        self,
        connection: apsw.Connection,
        catalogue: Catalogue,
        chain: ChainHead,
        recorded_at: int,
        now: int,
        *,
        remember: bool = False,
    ) -> None:
        self._connection = connection
        self._catalogue = catalogue
        self._now = now
        self._hash = chain.hash
        self._rows = Rows()
        self._streams: dict[str, StreamState] = {}
        self._tags: dict[str, int] = {}
        self._tag_sets: dict[tuple[str, ...], TagSet] = {}
        self._types: dict[tuple[str, int], int] = {}
        self._next_stream = catalogue.next_stream
        self._next_tag = catalogue.next_tag
        self._pending: Pending | None = None
        self._repetitions: Repetitions | None = None
        self._conflicts: dict[Append, int | None] = {}
        self._unnoted = False
        self.head = chain.position
        self.recorded_at = recorded_at
        self.recent: list[StoredEvent] | None = [] if remember else None
        self.changed = False

    def load(self, appends: list[Append], streams: Iterable[str] = ()) -> None:
        """Learn what the file says about the streams, tags, conditions and ids of a group of appends.

        Args:
            appends: the group.
            streams: further streams that will be asked for.

        Raises:
            apsw.Error: SQLite refused.
        """
        parts = [part for append in appends for part in append.parts]
        known = self._catalogue.streams
        missing = {part.stream for part in parts if part.stream not in known}
        missing.update([name for name in streams if name not in known])
        if missing:
            self._streams = self._catalogue.look_up_streams(missing)
        self._load_tags(parts)
        conditional = [append for append in appends if append.condition is not None]
        if conditional:
            self._load_conflicts(conditional)
        if any(append.idempotent for append in appends):
            self._repetitions = look_up(self._connection, appends)

    def add(self, append: Append) -> Appended | StoreError:
        """Check the append against all that was added before it, and add it if its conditions hold."""
        answered = None
        if append.follows is not None or append.idempotent:
            answered = self._answered_already(append)
        if answered is None:
            answered = self._refusal(append)
        if answered is None:
            return self._lay_out(append)
        append.failed = isinstance(answered, StoreError)  # before anything that follows it is looked at
        return answered

    def flush(self) -> None:
        """Write everything that was added so far.

        Raises:
            apsw.Error: SQLite refused.
        """
        self._rows.flush(self._connection)
        if self._unnoted:
            self._connection.execute(_NOTE_CHAIN, (self.head, self._hash))
            self._unnoted = False

    def adopt(self) -> ChainHead:
        """Let the catalogue know that the transaction is committed. Returns the last event."""
        self._catalogue.adopt(self._streams, self._types, self._tags, self._tag_sets)
        self._catalogue.next_stream = self._next_stream
        self._catalogue.next_tag = self._next_tag
        return ChainHead(self.head, self._hash)

    # --- streams -----------------------------------------------------------------------------------------------

    def stream(self, name: str) -> StreamState | None:
        """A stream as this transaction has it; None when it doesn't exist."""
        return self._streams.get(name) or self._catalogue.streams.get(name)

    def check(self, name: str, expected: ExpectedVersion) -> StoreError | None:
        """Why a stream may not be changed, if it may not."""
        state = self.stream(name) or _NO_STREAM
        return unmet(name, expected, state.version, state.first, tombstoned=state.tombstoned)

    def ensure_stream(self, name: str) -> StreamState:
        """A stream that is about to be changed; it gets a number if it has none."""
        state = self.stream(name)
        if state is None:
            state = self._streams[name] = StreamState(self._next_stream, 0)
            self._rows.streams.append((name, self._next_stream))
            self._next_stream += 1
        return state

    def change_stream(self, name: str, state: StreamState) -> None:
        """A stream was changed by a statement of its own."""
        self._streams[name] = state
        self.changed = True

    # --- inside ------------------------------------------------------------------------------------------------

    def _load_tags(self, parts: list[AppendPart]) -> None:
        known_sets = self._catalogue.tag_sets
        unknown = {event.tags for part in parts for event in part.events if event.tags not in known_sets}
        if not unknown:
            return
        used = {tag for tags in unknown for tag in tags}
        known = self._catalogue.tags
        self._tags = {tag: known[tag] for tag in used if tag in known}
        missing = used - self._tags.keys()
        if missing:
            self._tags.update(self._catalogue.look_up_tags(missing))

    def _load_conflicts(self, appends: list[Append]) -> None:
        self._pending = Pending()
        conditions = [append.condition for append in appends if append.condition is not None]
        self._conflicts = dict(zip(appends, first_conflicts(self._connection, conditions, self.head), strict=True))

    def _answered_already(self, append: Append) -> Appended | StoreError | None:
        if append.follows is not None and append.follows.failed:
            return PipelineBroken(f"an append to {append.stream!r} failed, and this one was decided upon it")
        if append.idempotent and self._repetitions is not None:
            return self._repetitions.first_result(append)
        return None

    def _refusal(self, append: Append) -> StoreError | None:
        for part in append.parts:
            state = self._streams.get(part.stream) or self._catalogue.streams.get(part.stream)
            if (
                state is not None
                and state.version == part.expected
                and state.version >= state.first
                and not state.tombstoned
            ):
                continue  # as it nearly always is
            error = self.check(part.stream, part.expected)
            if error is not None:
                return error
        if append.condition is None:
            return None
        position = self._conflicts[append]
        if position is None and self._pending is not None:
            position = self._pending.first_conflict(append.condition)
        return None if position is None else ConditionFailed(position, append.condition.after)

    def _lay_out(self, append: Append) -> Appended:
        self.recorded_at = max(self.recorded_at, self._now if append.recorded_at is None else append.recorded_at)
        self.changed = self._unnoted = True
        if len(append.parts) == 1 and self._repetitions is None:
            return self._lay_out_part(append.parts[0], append, 0)
        left = append.count
        done = []
        for part in append.parts:
            left -= len(part.events)
            done.append(self._lay_out_part(part, append, left))
        if self._repetitions is not None:
            self._repetitions.add(append, done, self.recorded_at)
        return Appended.together(done)

    def _lay_out_part(self, part: AppendPart, append: Append, left: int) -> Appended:
        """Lay out the rows of a part; `left` events of the append lie behind it."""
        rows, position, previous = self._rows.events, self.head, self._hash
        name, recorded_at = part.stream, self.recorded_at
        context = append.context
        causation, correlation = context.causation, context.correlation
        metadata = None if context.metadata is None else context.metadata.decode()
        state = self.ensure_stream(name)
        stream, version = state.id, state.version
        known, known_sets = self._catalogue.types, self._catalogue.tag_sets
        recent = self.recent
        remaining = left + len(part.events)
        for event in part.events:
            position += 1
            version += 1
            remaining -= 1
            kind, schema, event_id, data = event.type, event.schema, event.id, event.data.decode()
            tags, numbers, names = known_sets.get(event.tags) or self._tag_set(event.tags)
            previous = next_hash(
                previous,
                (
                    position,
                    name,
                    version,
                    kind,
                    schema,
                    event_id,
                    recorded_at,
                    causation,
                    correlation,
                    data,
                    metadata,
                    tags,
                    remaining,
                ),
            )
            number = known.get((kind, schema)) or self._type(kind, schema)
            rows += (position, stream, version, number, event_id, recorded_at, causation, correlation)
            rows += (data, metadata, tags, remaining, previous)
            for tag in numbers:
                self._rows.event_tags.append((tag, position))
            if recent is not None:
                stored = (position, name, version, kind, schema, data, event_id, recorded_at)
                recent.append(StoredEvent(*stored, causation, correlation, metadata, names, remaining))
            if self._pending is not None:
                self._pending.add(position, event)
        self.head, self._hash = position, previous
        self._streams[name] = StreamState(stream, version, state.first, state.tombstoned)
        return Appended(name, Version(version), Position(position), len(part.events))

    def _type(self, name: str, schema: int) -> int:
        number = self._types.get((name, schema))
        if number is None:
            number = self._types[name, schema] = len(self._catalogue.types) + len(self._types) + 1
            self._rows.types.append((name, schema, number))
        return number

    def _tag_set(self, names: tuple[str, ...]) -> TagSet:
        """The text and the numbers of tags that no committed event had together, or none lately."""
        found = self._tag_sets.get(names)
        if found is None:
            found = self._tag_sets[names] = TagSet(
                tags_text(names), tuple([self._tag(name) for name in names]), tuple(sorted(names))
            )
        return found

    def _tag(self, name: str) -> int:
        number = self._tags.get(name)
        if number is None:
            number = self._tags[name] = self._next_tag
            self._next_tag += 1
            self._rows.tags.append((name, number))
        return number


_NO_STREAM: Final = StreamState(0, 0)
