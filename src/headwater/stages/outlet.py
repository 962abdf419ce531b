"""What a producer owes, keeps and gives away. Pure.

All demand is derived from where things stand, never carried along: the producer is asked for what its dispatcher wants,
less what it was asked for already and still owes. So nothing gets lost or counted twice when consumers come, go, or
refuse events in between.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, Literal, TypeVar

from headwater.errors import DefinitionError
from headwater.stages.buffer import Buffer
from headwater.stages.demand import check_demand
from headwater.stages.dispatchers.dispatcher import Delivery, Dispatcher
from headwater.stages.options import SubscribeOptions

E = TypeVar("E")

DemandForm = Literal["forward", "accumulate"]
"""`forward`: the producer hears of demand at once. `accumulate`: it is kept until the form is `forward` again."""


def check_form(form: DemandForm) -> DemandForm:
    """Look at a form that somebody wants, and return it.

    Raises:
        DefinitionError: there is no such form.
    """
    if form not in ("forward", "accumulate"):
        raise DefinitionError(f"demand is forward or accumulate, not {form!r}")
    return form


class Outlet(Generic[E]):
    """The side of a producer from which events flow. It knows subscriptions by their keys.

    Invariant: while there is room at the dispatcher, nothing lies in the buffer.

    Args:
        dispatcher: who gets what.
        buffer: where events wait that nobody has asked for.
        form: whether the producer hears of demand.

    Raises:
        DefinitionError: there is no such form.

    Attributes:
        form: likewise.
        owed: how many events the producer was asked for and has not emitted.
    """

    __slots__ = ("_buffer", "_dispatcher", "form", "owed")

    def __init__(self, dispatcher: Dispatcher[E], buffer: Buffer[E], form: DemandForm = "forward") -> None:
        self._dispatcher = dispatcher
        self._buffer = buffer
        self.form: DemandForm = check_form(form)
        self.owed = 0

    def subscribe(self, key: int, process: Hashable, options: SubscribeOptions[E]) -> str | None:
        """Take a new consumer; see `Dispatcher.subscribe`.

        Raises:
            SubscriptionRefused: the dispatcher can't have it.
        """
        return self._dispatcher.subscribe(key, process, options)

    def ask(self, key: int, demand: int) -> list[Delivery[E]]:
        """A consumer asks for so many events more. Returns what was there for it and others.

        Raises:
            InvalidDemand: the demand isn't positive.
        """
        deliveries = self._dispatcher.ask(key, check_demand(demand))
        return deliveries + self._flow() if self._buffer else deliveries

    def cancel(self, key: int) -> list[Delivery[E]]:
        """A consumer has left. Returns what flows now because it held up others."""
        self._dispatcher.cancel(key)
        return self._flow()

    def emit(self, events: list[E], *, bounded: bool = True) -> tuple[list[Delivery[E]], list[E]]:
        """The producer gives events.

        Args:
            events: in order.
            bounded: whether the buffer's size holds for them.

        Returns:
            What goes to whom, and what was discarded because the buffer was full.
        """
        if not events:
            return [], []
        self.owed = max(self.owed - len(events), 0)
        if not self._buffer and len(events) <= self._dispatcher.room:
            return self._dispatcher.dispatch(events), []
        deliveries, left = self._place(events)
        if bounded:
            return deliveries, self._buffer.put(left)
        self._buffer.add(left)
        return deliveries, []

    @property
    def lacking(self) -> int:
        """How many events the producer should be asked for now."""
        return 0 if self.form == "accumulate" else max(self._dispatcher.wanted - self.owed, 0)

    def take_demand(self) -> int:
        """How many events the producer is to be asked for now. From now on it owes them."""
        demand = self.lacking
        self.owed += demand
        return demand

    def forgive(self) -> None:
        """The producer owes nothing any more: it is to be asked anew for all that is wanted."""
        self.owed = 0

    @property
    def has_room(self) -> bool:
        """Whether consumers want events, and none wait for them."""
        return self.form == "forward" and not self._buffer and self._dispatcher.wanted > 0

    @property
    def buffered(self) -> int:
        """How many events wait for demand."""
        return len(self._buffer) + self._dispatcher.queued

    def mark(self, message: object) -> None:
        """Queue a message behind all events that wait for demand."""
        self._buffer.mark(message)

    def due(self) -> list[object]:
        """The messages before which no event waits any more. Each is returned once."""
        due = self._dispatcher.due()
        return due + [message for message in self._buffer.due() if not self._dispatcher.mark(message)]

    def _place(self, events: list[E]) -> tuple[list[Delivery[E]], list[E]]:
        """Dispatch what there is room for. Returns the deliveries, and what is left."""
        deliveries: list[Delivery[E]] = []
        start = 0
        # Nothing overtakes what is in the buffer, also if a dispatcher of one's own has got room by itself meanwhile.
        while not self._buffer and start < len(events) and (room := self._dispatcher.room):
            deliveries += self._dispatcher.dispatch(events[start : start + room])
            start += room
        return deliveries, events[start:]

    def _flow(self) -> list[Delivery[E]]:
        """Dispatch what lies in the buffer, as far as there is room."""
        deliveries: list[Delivery[E]] = []
        while self._buffer and (room := self._dispatcher.room):
            deliveries += self._dispatcher.dispatch(self._buffer.take(room))
        return deliveries
