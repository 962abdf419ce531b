"""The process of one view in a database: it answers queries while a task of it follows the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from headwater.cqrs.projection import Broadcast, Projection
from headwater.cqrs.query import Query
from headwater.cqrs.sql_address import ViewAddress
from headwater.cqrs.sql_following import SqlFollowing
from headwater.cqrs.sql_projection import SQLProjection
from headwater.cqrs.sql_rows import Rows
from headwater.cqrs.sql_view import SqlView
from headwater.cqrs.view_process import ViewProcess, ViewStatus
from headwater.cqrs.view_waiters import ViewWaiters
from headwater.errors import ApplicationError, InternalError, StoreError, ViewUnavailable
from headwater.runtime.backoff import Backoff
from headwater.runtime.down import Exited
from headwater.runtime.exits import Reason
from headwater.runtime.reply import Deferred
from headwater.runtime.task import Task
from headwater.runtime.task_process import trap_exits
from headwater.store.postgres.patience import pause
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
        self, store: EventStore, kind: type[Projection], broadcast: Broadcast, address: ViewAddress
    ) -> None:
        """Follow the log up to its present head, then wait for wake-ups.

        Raises:
            ViewDatabaseError: the tables aren't what they should be, or can't be reached.
        """
        if not issubclass(kind, SQLProjection):
            raise InternalError(f"{kind.__qualname__} has no tables in a database")
        self._log_store = store
        self._clock = self.pid.process.node.clock
        self._chance = self.pid.process.node.rng
        self._waiters = ViewWaiters(kind.view)
        self._reads: set[asyncio.Task[None]] = set()
        self._bell = asyncio.Event()
        self._trouble: str | None = None
        self._sql = await SqlView.open(kind, address)
        try:
            self._rows_of = await self._prepare(kind)
            unwatch = store.watch(self._bell.set)
            await self._catch_up()
            self._task = await Task.run(self._keep_following, unwatch)
        except BaseException:
            await self._sql.database.close()
            raise

    async def _prepare(self, kind: type[SQLProjection]) -> SQLProjection:
        await self._sql.create()
        projection = kind()
        projection.dialect = self._sql.database.dialect.name
        self._following = SqlFollowing(self._log_store, projection, self._sql.database)
        await self._following.begin()
        return projection

    async def _catch_up(self) -> None:
        head = await self._log_store.head()
        while self._following.position < head and await self._following.follow_page():
            pass
        self._bell.set()

    # --- what others ask -------------------------------------------------------------------------------------

    def ask(self, query: Query[object]) -> Deferred[object]:
        """The answer, read from the tables as they stand now.

        Raises (through the answer):
            ViewFailed: the view has stopped.
            ViewUnavailable: the database is at fault.
            ApplicationError: too many queries wait already.
            Exception: whatever the projection's method raised; the view goes on.
        """
        deferred = self.defer(object)
        if self._following.failure is not None:
            deferred.fail(self._following.failure)
        elif len(self._reads) >= MAX_READING:
            deferred.fail(ApplicationError(f"{MAX_READING:,} queries wait for view {self._rows_of.view!r} already"))
        else:
            read = asyncio.get_running_loop().create_task(self._answer(query, deferred))
            self._reads.add(read)
            read.add_done_callback(self._reads.discard)
        return deferred

    async def _answer(self, query: Query[object], deferred: Deferred[object]) -> None:
        answer_from = self._rows_of.answer_from
        try:
            deferred.reply(await self._sql.database.read(lambda connection: answer_from(query, Rows(connection))))
        except Exception as error:  # noqa: BLE001 - a question never harms the view
            deferred.fail(error)

    def reached(self, position: int) -> Deferred[Position]:
        """Answered as soon as all partitions have followed the log up to `position`."""
        deferred = self.defer(Position)
        if self._following.failure is not None:
            deferred.fail(self._following.failure)
        elif self._following.position >= position:
            deferred.reply(self._following.position)
        else:
            self._waiters.add(position, deferred)
        return deferred

    def status(self) -> ViewStatus:
        """How far the view has come. `failure` also tells of a database that can't be reached."""
        failure = self._trouble if self._following.failure is None else str(self._following.failure)
        return ViewStatus(self._rows_of.view, self._following.position, failure)

    async def follow(self) -> None:
        """Look for new events."""
        self._bell.set()

    def handle_info(self, message: object) -> None:
        """End with the task that follows the log."""
        match message:
            case Exited(reason=reason):
                self.stop(reason)
            case _:
                super().handle_info(message)

    async def terminate(self, reason: Reason) -> None:  # type: ignore[override]  # a view in memory has nothing to wait for
        """Wait until the batch that is being written is done, and the connections are closed."""
        await self._task.shutdown()

    # --- following -------------------------------------------------------------------------------------------

    async def _keep_following(self, unwatch: Callable[[], None]) -> None:
        """Follow the log until the process ends, then clean up."""
        trap_exits()  # the clean-up is waited for
        try:
            while self._following.failure is None:
                await self._bell.wait()
                self._bell.clear()
                await self._follow_to_the_end()
            self._waiters.fail(self._following.failure)
            await asyncio.get_running_loop().create_future()  # until the end: the database is still open
        finally:
            unwatch()
            for read in tuple(self._reads):
                read.cancel()
            await self._sql.database.close()

    async def _follow_to_the_end(self) -> None:
        failures = 0
        more = True
        while more:
            try:
                more = await self._following.follow_page()
                failures, self._trouble = 0, None
            except (ViewUnavailable, StoreError) as error:
                self._following.forget()
                self._trouble = str(error)
                _log.warning("view %r waits: %s", self._rows_of.view, error)
                await pause(self._clock, BACKOFF.delay(failures, self._chance.random()))
                failures += 1
            self._waiters.answer(self._following.position)
