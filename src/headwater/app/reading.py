"""Questions and answers: the read side of an application."""

from __future__ import annotations

from typing import TypeVar

from headwater.app.base import DISPATCH_TIMEOUT, ApplicationBase
from headwater.cqrs.follower import Follower, FollowerProcess
from headwater.cqrs.projection import Projection
from headwater.cqrs.query import Query
from headwater.cqrs.query_subscription import QuerySubscription
from headwater.cqrs.view_status import ViewStatus
from headwater.types import Position

Answer = TypeVar("Answer")


class ReadingApplication(ApplicationBase):
    """Answers queries, and looks after views. See `Application`."""

    async def query(self, query: Query[Answer], *, timeout: float | None = DISPATCH_TIMEOUT) -> Answer:
        """Ask the view that answers this kind of query. It may lag behind the log: see `wait_for`.

        Raises:
            UnknownQuery: no projection answers it.
            ViewFailed: the view stopped at an event that it couldn't digest.
            ViewCatchingUp: it has not caught up with the log yet, and isn't one that has to first; see `catch_up`.
            DeadlineExceeded: no answer in time.
        """
        self._running()
        return await self._views.query(query, timeout)

    def subscription(
        self, query: Query[Answer], *, timeout: float | None = DISPATCH_TIMEOUT
    ) -> QuerySubscription[Answer]:
        """A query that goes on being answered: first the answer of now, then each one that differs from the last.

            async with bank.subscription(BalanceOf("a-1")) as balances:
                async for balance in balances:
                    print(balance)

        What a slow subscriber misses, and how it ends: see `QuerySubscription`.

        Args:
            query: what is asked.
            timeout: seconds that opening it may take; None waits for ever.

        Raises:
            UnknownQuery: no projection answers it.
        """
        self._running()
        return self._views.subscription(query, timeout)

    async def wait_for(
        self, view: type[Follower], position: int, *, timeout: float | None = DISPATCH_TIMEOUT
    ) -> Position:
        """Wait until a view has followed the log up to a position, or an event handler has handled it up to there.

        Returns how far it has come. A handler has also done with what it has skipped or parked.

        Args:
            view: one of the application's projections or event handlers.
            position: `Committed.position`, to read your own writes.
            timeout: seconds; None waits for ever.

        Raises:
            UnknownView, UnknownHandler: the application has no such projection or handler.
            CallingSelf: a handler waits for itself.
            ViewFailed, HandlerStopped: it stopped before that position.
            DeadlineExceeded: it isn't there yet.
        """
        return await self._follower(view).within(timeout).call(FollowerProcess.reached, position)

    async def views(self) -> list[ViewStatus]:
        """How far each view has come, in the order in which they were given; of a view the version that serves."""
        return await self._views.statuses(self.store)

    async def rebuild(self, view: type[Projection]) -> Position:
        """Build a view from the log's beginning, beside the one that serves, and let it take over.

            await bank.rebuild(Balances)            # the same code, after a mistake in it was mended
            await bank.rebuild(BalancesV2)          # class BalancesV2(..., name="Balances", version=2)

        The old one serves until the new one is where it is; they change places between two events. Queries never see
        the view at a lower position than before; who waits for a position, or has a subscription, goes on waiting.
        `views` tells how far it has come. Which version serves is stored, for the next start. If the caller is
        cancelled, the building ends, unless the two are just changing places.

        Args:
            view: one of the application's projections, or another version of one.

        Returns:
            The position at which it took over.

        Raises:
            ViewFailed: it could not follow an event. The old one serves on.
            UnknownView: the application has no view of that name.
            RebuildRunning: another build of it is under way.
            DefinitionError: it doesn't answer every query that the old one does, or its events or name clash.
            StartFailed: an object of the class can't be made. The old one serves on.
            StoreError: the log could not be read. The old one serves on.
        """
        return await self._views.rebuild(self.store, view)
