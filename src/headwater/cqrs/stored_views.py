"""What is kept of an application's views while nobody runs it, or seen from another process than the one that does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

import msgspec

from headwater.clock import Clock, instant
from headwater.cqrs.active_versions import ActiveVersions
from headwater.cqrs.projection import Projection, TableProjection
from headwater.cqrs.served_view import ServedView
from headwater.cqrs.view_build import ViewBuild, begin_build
from headwater.cqrs.view_picture import Picture
from headwater.cqrs.view_places import ViewPlaces
from headwater.cqrs.view_snapshots import ViewSnapshots
from headwater.errors import UnknownView, ViewVersionTaken, one_of
from headwater.store.page import Selection
from headwater.store.store import EventStore
from headwater.types import Position

Tell = Callable[[Position, int], object]
"""Told how far a build has come, and the log's head."""


class StoredView(msgspec.Struct, frozen=True):
    """What is stored of one version of a view.

    A running application is usually further: its views are in its own memory, where no other process can look.

    Attributes:
        view: its name and version.
        active: whether the next start of the application serves this version.
        position: where the next start goes on from; 0 if nothing usable is stored, so that all will be replayed.
        head: the log's highest position.
        stored_at: when that was stored; None if nothing is, or if it isn't known.
        rows: how many rows are stored; None if it isn't known.
    """

    view: str
    active: bool
    position: Position
    head: Position
    stored_at: datetime | None
    rows: int | None

    @property
    def lag(self) -> int:
        """How many events the next start has to follow."""
        return self.head - self.position


@runtime_checkable
class StoresPosition(Protocol):
    """A class of projections that keeps its rows itself, such as in a database."""

    async def stored_position(self, places: ViewPlaces) -> Position:
        """Up to where the stored rows follow the log; 0 if there are none. It is a `classmethod` of the class."""


class StoredViews:
    """The views of an application, in its store.

    Args:
        projections: those of the application; of several versions of one view, the first is active by default.
        store: the application's, with the application's codec.
        clock: tells the time.
        places: where those are that have tables in a database.
    """

    def __init__(
        self, projections: Sequence[type[Projection]], store: EventStore, clock: Clock, places: ViewPlaces
    ) -> None:
        self._store = store
        self._places = places
        self._clock = clock
        self._active = ActiveVersions(store)
        self._views: dict[str, ServedView] = {}
        for projection in projections:
            view = self._views.setdefault(projection.view_name, ServedView(projection))
            view.versions[projection.view_version] = projection

    def find(self, name: str, version: int | None = None) -> ServedView:
        """The view of a name, which has a version.

        Raises:
            UnknownView: the application has no such view, or not this version of it.
        """
        found = self._views.get(name)
        if found is None:
            raise UnknownView(f"the application has no view {name!r}; known: {one_of(sorted(self._views))}")
        if version is not None:
            found.version(version)
        return found

    async def statuses(self) -> list[StoredView]:
        """What is stored of each version of each view.

        Raises:
            StoreError: the store can't be read.
        """
        head = await self._store.head()
        found: list[StoredView] = []
        for view in self._views.values():
            active = await self.active(view)
            found += [await self._status(kind, head, active=kind is active) for kind in view.versions.values()]
        return found

    async def active(self, view: ServedView) -> type[Projection]:
        """The version of a view that the next start serves.

        Raises:
            StoreError: the store can't be read.
        """
        version = await self._active.read(view.name)
        return view.projection if version is None else view.versions.get(version, view.projection)

    async def _status(self, kind: type[Projection], head: int, *, active: bool) -> StoredView:
        position, stored_at, rows = Position(0), None, None
        itself: object = kind
        if isinstance(itself, StoresPosition):
            position = await itself.stored_position(self._places)
        elif issubclass(kind, TableProjection) and kind.snapshot_every is not None:
            manifest = await ViewSnapshots(self._store, kind, self._clock).manifest()
            if manifest is not None:
                position, stored_at, rows = Position(manifest.position), instant(manifest.taken_at), manifest.rows
        return StoredView(kind.view, active, position, Position(head), stored_at, rows)

    async def rebuild(self, kind: type[Projection], tell: Tell, *, in_place: bool = False) -> Position:
        """Follow the log from its beginning up to its head, and store what that gives. Strict, as every rebuild is.

        A view that stores nothing is built all the same, and thrown away: then it is known that it can be.

        Args:
            kind: which one.
            tell: told after each page how far it has come.
            in_place: whether tables that serve may be emptied for it. Nobody must serve or follow the view meanwhile.
                If the building ends early, the next start of the application goes on with what is there.

        Returns:
            The position up to which it followed.

        Raises:
            ViewFailed: an event could not be followed. What was stored is as it was; tables that served are gone.
            StoreError: the log could not be read, or nothing be stored.
            DefinitionError: rows can't be put into a snapshot.
            ViewVersionTaken: the tables of this version serve, and it isn't `in_place`.
        """
        if not in_place:
            await self._check_place(kind)
        build = await begin_build(kind, self._store, self._clock, self._places)
        try:
            await self._catch_up(build, tell)
            projection = await build.finish()
        except BaseException:
            await build.discard()
            raise
        await build.close()
        if isinstance(projection, TableProjection) and projection.snapshot_every is not None and build.position:
            snapshots = ViewSnapshots(self._store, type(projection), self._clock)
            (last,) = await self._store.page_all(build.position - 1, 1)
            await snapshots.forget()
            await snapshots.save(Picture(projection), last)
        return build.position

    async def _check_place(self, kind: type[Projection]) -> None:
        """A build begins by removing what there is of its version, so that must not be what serves."""
        itself: object = kind
        if not isinstance(itself, StoresPosition) or kind is not await self.active(self._views[kind.view_name]):
            return
        if await itself.stored_position(self._places):
            raise ViewVersionTaken(kind.view)

    async def _catch_up(self, build: ViewBuild, tell: Tell) -> None:
        while True:
            page = await self._store.page(Selection(after=build.position))
            await build.follow(page.events)
            tell(build.position, page.head)
            if not page.events:
                return

    async def swap(self, view: ServedView, version: int) -> None:
        """Let the next start of the application serve a version.

        Raises:
            UnknownView: the application doesn't have that version.
            StoreError: it could not be stored.
        """
        view.version(version)
        await self._active.write(view.name, version)
