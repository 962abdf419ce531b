"""The process of one view: it follows the log, and answers queries in between."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from headwater.clock import instant
from headwater.cqrs.active_versions import ActiveVersions
from headwater.cqrs.catch_up import CatchUp
from headwater.cqrs.follower import FollowerProcess
from headwater.cqrs.live_queries import LiveQueries
from headwater.cqrs.projection import Broadcast, Projection
from headwater.cqrs.query import Query
from headwater.cqrs.served_view import ServedView
from headwater.cqrs.snapshot_keeper import SnapshotKeeper
from headwater.cqrs.view_build import LOOK, TURN, ViewBuild, view_failed
from headwater.cqrs.view_status import ViewStatus
from headwater.cqrs.waiting import Waiting
from headwater.errors import ApplicationError, ViewFailed
from headwater.runtime.exits import Reason
from headwater.runtime.process import current
from headwater.runtime.reply import Deferred
from headwater.store.model import StoredEvent
from headwater.store.store import EventStore
from headwater.types import Position

PAGE: Final = 1_000
"""How many events a view follows at most before it looks for queries. It does after 20 ms in any case."""

_log: Final = logging.getLogger("headwater.cqrs")


class Adoption(NamedTuple):
    """What became of the offer of a build.

    Attributes:
        position: where it took over; None if it is too far behind, or failed.
        error: why it could not be adopted; None if nothing went wrong. What served then goes on serving.
    """

    position: Position | None = None
    error: Exception | None = None


class ViewProcess(FollowerProcess):
    """Keeps one view up to date.

    Each wake-up makes it read the log after its own position, one page at a time; queries are answered between
    two pages, never in the middle of one. An event that its handler can't digest stops the view, and only the
    view: from then on queries raise `ViewFailed`, until another build of it is adopted.
    """

    trap_exit = True  # so that `terminate` stops the wake-ups

    async def init(self, store: EventStore, served: ServedView, broadcast: Broadcast, *, catch_up: bool) -> None:
        """Follow the log from the last snapshot.

        Args:
            store: where the log is.
            served: the view.
            broadcast: where it tells of its changes.
            catch_up: follow the log up to its present head before anything else. Otherwise queries are refused until
                the view is there.
        """
        self._store = store
        self._served = served
        self._broadcast = broadcast
        self._clock = self.pid.process.node.clock
        self._failure: ViewFailed | None = None
        self._waiting = Waiting(f"view {served.projection.view!r}")
        self._live = LiveQueries()
        self._moved_at: int | None = None
        self._woken = False
        self._keeper = SnapshotKeeper(store, served.projection, self._clock)
        found = await self._keeper.load()
        projection, position = (served.projection(), Position(0)) if found is None else found
        self._serve(projection, position)
        self._unwatch: Callable[[], None] = store.watch(self._wake)
        try:
            await self._begin(wait=catch_up)
        except BaseException:
            self._unwatch()  # `terminate` isn't run
            raise
        self._wake()

    async def _begin(self, *, wait: bool) -> None:
        head = await self._store.head()
        self._catch_up = CatchUp(self._projection.view, self._position, head, self._clock)
        self._look_whether_caught_up()
        while wait and not self._catch_up.done and await self._follow_page():
            pass

    def follow(self) -> None:
        """Follow the next page of the log, and come back for the one after it."""
        self._woken = False
        if self._failure is not None:
            return
        page = self._store.recent_all(self._position, PAGE)
        if page is None:
            self.then(ViewProcess.catch_up)
            return
        token = current.set(self.pid.process)  # a task that a projection begins comes from here
        try:
            self._apply(page)
        finally:
            current.reset(token)
        if page and (len(page) == PAGE or page[-1].position > self._position):  # what comes behind a shorter one, wakes
            self._wake()

    async def catch_up(self) -> None:
        """The same when the page isn't in memory."""
        if self._failure is None and await self._follow_page():
            self._wake()

    def ask(self, query: Query[object]) -> Deferred[object]:
        """The projection's answer as it stands now.

        Raises (through the answer):
            ViewFailed: the view has stopped.
            ViewCatchingUp: it has not been at the log's head yet.
            Exception: whatever the projection's method raised; the view goes on.
        """
        deferred = self.defer(object)
        if self._failure is not None or not self._catch_up.done:
            deferred.fail(self._failure or self._catch_up.refusal())
            return deferred
        try:
            deferred.reply(self._projection.ask(query))
        except Exception as error:  # noqa: BLE001 - a question never harms the view
            deferred.fail(error)
        return deferred

    def reached(self, position: int) -> Deferred[Position]:
        """Answered as soon as the view has followed the log up to `position`."""
        deferred = self.defer(Position)
        if self._failure is not None:
            deferred.fail(self._failure)
        elif self._position >= position:
            deferred.reply(Position(self._position))
        else:
            self._waiting.add(position, Position(position), deferred)
        return deferred

    def status(self, head: int) -> ViewStatus:
        """How far the view has come, given the log's head."""
        position, head = Position(self._position), Position(max(head, self._position))
        lag = head - position
        return ViewStatus(
            self._projection.view,
            position,
            None if self._failure is None else str(self._failure),
            "failed"
            if self._failure is not None
            else "catching up"
            if lag >= PAGE or not self._catch_up.done
            else "live",
            head,
            lag,
            None if self._moved_at is None else instant(self._moved_at // 1_000),
            self._keeper.position,
        )

    async def terminate(self, reason: Reason) -> None:
        """Stop listening for wake-ups, and saving snapshots."""
        self._unwatch()
        await self._keeper.stop()

    # --- live queries ----------------------------------------------------------------------------------------

    def subscribe(self, query: Query[object]) -> Deferred[int]:
        """Open a subscription to the answers of a query. Returns its number.

        Raises (through the answer):
            TooManySubscriptions: there are as many as there may be.
        """
        deferred = self.defer(int)
        try:
            deferred.reply(self._live.add(query))
        except ApplicationError as error:
            deferred.fail(error)
        return deferred

    def unsubscribe(self, number: int) -> None:
        """Close a subscription."""
        self._live.remove(number)

    def next_answer(self, number: int, received: int) -> Deferred[object]:
        """Answered as soon as a subscription's answer isn't the one that it received last; it has received so many.

        Raises (through the answer):
            ViewFailed: the view has stopped.
            ViewCatchingUp: it has not been at the log's head yet.
            Exception: whatever the projection's method raised; the view goes on.
        """
        deferred = self.defer(object)
        if self._failure is not None or not self._catch_up.done:
            deferred.fail(self._failure or self._catch_up.refusal())
        else:
            self._live.wait(number, received, deferred, self._projection.ask)
        return deferred

    # --- another build ---------------------------------------------------------------------------------------

    async def adopt(self, kind: type[Projection], build: ViewBuild) -> Adoption:
        """Serve with another build of this view from now on, if it is less than a page behind.

        Whichever of the two is behind follows the last events, while this process does nothing else; so they change
        places at one position. A view that has stopped, or is more than a page behind, is taken forward by the change.
        Those who wait for a position or for an answer go on waiting.
        """
        try:
            return Adoption(await self._adopt(kind, build))
        except Exception as error:  # noqa: BLE001 - whatever it is, the view goes on as it was
            return Adoption(error=error)

    async def _adopt(self, kind: type[Projection], build: ViewBuild) -> Position | None:
        if self._position - build.position >= PAGE:
            return None
        while build.position < self._position:
            await build.follow(await self._store.page_all(build.position, self._position - build.position))
        if self._failure is None and 0 < build.position - self._position <= PAGE:
            self._apply(await self._store.page_all(self._position, build.position - self._position))
        keeper = SnapshotKeeper(self._store, kind, self._clock)
        await self._keeper.stop()
        await keeper.forget()  # what it was built from may be what was wrong
        projection = await build.finish()
        if kind is not self._served.projection:
            await ActiveVersions(self._store).write(self._served.name, kind.view_version)
        self._served.versions[kind.view_version] = self._served.projection = kind
        self._keeper, self._failure, self._catch_up.done = keeper, None, True
        self._serve(projection, build.position)
        projection.go_live(self._broadcast)
        self._waiting.answer(Position(self._position))
        self._live.look(projection.ask)
        await self._take_snapshot()
        self._wake()
        return build.position

    def _serve(self, projection: Projection, position: int) -> None:
        self._projection = projection
        self._types = self._store.stored_types(projection.events())
        self._position = position

    async def _take_snapshot(self) -> None:
        for last in await self._store.page_all(self._position - 1, 1) if self._position else ():
            self._keeper.take(self._projection, last)

    # --- following -------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if not self._woken and self._failure is None:
            self._woken = True
            self.pid.cast(ViewProcess.follow)

    async def _follow_page(self) -> bool:
        """Follow one page. False if there was none, or the view has stopped."""
        page = await self._store.page_all(self._position, PAGE)
        self._apply(page)
        return bool(page) and self._failure is None

    def _apply(self, page: Sequence[StoredEvent]) -> None:
        """Follow the events of a page, or the first of them if that takes long."""
        unfold, follow, types, now = self._store.unfold, self._projection.follow, self._types, self._clock.monotonic
        until, touched, stored = now() + TURN, False, None
        for stored in page:
            try:
                if stored.type in types:
                    touched = True
                    for recorded in unfold(stored):
                        follow(recorded)
            except Exception as error:  # noqa: BLE001 - whatever it is, only this view stops
                self._stop_at(stored, error)
                return
            self._position = stored.position
            if stored.position % LOOK == 0 and now() > until:
                break
        if stored is not None:
            self._moved(stored, touched=touched)

    def _look_whether_caught_up(self) -> None:
        if self._catch_up.reached(self._position):
            self._projection.go_live(self._broadcast)

    def _moved(self, last: StoredEvent, *, touched: bool) -> None:
        self._moved_at = self._clock.wall()
        self._look_whether_caught_up()
        self._waiting.answer(Position(self._position))
        if touched:
            self._live.look(self._projection.ask)
        self._keeper.followed(self._projection, last)

    def _stop_at(self, stored: StoredEvent, error: Exception) -> None:
        view = self._projection.view
        _log.exception("view %r stopped at position %d (%s)", view, stored.position, stored.type)
        self._failure = view_failed(view, stored, error)
        self._waiting.fail(self._failure)
        self._live.fail(self._failure)
