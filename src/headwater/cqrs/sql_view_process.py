"""The process of one view in a database: it answers queries while a task of it follows the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from headwater.clock import instant
from headwater.cqrs.active_versions import ActiveVersions
from headwater.cqrs.catch_up import CatchUp
from headwater.cqrs.live_queries import LiveQueries
from headwater.cqrs.pause import pause
from headwater.cqrs.projection import Broadcast, Projection
from headwater.cqrs.query import Query
from headwater.cqrs.served_view import ServedView
from headwater.cqrs.sql_build import SqlBuild
from headwater.cqrs.sql_following import SqlFollowing
from headwater.cqrs.sql_live_reading import LiveReading
from headwater.cqrs.sql_projection import SQLProjection
from headwater.cqrs.sql_view import SqlView
from headwater.cqrs.view_build import ViewBuild
from headwater.cqrs.view_places import ViewPlaces
from headwater.cqrs.view_process import PAGE, ViewProcess
from headwater.cqrs.view_status import ViewStatus
from headwater.cqrs.waiting import Waiting
from headwater.errors import ApplicationError, InternalError, StoreError, ViewUnavailable
from headwater.runtime.backoff import Backoff
from headwater.runtime.down import Exited
from headwater.runtime.exits import Reason
from headwater.runtime.reply import Deferred
from headwater.runtime.task import Task
from headwater.runtime.task_process import trap_exits
from headwater.store.store import EventStore
from headwater.types import Position

MAX_READING: Final = 1_000
"""How many queries may be read or wait for their turn. Those beyond are answered `ApplicationError`."""

BACKOFF: Final = Backoff(0.05, 5.0)
"""How long the view waits before it tries a database again that can't be reached."""

_log: Final = logging.getLogger("headwater.cqrs")


