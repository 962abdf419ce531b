"""Those who wait for a view's next answer."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Final

from headwater.cqrs.query import Query
from headwater.errors import ApplicationError, TooManySubscriptions
from headwater.immutable import frozen_copy
from headwater.runtime.reply import Deferred

MAX_LIVE: Final = 1_000
"""How many subscriptions a view may have at a time."""

_NOTHING: Final = object()


class LiveQuery:
    """One subscription to the answers of a query, as its view knows it. Used by one subscriber.

    Args:
        query: what is asked.
    """

    __slots__ = ("_given", "_last", "query", "waiting")

    def __init__(self, query: Query[object]) -> None:
        self.query = query
        self.waiting: Deferred[object] | None = None
        self._last: object = _NOTHING
        self._given = 0

    def wait(self, deferred: Deferred[object], received: int) -> None:
        """The subscriber wants the next answer, having received so many."""
        if received != self._given:  # it was cancelled just when it was given one
            self._last, self._given = _NOTHING, received
        self.waiting = deferred

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for an answer."""
        return self.waiting is not None and not self.waiting.abandoned

    def offer(self, answer: object) -> None:
        """Give the answer to the subscriber that waits, if it isn't the one before."""
        waiting = self.waiting
        if waiting is not None and self.changed(answer):
            self.waiting = None
            waiting.reply(answer)

    def fail(self, error: Exception) -> None:
        """Give an error to the subscriber that waits."""
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            waiting.fail(error)

    def changed(self, answer: object) -> bool:
        """Whether the answer isn't the one before. It counts as given from now on."""
        value = frozen_copy(answer)  # a list that the view goes on changing would equal itself
        if self._last is not _NOTHING and value == self._last:
            return False
        self._last = value
        self._given += 1
        return True


class LiveQueries:
    """The subscriptions of one view.

    A subscriber asks for its next answer when it has done with the last one. So a slow one costs nothing: what changes
    meanwhile is looked at when it asks, and it gets the latest answer.
    """

    def __init__(self) -> None:
        self._open: dict[int, LiveQuery] = {}
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, query: Query[object]) -> int:
        """Open a subscription. Returns its number.

        Raises:
            TooManySubscriptions: there are 1,000 already.
        """
        if len(self._open) >= MAX_LIVE:
            raise TooManySubscriptions(f"the view has {MAX_LIVE:,} subscriptions already")
        number = next(self._numbers)
        self._open[number] = LiveQuery(query)
        return number

    def remove(self, number: int) -> None:
        """Close a subscription. Harmless when it is closed."""
        self._open.pop(number, None)

    def wait(
        self, number: int, received: int, deferred: Deferred[object], ask: Callable[[Query[object]], object]
    ) -> None:
        """Answer as soon as the answer is another one than the last; at once if it is already."""
        live = self.enter(number, received, deferred)
        if live is not None:
            self._look(live, ask)

    def enter(self, number: int, received: int, deferred: Deferred[object]) -> LiveQuery | None:
        """A subscriber waits for its next answer, which the caller looks for. None if it can't: it was told why."""
        live = self._open.get(number)
        if live is None:
            deferred.fail(ApplicationError("the subscription is closed"))
        elif live.awaited:
            deferred.fail(ApplicationError("another task waits for the subscription's next answer"))
        else:
            live.wait(deferred, received)
            return live
        return None

    def waiting(self) -> list[LiveQuery]:
        """Those whose subscribers wait for an answer."""
        return [live for live in self._open.values() if live.awaited]

    def look(self, ask: Callable[[Query[object]], object]) -> None:
        """The view has changed: answer those who wait, if their answers have."""
        for live in self._open.values():
            if live.waiting is not None:
                self._look(live, ask)

    def _look(self, live: LiveQuery, ask: Callable[[Query[object]], object]) -> None:
        deferred = live.waiting
        if deferred is None or deferred.abandoned:
            live.waiting = None
            return
        try:
            answer = ask(live.query)
        except Exception as error:  # noqa: BLE001 - a question never harms the view
            live.fail(error)
        else:
            live.offer(answer)

    def fail(self, error: Exception) -> None:
        """The view has stopped: those who wait get the error."""
        for live in self._open.values():
            live.fail(error)
