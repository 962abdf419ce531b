"""The process of one projection: it follows the log, and answers queries in between."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from headwater.cqrs.projection import Broadcast, Projection
from headwater.cqrs.query import Query
from headwater.errors import ApplicationError, ViewFailed
from headwater.runtime.exits import Reason
from headwater.runtime.genserver import GenServer
from headwater.runtime.process import current
from headwater.runtime.reply import Deferred
from headwater.store.model import Recorded, StoredEvent
from headwater.store.store import EventStore
from headwater.types import Position

PAGE: Final = 1_000
"""How many events a view follows before it looks for queries."""

MAX_WAITING: Final = 100_000
"""How many callers may wait for a view to reach a position. Those beyond are answered `ApplicationError`."""

_log: Final = logging.getLogger("headwater.cqrs")


class ViewStatus(msgspec.Struct, frozen=True):
    """How far a view has come.

    Attributes:
        view: its name.
        position: the position up to which it has followed the log.
        failure: what stopped it, or None.
    """

    view: str
    position: Position
    failure: str | None


class ViewProcess(GenServer):
    """Keeps one projection up to date.

    Each wake-up makes it read the log after its own position, one page at a time; queries are answered between
    two pages, never in the middle of one. An event that its handler can't digest stops the view, and only the
    view: from then on queries raise `ViewFailed`.
    """

    trap_exit = True  # so that `terminate` stops the wake-ups

    async def init(self, store: EventStore, projection: type[Projection], broadcast: Broadcast) -> None:
        """Follow the log up to its present head, then wait for wake-ups."""
        self._store = store
        self._projection = projection()
        self._types = projection.type_names()
        self._position = 0
        self._failure: ViewFailed | None = None
        self._waiting: list[tuple[int, int, Deferred[Position]]] = []
        self._woken = False
        self._unwatch: Callable[[], None] = store.watch(self._wake)
        head = await store.head()
        while self._position < head and await self._follow_page():
            pass
        self._projection.go_live(broadcast)
        self._wake()

    def follow(self) -> None:
        """Follow the next page of the log, and come back for the one after it."""
        self._woken = False
        page = self._store.recent_all(self._position, PAGE)
        if page is None:
            self.then(ViewProcess.catch_up)
            return
        token = current.set(self.pid.process)  # a task that a projection begins comes from here
        self._apply(page)
        current.reset(token)
        if len(page) == PAGE:  # what comes behind a shorter one, wakes
            self._wake()

    async def catch_up(self) -> None:
        """The same when the page isn't in memory."""
        if await self._follow_page():
            self._wake()

    def ask(self, query: Query[object]) -> Deferred[object]:
        """The projection's answer as it stands now.

        Raises (through the answer):
            ViewFailed: the view has stopped.
            Exception: whatever the projection's method raised; the view goes on.
        """
        deferred = self.defer(object)
        if self._failure is not None:
            deferred.fail(self._failure)
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
        elif len(self._waiting) >= MAX_WAITING and not self._forget_abandoned():
            deferred.fail(ApplicationError(f"{MAX_WAITING:,} callers wait for view {self._projection.view!r} already"))
        else:
            heapq.heappush(self._waiting, (position, id(deferred), deferred))
        return deferred

    def _forget_abandoned(self) -> bool:
        """Make room where callers have given up. False if there is none."""
        for _, _, deferred in self._waiting:
            if deferred.abandoned:
                deferred.reply(Position(self._position))  # nobody hears it; it is released
        self._waiting = [entry for entry in self._waiting if not entry[2].resolved]
        heapq.heapify(self._waiting)
        return len(self._waiting) < MAX_WAITING

    def status(self) -> ViewStatus:
        """How far the view has come."""
        failure = None if self._failure is None else str(self._failure)
        return ViewStatus(self._projection.view, Position(self._position), failure)

    def terminate(self, reason: Reason) -> None:
        """Stop listening for wake-ups."""
        self._unwatch()

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
        decode, follow, types = self._store.decode, self._projection.follow, self._types
        for stored in page:
            try:
                if (stored.type, stored.schema) in types:  # equal to the `TypeName`, and cheaper
                    follow(Recorded(decode(stored), stored))
            except Exception as error:  # noqa: BLE001 - whatever it is, only this view stops
                self._stop_at(stored, error)
                return
            self._position = stored.position
        self._answer_waiting()

    def _stop_at(self, stored: StoredEvent, error: Exception) -> None:
        view = self._projection.view
        _log.exception("view %r stopped at position %d (%s)", view, stored.position, stored.type)
        self._failure = ViewFailed(view, stored.position, f"{type(error).__name__}: {error}")
        self._failure.__cause__ = error
        for _, _, deferred in self._waiting:
            deferred.fail(self._failure)
        self._waiting.clear()

    def _answer_waiting(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._position:
            heapq.heappop(self._waiting)[2].reply(Position(self._position))
