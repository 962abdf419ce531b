"""The protocol of building a view beside the one that serves, and its form in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

from headwater.clock import Clock
from headwater.cqrs.projection import Projection
from headwater.cqrs.view_places import ViewPlaces
from headwater.errors import ViewFailed
from headwater.store.model import StoredEvent
from headwater.store.store import EventStore
from headwater.types import Position

TURN: Final = 0.02
"""Seconds after which a view that follows the log lets others have their turn."""

LOOK: Final = 32
"""After how many events it looks at the clock."""


class ViewBuild(Protocol):
    """One more instance of a view, that nobody asks anything yet.

    What builds it calls `follow` with the pages of the log in order, without gaps, one at a time, until the build is
    where the view that serves is; then, while that one stands still, `finish`. If the build fails, or isn't wanted any
    more, it calls `discard`. Nothing is called after `discard`; after `finish`, `discard` only if the
    store could not note that the build serves.

    A build must not be seen by queries, nor change what they see, before `finish`; and what serves must stay as it is
    if `follow` or `finish` raises. What a build leaves behind when its process is killed must be removed by the next
    one of the same view.
    """

    @property
    def position(self) -> Position:
        """Up to where it has followed the log; 0 at first."""

    async def follow(self, page: Sequence[StoredEvent]) -> None:
        """Follow the next events. Strict: it stops at the first that can't be followed.

        Raises:
            ViewFailed: an event could not be followed; names it.
        """

    async def finish(self) -> Projection:
        """Be what serves, at `position`, for good. Returns the projection that answers queries from now on.

        What another version of the view has is left as it is: which version is the active one is stored afterwards.
        """

    async def discard(self) -> None:
        """Leave nothing behind. Harmless when there is nothing."""

    async def close(self) -> None:
        """Let go of connections: the build is finished, and doesn't serve here."""


@runtime_checkable
class Buildable(Protocol):
    """A class of projections whose rows lie elsewhere than in its objects, such as in a database."""

    async def begin_build(self, store: EventStore, places: ViewPlaces) -> ViewBuild:
        """Begin a build of the class, beside what serves, from the log's beginning. It is a `classmethod` of it."""


async def begin_build(projection: type[Projection], store: EventStore, clock: Clock, places: ViewPlaces) -> ViewBuild:
    """Begin a build of a projection, from the log's beginning."""
    kind: object = projection
    if isinstance(kind, Buildable):
        return await kind.begin_build(store, places)
    return MemoryBuild(projection, store, clock)


class MemoryBuild:
    """A build of a projection that is all in memory.

    Args:
        projection: its class.
        store: decodes the events.
        clock: says when it is others' turn.
    """

    def __init__(self, projection: type[Projection], store: EventStore, clock: Clock) -> None:
        self._projection = projection()
        self._types = store.stored_types(projection.events())
        self._store = store
        self._now = clock.monotonic
        self._position = 0

    @property
    def position(self) -> Position:
        """Up to where it has followed the log."""
        return Position(self._position)

    async def follow(self, page: Sequence[StoredEvent]) -> None:
        """Follow the next events; others get their turn every 20 ms.

        Raises:
            ViewFailed: an event could not be followed.
        """
        until = self._now() + TURN
        for stored in page:
            self._follow(stored)
            if stored.position % LOOK == 0 and self._now() > until:
                await asyncio.sleep(0)
                until = self._now() + TURN

    def _follow(self, stored: StoredEvent) -> None:
        if stored.type in self._types:
            try:
                for recorded in self._store.unfold(stored):
                    self._projection.follow(recorded)
            except Exception as error:
                raise view_failed(self._projection.view, stored, error) from error
        self._position = stored.position

    async def finish(self) -> Projection:
        """The projection."""
        return self._projection

    async def discard(self) -> None:
        """There is nothing to leave behind."""

    async def close(self) -> None:
        """There is nothing to let go of."""


def view_failed(view: str, stored: StoredEvent, error: Exception) -> ViewFailed:
    """The error that says at which event a view has stopped, and why."""
    failed = ViewFailed(view, stored.position, f"{type(error).__name__}: {error}")
    failed.__cause__ = error
    return failed
