"""P12: whatever consumers do, nothing is lost, doubled, or given unasked, and nobody starves.

A model keeps what each consumer has asked for and got, and what the producer was asked for and gave. It knows nothing
of how demand is counted; each dispatcher has to agree with it after every step of a random history.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from headwater import BroadcastDispatcher, DemandDispatcher, PartitionDispatcher
from headwater.errors import InvalidSubscription
from headwater.stages.buffer import Buffer, Keep
from headwater.stages.dispatchers.dispatcher import Delivery, Dispatcher
from headwater.stages.options import SubscribeOptions
from headwater.stages.outlet import Outlet

PARTITIONS = 3
SIZE = 15
LIMIT = 4
ROUNDS = 40
SELECTORS: dict[str, Callable[[int], bool]] = {
    "odd": lambda event: event % 2 == 1,
    "rare": lambda event: event % 7 == 0,
    "none": lambda event: False,
}


def place(event: int) -> tuple[int, int] | None:
    return None if event % 11 == 0 else (event, event % PARTITIONS)


@dataclass
class Member:
    """A consumer in the model."""

    selector: Callable[[int], bool]
    partition: Hashable
    begins: int
    asked: int = 0
    got: list[int] = field(default_factory=list)

    @property
    def pending(self) -> int:
        return self.asked - len(self.got)


class Machine(RuleBasedStateMachine):
    """What all dispatchers must do."""

    dispatcher: Dispatcher[int]

    def make(self) -> Dispatcher[int]:
        raise NotImplementedError

    @initialize(keep=st.sampled_from(["first", "last"]))
    def begin(self, keep: Keep) -> None:
        self.dispatcher = self.make()
        self.outlet = Outlet(self.dispatcher, Buffer(SIZE, keep))
        self.members: dict[int, Member] = {}
        self.left: list[Member] = []
        self.keys = 0
        self.emitted = 0
        self.discarded: set[int] = set()
        self.told = 0  # what the producer was asked for and has not given
        self.marks: list[tuple[int, set[int]]] = []

    # --- what happens --------------------------------------------------------------------------------------------

    @rule(selector=st.sampled_from([None, *SELECTORS]), partition=st.integers(0, PARTITIONS - 1))
    def subscribe(self, selector: str | None, partition: int) -> None:
        self.keys += 1
        terms = self.terms(selector, partition)
        try:
            self.outlet.subscribe(self.keys, self.keys, terms)
        except InvalidSubscription:
            assert any(member.partition == partition for member in self.members.values())
            return
        self.members[self.keys] = Member(terms.selector or (lambda _: True), terms.partition, self.dispatched())

    @precondition(lambda self: self.members)
    @rule(data=st.data(), demand=st.integers(1, 9))
    def ask(self, data: st.DataObject, demand: int) -> None:
        key = data.draw(st.sampled_from(sorted(self.members)))
        self.members[key].asked += demand
        self.deliver(self.outlet.ask(key, demand))

    @precondition(lambda self: self.members)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.members)))
        self.left.append(self.members.pop(key))
        self.deliver(self.outlet.cancel(key))

    @rule(share=st.floats(0, 1))
    def produce(self, share: float) -> None:
        """The producer hears of demand, and gives some of what it owes."""
        self.hear()
        self.give(round(self.told * share))

    @rule(count=st.integers(1, 20))
    def produce_unasked(self, count: int) -> None:
        self.give(count)

    @rule()
    def accumulate(self) -> None:
        self.outlet.form = "accumulate"

    @rule()
    def forward(self) -> None:
        self.outlet.form = "forward"

    @rule()
    def mark(self) -> None:
        self.marks.append((len(self.marks), self.waiting()))
        self.outlet.mark(len(self.marks) - 1)

    # --- what must be true ---------------------------------------------------------------------------------------

    @invariant()
    def nobody_gets_more_than_asked_for_and_all_in_order(self) -> None:
        for member in [*self.members.values(), *self.left]:
            assert member.pending >= 0
            assert member.got == sorted(set(member.got))

    @invariant()
    def demand_is_never_negative(self) -> None:
        assert self.outlet.owed >= 0
        assert 0 <= self.dispatcher.wanted <= self.dispatcher.room

    @invariant()
    def queues_are_bounded_and_empty_while_there_is_room(self) -> None:
        assert self.outlet.buffered <= SIZE + self.most_queued()
        assert self.outlet.buffered == self.dispatcher.queued or not self.dispatcher.room

    @invariant()
    def marks_are_due_when_all_before_them_is_gone(self) -> None:
        waiting = self.waiting()
        due = [name for name, before in self.marks if name >= 0 and not before & waiting]
        assert self.outlet.due() == due
        self.marks = [(-1 if name in due else name, before) for name, before in self.marks]

    @invariant()
    def nothing_is_lost(self) -> None:
        self.check_all_are_somewhere()

    def teardown(self) -> None:
        """Nobody starves: who asks gets something, if the producer gives what it is asked for and all others read."""
        if not hasattr(self, "outlet"):
            return
        self.outlet.form = "forward"
        for partition in self.unread():
            self.subscribe(None, partition)
        before = {key: len(member.got) for key, member in self.members.items()}
        for _ in range(ROUNDS):
            for key, member in self.members.items():
                if not member.pending:
                    member.asked += 1
                    self.deliver(self.outlet.ask(key, 1))
            self.hear()
            self.give(min(self.told, 10))
        self.nothing_is_lost()
        for key, member in self.members.items():
            assert len(member.got) > before[key] or member.selector is SELECTORS["none"]

    # --- how -----------------------------------------------------------------------------------------------------

    def hear(self) -> None:
        asked_for = self.outlet.take_demand()
        if self.outlet.form == "accumulate":
            assert asked_for == 0
        elif self.members:
            assert asked_for <= max(sum(member.pending for member in self.members.values()) - self.told, 0)
            assert self.told + asked_for >= self.dispatcher.wanted
        else:
            assert asked_for == 0
        self.told += asked_for

    def give(self, count: int) -> None:
        events = list(range(self.emitted, self.emitted + count))
        self.emitted += count
        self.told = max(self.told - count, 0)
        deliveries, discarded = self.outlet.emit(events)
        self.deliver(deliveries)
        self.discarded.update(discarded)

    def deliver(self, deliveries: list[Delivery[int]]) -> None:
        for key, events in deliveries:
            assert events
            self.members[key].got += events

    def received(self) -> list[int]:
        return [event for member in [*self.members.values(), *self.left] for event in member.got]

    def waiting(self) -> set[int]:
        """The events that were emitted and wait for demand."""
        return set(range(self.emitted)) - self.discarded - set(self.received())

    def check_all_are_somewhere(self) -> None:
        received = self.received()
        assert len(received) == len(set(received)), "an event was given twice"
        assert len(received) + len(self.discarded) + self.outlet.buffered == self.emitted

    def terms(self, selector: str | None, partition: int) -> SubscribeOptions[int]:
        return SubscribeOptions()

    def dispatched(self) -> int:
        return 0

    def most_queued(self) -> int:
        return 0

    def unread(self) -> list[int]:
        return []


class DemandMachine(Machine):
    def make(self) -> Dispatcher[int]:
        return DemandDispatcher()


class PartitionMachine(Machine):
    def make(self) -> Dispatcher[int]:
        return PartitionDispatcher(PARTITIONS, hash=place, limit=LIMIT)

    def terms(self, selector: str | None, partition: int) -> SubscribeOptions[int]:
        return SubscribeOptions(partition=partition)

    def most_queued(self) -> int:
        return PARTITIONS * LIMIT

    def unread(self) -> list[int]:
        return sorted(set(range(PARTITIONS)) - {member.partition for member in self.members.values()})

    def waiting(self) -> set[int]:
        return {event for event in super().waiting() if place(event) is not None}

    def check_all_are_somewhere(self) -> None:
        received = self.received()
        assert len(received) == len(set(received)), "an event was given twice"
        unwanted = sum(place(event) is None for event in set(range(self.emitted)) - self.discarded)
        queued = self.outlet.buffered - self.dispatcher.queued
        rest = self.emitted - len(received) - len(self.discarded) - self.dispatcher.queued
        assert rest - unwanted <= queued <= rest
        for member in [*self.members.values(), *self.left]:
            assert all(event % PARTITIONS == member.partition for event in member.got)

    def hear(self) -> None:
        before = self.told
        self.told += self.outlet.take_demand()
        if self.told > before:
            assert self.told <= max(member.pending for member in self.members.values())

    # A mark may be due while the model still counts events that nobody wants as waiting in the buffer, and the other
    # way round; `test_a_mark_waits_for_all_partitions` looks at marks.
    @rule()
    def mark(self) -> None:
        pass


class BroadcastMachine(Machine):
    def make(self) -> Dispatcher[int]:
        return BroadcastDispatcher()

    def terms(self, selector: str | None, partition: int) -> SubscribeOptions[int]:
        return SubscribeOptions(selector=None if selector is None else SELECTORS[selector])

    def dispatched(self) -> int:
        """How many events have gone to everybody who was there."""
        return self.emitted - len(self.discarded) - self.outlet.buffered

    def waiting(self) -> set[int]:
        kept = [event for event in range(self.emitted) if event not in self.discarded]
        return set(kept[self.dispatched() :])

    def check_all_are_somewhere(self) -> None:
        kept = [event for event in range(self.emitted) if event not in self.discarded]
        for member in self.members.values():
            wanted = [event for event in kept[member.begins : self.dispatched()] if member.selector(event)]
            assert member.got == wanted

    def hear(self) -> None:
        asked_for = self.outlet.take_demand()
        slowest = min((member.pending for member in self.members.values()), default=0)
        assert asked_for == (0 if self.outlet.form == "accumulate" else max(slowest - self.told, 0))
        self.told += asked_for


def _case(machine: type[Machine], row: str) -> type:
    case = machine.TestCase
    case.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
    return pytest.mark.row(row)(case)


TestDemand = _case(DemandMachine, "GE-13")
TestBroadcast = _case(BroadcastMachine, "GE-14")
TestPartition = _case(PartitionMachine, "GE-15")
