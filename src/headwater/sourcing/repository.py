"""Aggregates out of the log."""

from __future__ import annotations

from typing import Generic, TypeVar

from headwater.errors import DefinitionError
from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.timetravel import Horizon, Moment
from headwater.store.store import EventStore
from headwater.types import Position, Version

AggregateT = TypeVar("AggregateT", bound=Aggregate)


class Loaded(Generic[AggregateT]):
    """An aggregate, and how far its stream was read.

    Attributes:
        aggregate: its state.
        version: the version of the last event that it has followed; 0 without one.
        position: the position of that event; 0 without one.
    """

    __slots__ = ("aggregate", "position", "version")

    def __init__(self, aggregate: AggregateT, version: Version, position: Position) -> None:
        self.aggregate = aggregate
        self.version = version
        self.position = position


class Repository:
    """Folds streams into aggregates.

    Args:
        store: where the streams are.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store

    async def load(
        self,
        kind: type[AggregateT],
        id: str,  # noqa: A002 - the field's term
        at: Moment | None = None,
    ) -> Loaded[AggregateT]:
        """The aggregate as it was at a moment, or as it is in the log now. A stream without events gives a new one.

        Reads page by page: memory is bounded by the aggregate, not by its history.

        Raises:
            Undecodable, UnknownType: an event can't be read.
            DefinitionError: an `evolve` method raised; names the event.
            TypeError, ValueError: `at` is no moment.
        """
        horizon = Horizon(at)
        aggregate = kind(id)
        version, position = 0, 0
        async with self._store.raw_stream(kind.stream_of(id)) as events:
            async for stored in events:
                if not horizon.includes(stored):
                    break
                event = self._store.decode(stored)
                try:
                    aggregate.apply(event)
                except Exception as error:
                    raise DefinitionError(
                        f"{kind.__qualname__} {id!r} can't follow {stored.type} at version {stored.version}: {error!r}"
                    ) from error
                version, position = stored.version, stored.position
        return Loaded(aggregate, Version(version), Position(position))
