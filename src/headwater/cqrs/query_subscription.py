"""A query that goes on being answered: what the subscriber has of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Generic, Self, TypeVar, cast

from headwater.cqrs.query import Query
from headwater.cqrs.view_process import ViewProcess
from headwater.errors import ApplicationError
from headwater.runtime.pid import Pid

Answer = TypeVar("Answer")


class QuerySubscription(Generic[Answer]):
    """The answers to a query: first the one of now, then each that differs from the one given before.

        async with application.subscription(BalanceOf("a-1")) as balances:
            async for balance in balances:
                print(balance)

    The view's answer is looked at after each page of events that it has followed, at least one of which it has a method
    for. Who is slower than the changes gets the latest answer and none of those in between; nothing is queued. It lives
    on when another build of the view is swapped in. Only one task may iterate over it.

    The iteration ends with:

    - `ViewFailed`: the view stopped at an event. The last answer was that of the events before it, or older;
    - `ViewCatchingUp`, instead of a first answer: it has not caught up with the log yet, see `Application`;
    - whatever the projection's method raised for this query;
    - `ProcessDown`: the application has ended, or the view's process was restarted.

    Args:
        view: the view's process.
        query: what is asked.
        timeout: seconds that opening may take; None waits for ever.
    """

    def __init__(self, view: Pid[ViewProcess], query: Query[Answer], timeout: float | None) -> None:
        self._view = view
        self._query = query
        self._timeout = timeout
        self._number: int | None = None
        self._received = 0

    async def __aenter__(self) -> Self:
        """Open it.

        Raises:
            TooManySubscriptions: the view has 1,000 already.
            DeadlineExceeded: the view has not answered in time.
        """
        if self._number is not None:
            raise ApplicationError("a subscription is entered once")
        number = await self._view.within(self._timeout).call(ViewProcess.subscribe, self._query)
        self._number = number
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._number is not None:
            self._view.cast(ViewProcess.unsubscribe, self._number)

    def __aiter__(self) -> AsyncIterator[Answer]:
        return self

    async def __anext__(self) -> Answer:
        if self._number is None:
            raise ApplicationError("use a subscription in `async with`")
        answer = await self._view.within(None).call(ViewProcess.next_answer, self._number, self._received)
        self._received += 1
        return cast("Answer", answer)
