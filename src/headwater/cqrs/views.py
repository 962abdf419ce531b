"""The read side of an application: its views, whoever asks them, and how they are replaced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeVar, cast

from headwater.codec import TypeRegistry
from headwater.cqrs.active_versions import ActiveVersions
from headwater.cqrs.projection import Broadcast, Projection, TableProjection
from headwater.cqrs.query import Query
from headwater.cqrs.query_subscription import QuerySubscription
from headwater.cqrs.router import QueryRouter
from headwater.cqrs.served_view import ServedView
from headwater.cqrs.view_builder import ViewBuilder
from headwater.cqrs.view_choice import prepare_view, view_child
from headwater.cqrs.view_places import ViewPlaces
from headwater.cqrs.view_process import ViewProcess
from headwater.cqrs.view_status import RebuildProgress, ViewStatus
from headwater.errors import (
    DefinitionError,
    NameTaken,
    ProcessError,
    RebuildRunning,
    UnknownView,
    ViewVersionTaken,
    one_of,
)
from headwater.runtime.child import Child
from headwater.runtime.pid import Pid
from headwater.runtime.system import System
from headwater.store.store import EventStore
from headwater.types import Position

Answer = TypeVar("Answer")

_PROGRESS_WITHIN: Final = 1.0


class Views:
    """An application's views, each served by one process, whichever of its versions that is.

    Args:
        projections: the versions that are known at first. Of several of one view, the first serves, unless another was
            made the active one.
        system: where their processes live.
        types: learns the events of projections that come later.
        places: where those are that have tables in a database.
        catch_up: those that follow the log to its head before anything else, in whichever version; None for all.

    Raises:
        UnknownView: `catch_up` names another one.
        DefinitionError: two projections have the same name and version, or two views answer the same query; or
            snapshots of one can't be taken; or one names no proper database.
    """

    def __init__(
        self,
        projections: Sequence[type[Projection]],
        system: System,
        types: TypeRegistry,
        places: ViewPlaces,
        catch_up: Sequence[type[Projection]] | None = None,
    ) -> None:
        self._router = QueryRouter(projections)
        self._system = system
        self._types = types
        self._places = places
        self._served: dict[str, ServedView] = {}
        for projection in projections:
            self._know(projection)
        for projection in catch_up or ():
            self._router.check(projection)
        self._catch_up = set(self._served) if catch_up is None else {one.view_name for one in catch_up}

    def _know(self, projection: type[Projection]) -> None:
        if issubclass(projection, TableProjection):
            projection.check_state()
        if projection.in_database:
            self._places.address(projection)
        served = self._served.setdefault(projection.view_name, ServedView(projection))
        served.versions[projection.view_version] = projection

    @property
    def served(self) -> Iterable[ServedView]:
        """The views, in the order in which they were given."""
        return self._served.values()

    async def children(self, store: EventStore, broadcast: Broadcast) -> list[Child]:
        """What a supervisor has to start: the process of each view, of the version that is the active one.

        Those that have to catch up first come first.

        Raises:
            StoreError: the store can't be read.
            ViewDatabaseError: the tables of a view aren't what they should be, or can't be reached.
        """
        active = ActiveVersions(store)
        for served in self.served:
            version = await active.read(served.name)
            first = next(iter(served.versions.values()))
            served.projection = first if version is None else served.versions.get(version, first)
            await prepare_view(served.projection, self._places)
        awaited = [one for one in self.served if one.name in self._catch_up]
        later = [one for one in self.served if one.name not in self._catch_up]
        return [
            *(view_child(store, one, broadcast, self._places, catch_up=True) for one in awaited),
            *(view_child(store, one, broadcast, self._places, catch_up=False) for one in later),
        ]

    # --- asking ----------------------------------------------------------------------------------------------

    async def query(self, query: Query[Answer], timeout: float | None) -> Answer:
        """Ask the view. See `Application.query`."""
        view = self._answering(query).within(timeout)
        return cast("Answer", await view.call(ViewProcess.ask, query))

    def subscription(self, query: Query[Answer], timeout: float | None) -> QuerySubscription[Answer]:
        """A live query. See `Application.subscription`."""
        return QuerySubscription(self._answering(query), query, timeout)

    def _answering(self, query: Query[object]) -> Pid[ViewProcess]:
        return self._process(self._served[self._router.route(query).view_name])

    def known(self, view: type[Projection]) -> Pid[ViewProcess]:
        """The process that serves a view, whichever version of it is named.

        Raises:
            UnknownView: the application has no such projection.
        """
        self._router.check(view)
        return self._process(self._served[view.view_name])

    def _process(self, served: ServedView) -> Pid[ViewProcess]:
        return self._system.named(ViewProcess, served.process_name)

    # --- status ----------------------------------------------------------------------------------------------

    async def statuses(self, store: EventStore) -> list[ViewStatus]:
        """How far each view has come. See `Application.views`."""
        head = await store.head()
        return [await self._status(served, head) for served in self.served]

    async def _status(self, served: ServedView, head: int) -> ViewStatus:
        status = await self._process(served).call(ViewProcess.status, head)
        return status.with_rebuild(await self._progress(served))

    async def _progress(self, served: ServedView) -> RebuildProgress | None:
        try:
            builder = self._system.named(ViewBuilder, _builder_name(served))
            return await builder.within(_PROGRESS_WITHIN).call(ViewBuilder.progress)
        except (ProcessError, TimeoutError):
            return None  # there is none, or it has just ended, or is just handing over

    # --- rebuilding ------------------------------------------------------------------------------------------

    async def rebuild(self, store: EventStore, kind: type[Projection]) -> Position:
        """Build a view anew beside the one that serves, and swap. See `Application.rebuild`."""
        served = self._served.get(kind.view_name)
        if served is None:
            known = one_of(sorted(self._served))
            raise UnknownView(f"the application has no view {kind.view_name!r} to be replaced; known: {known}")
        self._admit(kind, served)
        try:
            builder = await self._system.start(
                ViewBuilder, store, kind, self._process(served), self._places, name=_builder_name(served)
            )
        except NameTaken as error:
            raise RebuildRunning(f"view {served.name!r} is being rebuilt already") from error
        try:
            return await builder.within(None).call(ViewBuilder.built)
        finally:
            await builder.stop(timeout=None)

    def _admit(self, kind: type[Projection], served: ServedView) -> None:
        """Make sure that a class can replace what serves, and know it from now on."""
        self._check_place(kind, served.projection)
        missing = set(served.projection.queries()).difference(kind.queries())
        if missing:
            raise DefinitionError(
                f"{kind.__qualname__} can't replace {served.projection.__qualname__}: it has no answer for "
                f"{one_of(sorted(query.__qualname__ for query in missing))}"
            )
        for event in kind.events():
            self._types.register(event, event.type_name, event.tagger)
        self._router.add(kind)
        self._know(kind)

    def _check_place(self, kind: type[Projection], serving: type[Projection]) -> None:
        if kind.in_database != serving.in_database:
            raise DefinitionError(
                f"{kind.__qualname__} can't replace {serving.__qualname__}: one of them has its rows in a database, "
                "and the other one in memory; give the new one another name"
            )
        if kind.in_database and kind.view_version == serving.view_version:
            raise ViewVersionTaken(kind.view)


def _builder_name(served: ServedView) -> str:
    return f"rebuild of view {served.name}"
