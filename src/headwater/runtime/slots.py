"""A supervisor's children, in the order of their start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headwater.errors import ChildExists, ChildUnknown, WrongArguments, one_of
from headwater.runtime.child import ChildCounts
from headwater.runtime.process import Process
from headwater.runtime.slot import Slot


class Slots:
    """Slots by id, and by the process that stands in them."""

    __slots__ = ("_by_id",)

    def __init__(self) -> None:
        self._by_id: dict[str, Slot] = {}

    def add(self, slot: Slot) -> None:
        """Append a slot.

        Raises:
            ChildExists: there is one of this id.
        """
        present = self._by_id.get(slot.child.id)
        if present is not None:
            raise ChildExists(f"there is a child {slot.child.id!r} already; it is {present.state}")
        self._by_id[slot.child.id] = slot

    def remove(self, slot: Slot) -> None:
        """Forget a slot."""
        del self._by_id[slot.child.id]

    def get(self, child: str) -> Slot:
        """The slot of this id.

        Raises:
            ChildUnknown: there is none.
            WrongArguments: this is no id.
        """
        given: object = child
        if not isinstance(given, str):
            raise WrongArguments(f"a child is named by its id, a string, not by {given!r}")
        slot = self._by_id.get(child)
        if slot is None:
            raise ChildUnknown(f"there is no child {child!r}; there are: {one_of(list(self._by_id))}")
        return slot

    def of(self, process: Process) -> Slot | None:
        """The slot in which this process stands."""
        return next((slot for slot in self if slot.process is process), None)

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._by_id.values())

    def __reversed__(self) -> Iterator[Slot]:
        return reversed(self._by_id.values())


def count(slots: Iterable[Slot]) -> ChildCounts:
    """How many there are."""
    listed = list(slots)
    supervisors = sum(slot.child.kind == "supervisor" for slot in listed)
    return ChildCounts(
        specs=len(listed),
        active=sum(slot.process is not None for slot in listed),
        supervisors=supervisors,
        workers=len(listed) - supervisors,
    )
