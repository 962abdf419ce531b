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
        live = self._open.get(number)
        if live is None:
            deferred.fail(ApplicationError("the subscription is closed"))
        elif live.awaited:
            deferred.fail(ApplicationError("another task waits for the subscription's next answer"))
        else:
            live.wait(deferred, received)
            self._look(live, ask)

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
            live.waiting = None
            deferred.fail(error)
        else:
            if live.changed(answer):
                live.waiting = None
                deferred.reply(answer)

    def fail(self, error: Exception) -> None:
        """The view has stopped: those who wait get the error."""
        for live in self._open.values():
            if live.waiting is not None:
                live.waiting.fail(error)
                live.waiting = None
