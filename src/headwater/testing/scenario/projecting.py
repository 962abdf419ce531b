"""Given, when, then for projections."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import msgspec

from headwater.cqrs.projection import Projection, TableProjection
from headwater.cqrs.query import Query
from headwater.sourcing.messages import Event
from headwater.tables.table import Table
from headwater.testing.scenario.difference import difference, require
from headwater.testing.scenario.recording import AT, STREAM, Place, recorded
from headwater.testing.scenario.storable import require_storable

Answer = TypeVar("Answer")
ProjectionT = TypeVar("ProjectionT", bound=Projection)


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
            place = Place(self._position, stream, self._versions[stream])
            self.projection.follow(recorded(event, place, at, metadata, correlation))
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


def _by_key(table: Table[Any]) -> dict[object, object]:
    return dict(zip(table.keys(), table.rows(), strict=True))
