"""Given, when, then for projections."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import msgspec

from headwater.clock import microseconds
from headwater.codec import Codec
from headwater.cqrs.projection import Projection, TableProjection
from headwater.cqrs.query import Query
from headwater.sourcing.messages import Event
from headwater.store.model import Recorded, StoredEvent
from headwater.tables.table import Table
from headwater.testing.scenario.difference import difference, require
from headwater.testing.scenario.storable import require_storable, tags_of

Answer = TypeVar("Answer")
ProjectionT = TypeVar("ProjectionT", bound=Projection)

STREAM: Final = "stream"
"""The stream in which events lie of which a scenario doesn't say it."""

AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When events were recorded of which a scenario doesn't say it."""


class View(Generic[ProjectionT]):
    """A projection, and what it has followed so far. Made by `given`. Its methods change it and give it back.

    Attributes:
        projection: the projection, with all that it offers itself.
    """

    def __init__(self, kind: type[ProjectionT]) -> None:
        self.projection: Final = kind()
        self._position = 0
        self._versions: dict[str, int] = {}

    def events(
        self,
        *events: Event,
        stream: str = STREAM,
        at: datetime = AT,
        metadata: Mapping[str, object] | None = None,
        correlation: UUID | None = None,
    ) -> View[ProjectionT]:
        """Further events have been recorded, in this order. Those that the projection doesn't follow change nothing.

        Args:
            events: their positions, and their versions within the stream, go on from those before.
            stream: where they lie: `Account.stream_of("a-1")`, say.
            at: when they were recorded, with a time zone.
            metadata: what is stored beside each of them.
            correlation: shared by what one outside cause led to.

        Raises:
            TypeError: one is no Event.
            AssertionError: one would not come back from the log as it is.
            Exception: whatever the projection raises: in an application, its view would stop there.
        """
        for event in events:
            require_storable(event)
            self._position += 1
            self._versions[stream] = self._versions.get(stream, 0) + 1
            data = msgspec.json.encode(metadata).decode() if metadata else None
            self.projection.follow(Recorded(event, self._stored(event, stream, at, data, correlation)))
        return self

    def then(self, query: Query[Answer], answer: Answer) -> View[ProjectionT]:
        """The projection answers a query so.

        Raises:
            AssertionError: it answers otherwise; says what differs, field by field.
            DefinitionError: it doesn't answer such queries.
        """
        found = self.projection.ask(query)
        name = type(self.projection).__qualname__
        require(f"{name} has answered {query!r} otherwise:", difference(answer, found))
        return self

    def then_rows(self, *rows: msgspec.Struct) -> View[ProjectionT]:
        """The table of the projection has exactly these rows, in whatever order.

        Raises:
            AssertionError: it has others; says what differs, row by row.
            TypeError: the projection has no table.
        """
        projection = self.projection
        if not isinstance(projection, TableProjection):
            raise TypeError(f"{type(projection).__qualname__} is no TableProjection; use then(query, answer)")
        expected = type(projection)().table
        expected.insert_many(rows)
        lines = difference(_by_key(expected), _by_key(projection.table))
        require(f"{type(projection).__qualname__} has other rows:", lines)
        return self

    def _stored(
        self, event: Event, stream: str, at: datetime, metadata: str | None, correlation: UUID | None
    ) -> StoredEvent:
        name, data = Codec.of(type(event)).encode(event)
        return StoredEvent(
            position=self._position,
            stream=stream,
            version=self._versions[stream],
            type=name.name,
            schema=name.version,
            data=data.decode(),
            id_bytes=self._position.to_bytes(16),
            microseconds=microseconds(at),
            causation_bytes=None,
            correlation_bytes=None if correlation is None else correlation.bytes,
            metadata_json=metadata,
            tags=tags_of(event),
        )


def _by_key(table: Table[Any]) -> dict[object, object]:
    return dict(zip(table.keys(), table.rows(), strict=True))
