"""Aggregates out of the log."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import takewhile
from typing import Final, Generic, TypeVar

from headwater.errors import DefinitionError
from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.timetravel import Horizon, Moment
from headwater.store.model import StoredEvent
from headwater.store.reading import PAGE
from headwater.store.store import EventStore
from headwater.types import Position, Version

AggregateT = TypeVar("AggregateT", bound=Aggregate)

_log: Final = logging.getLogger("headwater.sourcing")


class Loaded(Generic[AggregateT]):
    """An aggregate, and how far its stream was read.

    Attributes:
        aggregate: its state.
        version: the version of the last event that it has followed; 0 without one.
        position: the position of that event; 0 without one.
        snapshot: the version of the snapshot that reading began with; 0 without one.
    """

    __slots__ = ("aggregate", "position", "snapshot", "version")

    def __init__(self, aggregate: AggregateT, version: Version, position: Position, snapshot: Version) -> None:
        self.aggregate = aggregate
        self.version = version
        self.position = position
        self.snapshot = snapshot


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

        Begins with the aggregate's snapshot, if its class takes some and there is one from before that moment. Reads
        page by page: memory is bounded by the aggregate, not by its history.

        Raises:
            Undecodable, UnknownType: an event can't be read.
            DefinitionError: an `evolve` method raised; names the event.
            TypeError, ValueError: `at` is no moment.
        """
        horizon = Horizon(at)
        loaded = None if kind.snapshot_every is None else await self._from_snapshot(kind, id, horizon)
        loaded = loaded or Loaded(kind(id), Version(0), Position(0), Version(0))
        aggregate, version, position = loaded.aggregate, int(loaded.version), int(loaded.position)
        stream = kind.stream_of(id)
        while page := await self._store.page_stream(stream, version):
            past = page if at is None else list(takewhile(horizon.includes, page))
            self._fold(aggregate, past)
            if past:
                version, position = past[-1].version, past[-1].position
            if len(past) < PAGE:
                break
        return Loaded(aggregate, Version(version), Position(position), loaded.snapshot)

    def _fold(self, aggregate: Aggregate, page: Sequence[StoredEvent]) -> None:
        apply = aggregate.apply
        for stored, event in zip(page, self._store.decode_all(page), strict=True):
            try:
                apply(event)
            except Exception as error:
                raise DefinitionError(
                    f"{type(aggregate).__qualname__} {aggregate.id!r} can't follow {stored.type} at version "
                    f"{stored.version}: {error!r}"
                ) from error

    async def _from_snapshot(
        self,
        kind: type[AggregateT],
        id: str,  # noqa: A002 - the field's term
        horizon: Horizon,
    ) -> Loaded[AggregateT] | None:
        """The aggregate as its snapshot has it; None if there is none, or none that holds."""
        stream = kind.stream_of(id)
        snapshot = await self._store.load_snapshot(stream, kind.snapshot_key())
        if snapshot is None:
            return None
        last = await self._store.page_stream(stream, snapshot.version - 1, 1)
        if not last or last[0].version != snapshot.version or not horizon.includes(last[0]):
            return None
        aggregate = kind(id)
        try:
            aggregate.load_state(snapshot.data)
        except Exception as error:  # noqa: BLE001 - whatever it is, the log has everything
            _log.warning("the snapshot of %r at version %d is ignored: %r", stream, snapshot.version, error)
            return None
        version = Version(snapshot.version)
        return Loaded(aggregate, version, Position(last[0].position), version)
