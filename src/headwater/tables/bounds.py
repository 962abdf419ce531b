"""Bounds of a table: how many rows, and for how long. Pure: the time is passed in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from headwater.errors import DefinitionError


class Bounds:
    """Which rows have to go, and in which order.

    Beyond `max_rows` those go first that came first; a row that is replaced keeps its place. Rows whose time is over
    go in the order in which they were last written.

    Args:
        max_rows: how many rows there may be; None for any number.
        time_to_live: seconds that a row lives after it was last written; None for ever.

    Raises:
        DefinitionError: one of them isn't positive.
    """

    __slots__ = ("_arrived", "_written", "max_rows", "time_to_live")

    def __init__(self, max_rows: int | None, time_to_live: float | None) -> None:
        if max_rows is not None and max_rows < 1:
            raise DefinitionError(f"a table holds at least one row; max_rows can't be {max_rows}")
        if time_to_live is not None and not time_to_live > 0:
            raise DefinitionError(f"rows live for a positive number of seconds; time_to_live can't be {time_to_live}")
        self.max_rows = max_rows
        self.time_to_live = time_to_live
        self._arrived: OrderedDict[Hashable, int] = OrderedDict()
        self._written: OrderedDict[Hashable, float] = OrderedDict()

    @classmethod
    def of(cls, max_rows: int | None, time_to_live: float | None) -> Bounds | None:
        """The bounds, or None if there are none.

        Raises:
            DefinitionError: one of them isn't positive.
        """
        return None if max_rows is None and time_to_live is None else cls(max_rows, time_to_live)

    def wrote(self, row: Hashable, now: float) -> None:
        """A row was inserted or replaced. `row` is what it is known by here."""
        self._arrived.setdefault(row, 0)
        if self.time_to_live is not None:
            self._written[row] = now + self.time_to_live
            self._written.move_to_end(row)

    def removed(self, row: Hashable) -> None:
        """A row has gone."""
        self._arrived.pop(row, None)
        self._written.pop(row, None)

    def clear(self) -> None:
        """All have gone."""
        self._arrived.clear()
        self._written.clear()

    def oldest(self) -> Hashable:
        """The one that came first."""
        return next(iter(self._arrived))

    def expired(self, now: float) -> list[Hashable]:
        """Those whose time is over, in the order in which they have to go."""
        due: list[Hashable] = []
        for row, end in self._written.items():
            if end > now:
                break
            due.append(row)
        return due
