"""The events of a transaction that isn't committed yet, to be found by types and tags. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from headwater.store.model import NewEvent
from headwater.store.query import AppendCondition, QueryItem


class Pending:
    """The events of the transaction itself, against which later conditions of the same transaction are checked."""

    __slots__ = ("_by_tag", "_events")

    def __init__(self) -> None:
        self._events: list[tuple[int, NewEvent]] = []
        self._by_tag: dict[str, list[tuple[int, NewEvent]]] = {}

    def add(self, position: int, event: NewEvent) -> None:
        """An event will lie at this position."""
        self._events.append((position, event))
        for tag in event.tags:
            self._by_tag.setdefault(tag, []).append((position, event))

    def first_conflict(self, condition: AppendCondition) -> int | None:
        """The lowest position of an event that the condition excludes."""
        items = condition.query.items or (QueryItem(),)
        found = [self._first(item, condition.after) for item in items]
        return min((position for position in found if position is not None), default=None)

    def _first(self, item: QueryItem, after: int) -> int | None:
        for position, event in self._candidates(item):
            if position > after and item.matches(event.type, event.tags):
                return position
        return None

    def _candidates(self, item: QueryItem) -> Iterable[tuple[int, NewEvent]]:
        if not item.tags:
            return self._events
        return min((self._by_tag.get(tag, []) for tag in item.tags), key=len)
