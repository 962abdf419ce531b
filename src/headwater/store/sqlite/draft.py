"""A transaction that is about to be written: conditions checked, identifiers and places assigned, rows laid out."""

from __future__ import annotations

from typing import Final

import apsw
import msgspec

from headwater.errors import PipelineBroken, StoreError, WrongExpectedVersion
from headwater.store.adapter import Append
from headwater.store.model import Appended, Expected, ExpectedVersion
from headwater.store.sqlite.catalogue import Catalogue, StreamState
from headwater.types import Position, Version

_COLUMNS: Final = 10
_INSERTS: Final = tuple(
    (size, "INSERT INTO events VALUES " + ",".join(["(?,?,?,?,?,?,?,?,?,?)"] * size))  # noqa: S608 - constants only
    for size in (512, 256, 128, 64, 32, 16, 8, 4, 2, 1)
)
_INSERT_STREAMS: Final = "INSERT INTO streams (id, name) SELECT value ->> 1, value ->> 0 FROM json_each(?)"
_INSERT_TYPES: Final = (
    "INSERT INTO types (id, name, schema) SELECT value ->> 2, value ->> 0, value ->> 1 FROM json_each(?)"
)


class Draft:
    """What one transaction will add. Holds everything that isn't committed yet, so that dropping it undoes all.

    Args:
        catalogue: what is committed.
        head: the highest position that is committed.
        recorded_at: the time of all its events, in microseconds since 1970-01-01 UTC.
    """

    __slots__ = (
        "_catalogue",
        "_new_streams",
        "_new_types",
        "_next_stream",
        "_recorded_at",
        "_rows",
        "_streams",
        "head",
    )

    def __init__(self, catalogue: Catalogue, head: int, recorded_at: int) -> None:
        self._catalogue = catalogue
        self._recorded_at = recorded_at
        self._rows: list[apsw.SQLiteValue] = []
        self._streams: dict[str, StreamState] = {}
        self._new_streams: list[tuple[str, int]] = []
        self._new_types: dict[tuple[str, int], int] = {}
        self._next_stream = catalogue.next_stream
        self.head = head

    def load(self, appends: list[Append]) -> None:
        """Learn about the streams that the appends are for."""
        known = self._catalogue.streams
        missing = {append.stream for append in appends if append.stream not in known}
        if missing:
            self._streams = self._catalogue.look_up(missing)

    def add(self, append: Append) -> Appended | StoreError:
        """Check the append against all that was added before it, and add it if its conditions hold."""
        name = append.stream
        state = self._streams.get(name) or self._catalogue.streams.get(name)
        version = 0 if state is None else state.version
        refusal = _refusal(append, version)
        if refusal is not None:
            append.failed = True  # before anything that follows it is looked at
            return refusal
        number = self._new_stream(name) if state is None else state.id
        return self._lay_out(append, number, version)

    def insert(self, connection: apsw.Connection) -> None:
        """Write everything, inside the transaction that the caller has begun.

        Raises:
            apsw.Error: SQLite refused.
        """
        if self._new_streams:
            connection.execute(_INSERT_STREAMS, (msgspec.json.encode(self._new_streams).decode(),))
        if self._new_types:
            types = [(name, schema, number) for (name, schema), number in self._new_types.items()]
            connection.execute(_INSERT_TYPES, (msgspec.json.encode(types).decode(),))
        self._insert_events(connection)

    def adopt(self) -> None:
        """Let the catalogue know: the transaction is committed."""
        self._catalogue.adopt(self._streams, self._new_types, self._next_stream)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self._rows

    @property
    def events(self) -> int:
        """How many events there are."""
        return len(self._rows) // _COLUMNS

    def _lay_out(self, append: Append, stream: int, version: int) -> Appended:
        rows = self._rows
        position = self.head
        context = append.context
        causation, correlation = context.causation, context.correlation
        metadata = None if context.metadata is None else context.metadata.decode()
        recorded_at = self._recorded_at
        known = self._catalogue.types
        for event in append.events:
            position += 1
            version += 1
            kind = known.get((event.type, event.schema)) or self._new_type(event.type, event.schema)
            rows += (position, stream, version, kind, event.id, recorded_at, causation, correlation)
            rows += (event.data.decode(), metadata)
        self.head = position
        self._streams[append.stream] = StreamState(stream, version)
        return Appended(append.stream, Version(version), Position(position), len(append.events))

    def _new_stream(self, name: str) -> int:
        number = self._next_stream
        self._next_stream += 1
        self._new_streams.append((name, number))
        return number

    def _new_type(self, name: str, schema: int) -> int:
        number = len(self._catalogue.types) + len(self._new_types) + 1
        return self._new_types.setdefault((name, schema), number)

    def _insert_events(self, connection: apsw.Connection) -> None:
        rows = self._rows
        start = 0
        for size, insert in _INSERTS:
            width = size * _COLUMNS
            while len(rows) - start >= width:
                connection.execute(insert, rows[start : start + width])
                start += width


def _refusal(append: Append, version: int) -> StoreError | None:
    if append.follows is not None and append.follows.failed:
        return PipelineBroken(f"an append to {append.stream!r} failed, and this one was decided upon it")
    if _holds(append.expected, version):
        return None
    expected = append.expected
    wanted = expected.value if isinstance(expected, Expected) else f"version {expected}"
    return WrongExpectedVersion(append.stream, wanted, version)


def _holds(expected: ExpectedVersion, version: int) -> bool:
    if expected is Expected.ANY:
        return True
    if expected is Expected.NO_STREAM:
        return version == 0
    if expected is Expected.EXISTS:
        return version > 0
    return expected == version
