"""How much a consumer has asked for. Pure."""

from __future__ import annotations

from typing import Final

from headwater.errors import InvalidDemand

MAX_DEMAND: Final = 1_000
"""How many events a consumer has asked for and not handled at most, unless it says otherwise."""


def check_demand(demand: int) -> int:
    """The demand, if it is one.

    Raises:
        InvalidDemand: it isn't a positive whole number.
    """
    if type(demand) is not int or demand < 1:
        raise InvalidDemand(f"a demand is a positive whole number, not {demand!r}")
    return demand


def check_bounds(max_demand: int, min_demand: int) -> None:
    """Look at the bounds of a demand.

    Raises:
        InvalidDemand: `max_demand` isn't positive, `min_demand` is negative, or not below `max_demand`.
    """
    if type(max_demand) is not int or max_demand < 1:
        raise InvalidDemand(f"max_demand is a positive whole number, not {max_demand!r}")
    if type(min_demand) is not int or not 0 <= min_demand < max_demand:
        raise InvalidDemand(f"min_demand is from 0 to max_demand - 1 = {max_demand - 1}, not {min_demand!r}")


class Window:
    """What a consumer keeps asking for, so that never more than `max_demand` events are on their way to it.

    It asks for `max_demand` at first. When so many events are handled that no more than `min_demand` are still to
    come, it asks for as many as were handled.

    Args:
        max_demand: how many events may be asked for and not yet handled.
        min_demand: at how many of them it asks again.

    Raises:
        InvalidDemand: see `check_bounds`.
    """

    __slots__ = ("_handled", "_size", "max_demand")

    def __init__(self, max_demand: int, min_demand: int) -> None:
        check_bounds(max_demand, min_demand)
        self.max_demand = max_demand
        self._size = max_demand - min_demand
        self._handled = 0

    def handled(self, count: int) -> int:
        """So many events more were handled. Returns how many to ask for now; 0 is none."""
        self._handled += count
        if self._handled < self._size:
            return 0
        ask, self._handled = self._handled, 0
        return ask

    @property
    def batch_size(self) -> int:
        """How many events to handle at most before it asks again."""
        return self._size - self._handled