class SQLViewProcess(ViewProcess):
    """Keeps one view in a database up to date, and reads its answers there.

    Queries don't wait for batches. An event that can't be followed stops the view, and only the view: from then on
    queries raise `ViewFailed`. The rows stay as they were before that event, and after a restart with mended code the
    view goes on from there. A database that can't be reached stops nothing: the view tries again.
    """

    async def init(  # type: ignore[override]  # it has to know where
        self, store: EventStore, served: ServedView, broadcast: Broadcast, places: ViewPlaces, *, catch_up: bool
    ) -> None:
        """Follow the log, as a view in memory does, from the checkpoint.

        Raises:
            ViewDatabaseError: the tables aren't what they should be, or can't be reached.
        """
        kind = served.projection
        if not issubclass(kind, SQLProjection):
            raise InternalError(f"{kind.__qualname__} has no tables in a database")
        self._log_store = store
        self._served = served
        self._clock = self.pid.process.node.clock
        self._chance = self.pid.process.node.rng
        self._waiters = Waiting(f"view {served.name!r}")
        self._reads: set[asyncio.Task[None]] = set()
        self._live = LiveQueries()
        self._live_reading = LiveReading(self._read)
        self._bell = asyncio.Event()
        self._turn = asyncio.Lock()
        self._trouble: str | None = None
        self._moved_at: int | None = None
        view = await SqlView.open(kind, places.address(kind))
        unwatch = store.watch(self._bell.set)
        try:
            self._serve_from(await SqlBuild.prepare(view, store))
            await self._begin(wait=catch_up)
            self._task = await Task.run(self._keep_following, unwatch)
        except BaseException:
            unwatch()
            await view.database.close()
            raise

    def _serve_from(self, build: SqlBuild) -> None:
        self._build = build
        self._rows_of = build.projection
        self._following: SqlFollowing = build.following

    async def _begin(self, *, wait: bool) -> None:
        position, head = self._following.position, await self._log_store.head()
        self._catch_up = CatchUp(self._rows_of.view, position, head, self._clock)
        while not self._catch_up.reached(self._following.position) and wait and await self._following.follow_page():
            pass
        self._bell.set()

    # --- what others ask -------------------------------------------------------------------------------------

    def ask(self, query: Query[object]) -> Deferred[object]:
        """The answer, read from the tables as they stand now.

        Raises (through the answer):
            ViewFailed: the view has stopped.
            ViewCatchingUp: it has not been at the log's head yet.
            ViewUnavailable: the database is at fault.
            ApplicationError: too many queries wait already.
            Exception: whatever the projection's method raised; the view goes on.
        """
        deferred = self.defer(object)
        refusal = self._refusal()
        if refusal is not None:
            deferred.fail(refusal)
        elif len(self._reads) >= MAX_READING:
            deferred.fail(ApplicationError(f"{MAX_READING:,} queries wait for view {self._rows_of.view!r} already"))
        else:
            read = asyncio.get_running_loop().create_task(self._answer(query, deferred))
            self._reads.add(read)
            read.add_done_callback(self._reads.discard)
        return deferred

    def _refusal(self) -> ApplicationError | None:
        if self._following.failure is not None:
            return self._following.failure
        return None if self._catch_up.done else self._catch_up.refusal()

    async def _answer(self, query: Query[object], deferred: Deferred[object]) -> None:
        try:
            deferred.reply(await self._read(query))
        except Exception as error:  # noqa: BLE001 - a question never harms the view
            deferred.fail(error)

    async def _read(self, query: Query[object]) -> object:
        return await self._build.read(query)

    def reached(self, position: int) -> Deferred[Position]:
        """Answered as soon as all partitions have followed the log up to `position`."""
        deferred = self.defer(Position)
        if self._following.failure is not None:
            deferred.fail(self._following.failure)
        elif self._following.position >= position:
            deferred.reply(self._following.position)
        else:
            self._waiters.add(position, Position(position), deferred)
        return deferred

    def status(self, head: int) -> ViewStatus:
        """How far the view has come. `failure` also tells of a database that can't be reached."""
        position, failure = self._following.position, self._following.failure
        lag = max(head - position, 0)
        return ViewStatus(
            self._rows_of.view,
            position,
            self._trouble if failure is None else str(failure),
            "failed" if failure is not None else "catching up" if lag >= PAGE or not self._catch_up.done else "live",
            Position(position + lag),
            lag,
            None if self._moved_at is None else instant(self._moved_at // 1_000),
        )

    def follow(self) -> None:
        """Look for new events."""
        self._bell.set()

    def handle_info(self, message: object) -> None:
        """End with the task that follows the log."""
        match message:
            case Exited(reason=reason):
                self.stop(reason)
            case _:
                super().handle_info(message)

    async def terminate(self, reason: Reason) -> None:
        """Wait until the batch that is being written is done, and the connections are closed."""
        await self._task.shutdown()

    # --- live queries ----------------------------------------------------------------------------------------

    def next_answer(self, number: int, received: int) -> Deferred[object]:
        """Answered as soon as a subscription's answer isn't the one that it received last; it has received so many.

        Raises (through the answer):
            ViewFailed: the view has stopped.
            ViewCatchingUp: it has not been at the log's head yet.
            ViewUnavailable: the database is at fault.
            Exception: whatever the projection's method raised; the view goes on.
        """
        deferred = self.defer(object)
        refusal = self._refusal()
        if refusal is not None:
            deferred.fail(refusal)
        elif (live := self._live.enter(number, received, deferred)) is not None:
            self._live_reading.look(live)
        return deferred

    def _look(self) -> None:
        for live in self._live.waiting():
            self._live_reading.look(live)

    # --- another build ---------------------------------------------------------------------------------------

    async def _adopt(self, kind: type[Projection], build: ViewBuild) -> Position | None:
        """As for a view in memory. The tables of the version that served stay, and aren't followed any more."""
        if not isinstance(build, SqlBuild):
            raise InternalError(f"{kind.__qualname__} has no tables in a database")
        async with self._turn:
            if self._following.position - build.position >= PAGE:
                return None
            await self._meet(build)
            await build.finish()
            await ActiveVersions(self._log_store).write(self._served.name, kind.view_version)
            self._served.versions[kind.view_version] = self._served.projection = kind
            old, position = self._build, build.position
            self._serve_from(build)
            self._trouble, self._moved_at, self._catch_up.done = None, self._clock.wall(), True
        self._waiters.answer(position)
        self._look()
        self._bell.set()
        await self._let_go(old)
        return position

    async def _meet(self, build: SqlBuild) -> None:
        """Let whichever of the two is behind follow the last events."""
        while build.position < self._following.position:
            behind = self._following.position - build.position
            await build.follow(await self._log_store.page_all(build.position, behind))
        ahead = build.position - self._following.position
        if self._following.failure is None and 0 < ahead <= PAGE:
            try:
                await self._following.follow(await self._log_store.page_all(self._following.position, ahead))
            except ViewUnavailable as error:
                _log.warning("view %r is replaced where it stands: %s", self._rows_of.view, error)

    async def _let_go(self, old: SqlBuild) -> None:
        """Close the connections to the tables that served."""
        try:
            await old.close()
        except ViewUnavailable as error:
            _log.warning("view %r: %s", old.projection.view, error)

    # --- following -------------------------------------------------------------------------------------------

    async def _keep_following(self, unwatch: Callable[[], None]) -> None:
        """Follow the log until the process ends, then clean up."""
        trap_exits()  # the clean-up is waited for
        try:
            while True:  # also when an event has stopped the view: another build of it may be adopted
                await self._bell.wait()
                self._bell.clear()
                await self._follow_to_the_end()
        finally:
            unwatch()
            self._live_reading.stop()
            for read in tuple(self._reads):
                read.cancel()
            await self._build.close()

    async def _follow_to_the_end(self) -> None:
        failures = 0
        while self._following.failure is None:
            async with self._turn:
                before = self._following.changes
                more = await self._follow_page()
            self._tell(changed=self._following.changes != before)
            if self._trouble is not None:
                await pause(self._clock, BACKOFF.delay(failures, self._chance.random()))
                failures += 1
            elif not more:
                return
            else:
                failures = 0

    async def _follow_page(self) -> bool:
        position = self._following.position
        try:
            more = await self._following.follow_page()
            self._trouble = None
        except (ViewUnavailable, StoreError) as error:
            self._following.forget()
            self._trouble = str(error)
            _log.warning("view %r waits: %s", self._rows_of.view, error)
            return True
        if self._following.position != position:
            self._moved_at = self._clock.wall()
            self._catch_up.reached(self._following.position)
        return more

    def _tell(self, *, changed: bool) -> None:
        """Tell those who wait for a position or an answer."""
        self._waiters.answer(self._following.position)
        failure = self._following.failure
        if failure is not None:
            _log.error("%s", failure, exc_info=failure.__cause__)
            self._waiters.fail(failure)
            self._live.fail(failure)
        elif changed:
            self._look()
