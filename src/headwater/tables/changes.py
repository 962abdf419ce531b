"""Change events: who wants to hear of a table's writes, and what they hear."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Final, Literal, TypeAlias

import msgspec

_log: Final = logging.getLogger("headwater.tables")

ChangeKind: TypeAlias = Literal["inserted", "replaced", "deleted", "evicted", "expired", "cleared"]


class TableChanged(msgspec.Struct, frozen=True):
    """One row of a table was written or has gone; or all have, if the kind is `cleared`.

    Attributes:
        table: the table's name, or None.
        kind: what happened.
        key: the row's key; None if the table was cleared.
        old: the row that was there, or None.
        new: the row that is there now, or None.
    """

    table: str | None
    kind: ChangeKind
    key: object = None
    old: object = None
    new: object = None


Listener: TypeAlias = Callable[[TableChanged], object]


class Changes:
    """The changes of one table that are yet to be told, and who is told of them.

    Changes are told in the order in which they were made, each to all listeners, after the write that made them, a
    list's after the whole list. A listener that raises is logged and stays.
    """

    __slots__ = ("_busy", "_listeners", "_waiting")

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._waiting: deque[TableChanged] = deque()
        self._busy = False

    def __bool__(self) -> bool:
        return bool(self._listeners)

    def add(self, listener: Listener) -> None:
        """Tell it of what happens from now on."""
        self._listeners = [*self._listeners, listener]

    def remove(self, listener: Listener) -> None:
        """Tell it no more. Harmless when it wasn't told."""
        self._listeners = [other for other in self._listeners if other is not listener]

    def note(self, change: TableChanged) -> None:
        """Something happened. It is told with the next `tell`."""
        if self._listeners:
            self._waiting.append(change)

    def tell(self) -> None:
        """Tell all that waits. What listeners change in their turn is told after that."""
        if self._busy or not self._waiting:
            return
        self._busy = True
        try:
            while self._waiting:
                self._tell_all(self._waiting.popleft())
        finally:
            self._busy = False

    def _tell_all(self, change: TableChanged) -> None:
        for listener in self._listeners:
            try:
                listener(change)
            except Exception:  # noqa: BLE001 - the write is done; a listener can't undo it
                _log.exception("a listener of table %s raised", change.table)


class ChangeSubscription:
    """A listener's subscription.

    Args:
        changes: of which table.
        listener: who.
    """

    __slots__ = ("_changes", "_listener")

    def __init__(self, changes: Changes, listener: Listener) -> None:
        self._changes = changes
        self._listener = listener
        changes.add(listener)

    def end(self) -> None:
        """Hear no more. Harmless when it has ended already."""
        self._changes.remove(self._listener)
