"""A named subscription as a state machine: what happens goes in, what shall be done comes out. Pure.

Whoever runs it (`subscription_owner`) does what each output says, and tells the machine what came of it. The machine
promises, whatever happens in whatever order:

- every event that is read is delivered, and delivered again until somebody has acknowledged it;
- in the order of the log to a single consumer; in the order of each key to several of them;
- no consumer ever has more unacknowledged events than allowed;
- no checkpoint is at or above an event that was read and isn't acknowledged, however the write was brought about;
- a bounded number of events is in memory;
- it never waits for something that nobody will tell it.

Events are opaque: two functions tell their places and keys.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Final, Generic, Literal, TypeVar

from headwater.errors import AlreadyAcknowledged, NotDelivered
from headwater.store.subscription_dispatch import Dispatch, Item, event_in
from headwater.store.subscription_limits import Limits, Phase
from headwater.store.subscription_output import (
    Abandon,
    Deliver,
    Output,
    Read,
    Release,
    StartTimer,
    WriteCheckpoint,
)
from headwater.store.subscription_progress import Progress

E = TypeVar("E")


class SubscriptionMachine(Generic[E]):
    """One subscription, from the moment that it has an owner until it has none.

    Each method is an input, and returns what is to be done now, in this order. Once the machine has ended, inputs
    that come late do nothing.

    Args:
        checkpoint: everything up to this place is done.
        limits: its numbers.
        place_of: tells where an event lies.
        key_of: tells the key of an event; None for no keys.
    """

    def __init__(
        self,
        checkpoint: int,
        limits: Limits,
        place_of: Callable[[E], int],
        key_of: Callable[[E], Hashable] | None = None,
    ) -> None:
        self._limits: Final = limits
        self._place_of: Final = place_of
        self._key_of: Final = key_of
        self._progress: Final = Progress(checkpoint)
        self._dispatch: Final[Dispatch[E]] = Dispatch(limits.unacknowledged, keyed=key_of is not None)
        self._ended: Literal["closed", "lost"] | None = None
        self._reading = False
        self._more = True  # the log may hold events that were not read yet
        self._writing: int | None = None
        self._unwritten = 0  # acknowledgements since the last checkpoint
        self._due = False
        self._timer_runs = False

    # --- what it is like ---------------------------------------------------------------------------------------

    @property
    def phase(self) -> Phase:
        """What it is doing."""
        if self._ended is not None:
            return self._ended
        if not self._dispatch.consumers:
            return "idle"
        if self._dispatch.waiting or (not self._reading and self._more):
            return "full"
        return "catching up" if self._reading else "live"

    @property
    def checkpoint(self) -> int:
        """What is written down: everything up to this place is done."""
        return self._progress.checkpoint

    @property
    def floor(self) -> int:
        """Everything up to this place is done, written down or not."""
        return self._progress.floor

    @property
    def consumers(self) -> int:
        """How many consumers there are."""
        return self._dispatch.consumers

    @property
    def unacknowledged(self) -> int:
        """How many events were delivered and not acknowledged."""
        return self._dispatch.unacknowledged

    @property
    def waiting(self) -> int:
        """How many events were read and not delivered."""
        return self._dispatch.waiting

    # --- inputs: the log ---------------------------------------------------------------------------------------

    def start(self) -> list[Output[E]]:
        """The subscription has an owner."""
        return self._go_on()

    def wake(self) -> list[Output[E]]:
        """There may be new events."""
        self._more = True
        return self._go_on()

    def page(self, events: Sequence[E], covered: int, *, more: bool) -> list[Output[E]]:
        """A page was read, as asked for.

        Args:
            events: in order, all behind the place that was named.
            covered: everything up to this place was looked at.
            more: there are more events behind the page.
        """
        if self._ended:
            return []
        items = self._items(events)  # may raise, being the application's: nothing has changed yet
        self._reading = False
        self._more = self._more or more
        self._progress.read([item[0] for item in items], covered)
        self._dispatch.add(items)
        return self._go_on()

    # --- inputs: consumers -------------------------------------------------------------------------------------

    def join(self, consumer: int) -> list[Output[E]]:
        """A consumer has come, under a number that no other has had."""
        if self._ended:
            return []
        self._dispatch.join(consumer)
        return self._go_on()

    def leave(self, consumer: int) -> list[Output[E]]:
        """A consumer has gone, or died. What it had not acknowledged goes to others."""
        if self._ended:
            return []
        self._dispatch.leave(consumer)
        return self._go_on()

    def acknowledge(self, consumer: int, events: Sequence[E]) -> list[Output[E]]:
        """A consumer has done with some of the events that were delivered to it.

        Raises:
            NotDelivered: it has no such event. Nothing was acknowledged.
            AlreadyAcknowledged: one was acknowledged before, or comes twice. Nothing was acknowledged.
        """
        if self._ended:
            return []
        places = list(map(self._place_of, events))
        self._check(consumer, places, events)
        return self._acknowledged(consumer, places)

    def acknowledge_up_to(self, consumer: int, event: E) -> list[Output[E]]:
        """A consumer has done with an event, and with all that were delivered to it before that one.

        Raises:
            NotDelivered, AlreadyAcknowledged: see `acknowledge`.
        """
        if self._ended:
            return []
        last = self._place_of(event)
        self._check(consumer, [last], [event])
        places = []
        for place in self._dispatch.delivered(consumer):
            places.append(place)
            if place == last:
                break
        return self._acknowledged(consumer, places)

    # --- inputs: checkpoints -----------------------------------------------------------------------------------

    def timer_fired(self) -> list[Output[E]]:
        """The time after which a checkpoint shall be written is over."""
        self._timer_runs = False
        return self.checkpoint_due()

    def checkpoint_due(self) -> list[Output[E]]:
        """Write a checkpoint now, if there is anything new to write."""
        self._due = True
        return [] if self._ended else list(self._checkpoints())

    def checkpoint_written(self) -> list[Output[E]]:
        """The checkpoint that was asked for is written down."""
        if self._writing is not None:
            self._progress.checkpoint = self._writing
            self._writing = None
        return [] if self._ended else list(self._checkpoints())

    def checkpoint_failed(self) -> list[Output[E]]:
        """The checkpoint that was asked for isn't written down. It is tried again when the next one is due."""
        self._writing = None
        self._due = False
        return [] if self._ended else list(self._checkpoints())

    # --- inputs: the end ---------------------------------------------------------------------------------------

    def close(self) -> list[Output[E]]:
        """Nobody consumes any more. A checkpoint that is being written has been waited for."""
        if self._ended:
            return []
        self._ended = "closed"
        return [Release(self._progress.floor)]

    def lose(self) -> list[Output[E]]:
        """Somebody else owns the subscription now."""
        if self._ended:
            return []
        self._ended = "lost"
        return [Abandon()]

    # --- inside ------------------------------------------------------------------------------------------------

    def _items(self, events: Sequence[E]) -> list[Item[E]]:
        keys: tuple[Hashable, ...] = (None,) * len(events)
        if self._key_of is not None:
            keys = tuple(map(self._key_of, events))
            hash(keys)  # raises now if one of them can't be a key
        return list(zip(map(self._place_of, events), keys, events, strict=True))

    def _go_on(self) -> list[Output[E]]:
        if self._ended:
            return []
        outputs: list[Output[E]] = list(self._deliveries())
        if self._more and not self._reading and self._has_room:
            self._reading, self._more = True, False
            outputs.append(Read(self._progress.covered, self._limits.page))
        outputs += self._checkpoints()
        return outputs

    def _deliveries(self) -> list[Deliver[E]]:
        return self._dispatch.deliver() if self._dispatch.waiting else []

    @property
    def _has_room(self) -> bool:
        limits = self._limits
        return self._dispatch.waiting <= limits.page and self._progress.width < limits.window

    def _check(self, consumer: int, places: Sequence[int], events: Sequence[E]) -> None:
        delivered = self._dispatch.delivered(consumer)
        items = [item for item in map(delivered.get, places) if item is not None]
        if list(map(event_in, items)) != list(events):
            wrong = (place for place, event in zip(places, events, strict=True) if not _has(delivered, place, event))
            self._refuse(next(wrong))
        if len(set(places)) != len(places):
            raise AlreadyAcknowledged("an event stands twice in one acknowledgement")

    def _refuse(self, place: int) -> None:
        if self._progress.is_done(place):
            raise AlreadyAcknowledged(f"the event at {place} was acknowledged already")
        raise NotDelivered(f"the event at {place} is none that was delivered to this consumer")

    def _acknowledged(self, consumer: int, places: Sequence[int]) -> list[Output[E]]:
        self._dispatch.acknowledge(consumer, places)
        self._progress.acknowledge(places)
        self._unwritten += len(places)
        return self._go_on()

    def _checkpoints(self) -> Iterable[WriteCheckpoint | StartTimer]:
        """At most one is written at a time, and only up to the floor."""
        floor = self._progress.floor
        if self._writing is not None or floor <= self._progress.checkpoint:
            return
        if self._due or self._unwritten >= self._limits.checkpoint_every:
            self._writing, self._due, self._unwritten = floor, False, 0
            yield WriteCheckpoint(floor)
        elif not self._timer_runs:
            self._timer_runs = True
            yield StartTimer()


def _has(delivered: Mapping[int, Item[E]], place: int, event: E) -> bool:
    item = delivered.get(place)
    return item is not None and item[2] == event
