"""Each dispatcher alone, and what once went wrong in the reference."""

from __future__ import annotations

from collections.abc import Hashable
from random import Random
from typing import Any

import pytest

from headwater import BroadcastDispatcher, DemandDispatcher, PartitionDispatcher
from headwater.errors import (
    AlreadySubscribed,
    DefinitionError,
    InvalidDemand,
    PartitionTaken,
    SubscriptionRefused,
    UnknownPartition,
)
from headwater.stages.buffer import Buffer
from headwater.stages.dispatchers.demand import PATIENCE
from headwater.stages.dispatchers.dispatcher import Dispatcher
from headwater.stages.options import SubscribeOptions
from headwater.stages.outlet import Outlet


def outlet(dispatcher: Dispatcher[int], size: int = 100) -> Outlet[int]:
    return Outlet(dispatcher, Buffer(size))


def join(target: Outlet[int] | Dispatcher[int], key: int, process: Hashable = None, **terms: object) -> str | None:
    return target.subscribe(key, key if process is None else process, SubscribeOptions(**terms))  # type: ignore[arg-type]


def given_to(deliveries: list[Any]) -> dict[int, list[int]]:
    received: dict[int, list[int]] = {}
    for key, events in deliveries:
        received.setdefault(key, []).extend(events)
    return received


# --- demand ----------------------------------------------------------------------------------------------------------


@pytest.mark.row("GE-13")
def test_the_biggest_demand_is_served_first_and_equal_ones_by_turns() -> None:
    dispatcher: DemandDispatcher[int] = DemandDispatcher()
    for key, demand in ((1, 2), (2, 5), (3, 2)):
        join(dispatcher, key)
        dispatcher.ask(key, demand)
    assert given_to(dispatcher.dispatch([1, 2, 3, 4])) == {2: [1, 2, 3, 4]}
    assert given_to(dispatcher.dispatch([5])) == {1: [5]}
    assert given_to(dispatcher.dispatch([6])) == {3: [6]}
    assert given_to(dispatcher.dispatch([7])) == {2: [7]}
    assert dispatcher.wanted == 2


@pytest.mark.row("GE-13")
def test_a_small_demand_beside_a_big_one_does_not_starve() -> None:
    dispatcher: DemandDispatcher[int] = DemandDispatcher()
    for key, demand in ((1, 1_000), (2, 1)):
        join(dispatcher, key, max_demand=demand)
        dispatcher.ask(key, demand)
    served = 0
    for event in range(10 * PATIENCE):
        (delivery,) = dispatcher.dispatch([event])
        dispatcher.ask(delivery.key, 1)  # whoever is served is fast, and asks at once
        served += delivery.key == 2
    assert served == 10 - 1


@pytest.mark.row("GE-13")
def test_a_max_demand_that_differs_is_remarked_on() -> None:
    dispatcher: DemandDispatcher[int] = DemandDispatcher()
    assert join(dispatcher, 1, max_demand=10) is None
    assert join(dispatcher, 2, max_demand=10) is None
    assert "one has 10, another 20" in (join(dispatcher, 3, max_demand=20) or "")


@pytest.mark.row("GE-13")
def test_the_first_consumer_may_be_left_to_chance() -> None:
    first = set()
    for seed in range(20):
        dispatcher: DemandDispatcher[int] = DemandDispatcher(shuffle=Random(seed))
        for key in (1, 2, 3):
            join(dispatcher, key)
            dispatcher.ask(key, 10)
        first.add(dispatcher.dispatch([1])[0].key)
    assert first == {1, 2, 3}


def test_demand_of_one_who_left_is_not_asked_for_again() -> None:
    """What the producer owes is given to whoever comes next: neither lost nor doubled."""
    target = outlet(DemandDispatcher())
    join(target, 1)
    target.ask(1, 10)
    assert target.take_demand() == 10
    target.cancel(1)
    join(target, 2)
    target.ask(2, 4)
    assert target.take_demand() == 0
    target.ask(2, 10)
    assert target.take_demand() == 4
    deliveries, discarded = target.emit(list(range(14)))
    assert (given_to(deliveries), discarded) == ({2: list(range(14))}, [])


def test_events_that_were_late_flow_to_the_next_consumer() -> None:
    """gen_stage #311: what lay in the buffer counted as sent, and stayed there for ever."""
    target = outlet(DemandDispatcher())
    join(target, 1)
    target.ask(1, 3)
    target.take_demand()
    target.cancel(1)
    assert target.emit([1, 2, 3]) == ([], [])
    assert target.buffered == 3
    join(target, 2)
    assert given_to(target.ask(2, 5)) == {2: [1, 2, 3]}
    assert target.take_demand() == 2


def test_options_that_a_dispatcher_has_no_use_for_are_refused() -> None:
    for dispatcher, terms in (
        (DemandDispatcher[int](), {"partition": 1}),
        (DemandDispatcher[int](), {"selector": bool}),
        (BroadcastDispatcher[int](), {"partition": 1}),
        (PartitionDispatcher[int](1), {"selector": bool, "partition": 0}),
    ):
        with pytest.raises(SubscriptionRefused, match="leave it out"):
            join(dispatcher, 1, **terms)
        assert dispatcher.wanted == 0


def test_a_demand_that_is_none_changes_nothing() -> None:
    target = outlet(DemandDispatcher())
    join(target, 1)
    with pytest.raises(InvalidDemand):
        target.ask(1, 0)
    assert target.take_demand() == 0


# --- broadcast -------------------------------------------------------------------------------------------------------


@pytest.mark.row("GE-14")
def test_everybody_gets_everything_at_the_pace_of_the_slowest() -> None:
    target = outlet(BroadcastDispatcher())
    join(target, 1)
    join(target, 2)
    target.ask(1, 10)
    assert target.take_demand() == 0
    target.ask(2, 3)
    assert target.take_demand() == 3
    deliveries, _ = target.emit([1, 2, 3, 4])
    assert given_to(deliveries) == {1: [1, 2, 3], 2: [1, 2, 3]}
    assert deliveries[0].events is not deliveries[1].events
    assert given_to(target.ask(2, 1)) == {1: [4], 2: [4]}


@pytest.mark.row("GE-14")
def test_an_event_that_is_not_wanted_costs_no_demand() -> None:
    """gen_stage #133: a selector that refused everything stalled the others."""
    target = outlet(BroadcastDispatcher())
    join(target, 1)
    join(target, 2, selector=lambda _: False)
    target.ask(1, 10)
    target.ask(2, 10)
    for first in range(0, 100, 10):
        assert target.take_demand() == 10
        deliveries, _ = target.emit(list(range(first, first + 10)))
        assert given_to(deliveries) == {1: list(range(first, first + 10))}
        target.ask(1, 10)


@pytest.mark.row("GE-14")
def test_a_new_consumer_makes_nobody_ask_twice() -> None:
    """gen_stage #318: the demand of the first was sent again when the second had asked."""
    target = outlet(BroadcastDispatcher())
    join(target, 1)
    target.ask(1, 1_000)
    assert target.take_demand() == 1_000
    join(target, 2)
    assert target.take_demand() == 0
    target.ask(2, 1_000)
    assert target.take_demand() == 0
    assert target.owed == 1_000


@pytest.mark.row("GE-14")
def test_differing_demands_never_stall_the_producer() -> None:
    """gen_stage #310: consumers with max_demand 10 and 4 came to a standstill."""
    target = outlet(BroadcastDispatcher())
    for key, demand in ((1, 10), (2, 4)):
        join(target, key)
        target.ask(key, demand)
    done = {1: 0, 2: 0}
    for _ in range(200):
        demand = target.take_demand()
        assert demand > 0
        deliveries, _ = target.emit(list(range(demand)))
        for key, events in deliveries:
            done[key] += len(events)
            target.ask(key, len(events))
    assert done[1] == done[2] > 200


@pytest.mark.row("GE-14")
def test_whoever_leaves_holds_nobody_up() -> None:
    target = outlet(BroadcastDispatcher())
    for key, demand in ((1, 10), (2, 1)):
        join(target, key)
        target.ask(key, demand)
    target.take_demand()
    target.emit([1, 2, 3])
    assert target.buffered == 2
    assert given_to(target.cancel(2)) == {1: [2, 3]}
    assert target.take_demand() == 7


@pytest.mark.row("GE-14")
def test_a_process_that_subscribes_twice_is_refused() -> None:
    target = outlet(BroadcastDispatcher())
    join(target, 1, "ada")
    target.ask(1, 2)
    with pytest.raises(AlreadySubscribed, match="'ada' is subscribed to this producer already"):
        join(target, 2, "ada")
    deliveries, _ = target.emit([1])
    assert given_to(deliveries) == {1: [1]}
    target.cancel(1)
    join(target, 2, "ada")


# --- partitions ------------------------------------------------------------------------------------------------------


@pytest.mark.row("GE-15")
def test_each_partition_has_its_consumer() -> None:
    target = outlet(PartitionDispatcher(["even", "odd"], hash=lambda event: (event, ("even", "odd")[event % 2])))
    for key, name in ((1, "even"), (2, "odd")):
        join(target, key, partition=name)
        target.ask(key, 10)
    deliveries, _ = target.emit([1, 2, 3, 4, 5])
    assert given_to(deliveries) == {1: [2, 4], 2: [1, 3, 5]}


@pytest.mark.row("GE-15")
def test_the_hash_may_change_events_and_leave_some_out() -> None:
    target = outlet(PartitionDispatcher(1, hash=lambda event: (event * 10, 0) if event % 2 else None))
    join(target, 1, partition=0)
    target.ask(1, 4)
    assert target.take_demand() == 4
    deliveries, _ = target.emit([1, 2, 3, 4])
    assert given_to(deliveries) == {1: [10, 30]}
    assert target.take_demand() == 2  # what was left out is asked for again


@pytest.mark.row("GE-15")
def test_a_slow_partition_holds_the_producer_up_before_its_queue_grows() -> None:
    target = outlet(PartitionDispatcher(2, hash=lambda event: (event, event % 2), limit=5))
    join(target, 1, partition=0)
    join(target, 2, partition=1)
    target.ask(2, 1_000)
    emitted = 0
    while demand := target.take_demand():
        target.emit([0] * demand)  # all of it for the partition that nobody reads
        emitted += demand
    assert emitted == target.buffered == 5
    assert given_to(target.ask(1, 2)) == {1: [0, 0]}
    assert target.take_demand() == 2


@pytest.mark.row("GE-15")
def test_what_comes_unasked_for_a_full_partition_goes_to_the_buffer_in_order() -> None:
    target = outlet(PartitionDispatcher(2, hash=lambda event: (event, event % 2), limit=2), size=4)
    join(target, 1, partition=0)
    join(target, 2, partition=1)
    target.ask(2, 10)
    deliveries, discarded = target.emit([0, 2, 4, 1, 6, 3, 8])
    assert (deliveries, discarded) == ([], [4])
    assert given_to(target.ask(1, 10)) == {1: [0, 2, 6, 8], 2: [1, 3]}
    assert target.buffered == 0


@pytest.mark.row("GE-15")
def test_what_waits_for_a_partition_waits_for_its_next_consumer() -> None:
    target = outlet(PartitionDispatcher(1))
    join(target, 1, partition=0)
    target.ask(1, 1)
    target.emit([7, 8])
    target.cancel(1)
    join(target, 2, partition=0)
    assert given_to(target.ask(2, 1)) == {2: [8]}


@pytest.mark.row("GE-15")
def test_a_partition_is_known_and_has_one_consumer() -> None:
    dispatcher: PartitionDispatcher[int] = PartitionDispatcher(2, hash=lambda event: (event, event))
    join(dispatcher, 1, partition=1)
    with pytest.raises(PartitionTaken, match="partition 1 has a consumer"):
        join(dispatcher, 2, partition=1)
    with pytest.raises(UnknownPartition, match="no partition 5; there are: 0, 1"):
        join(dispatcher, 2, partition=5)
    with pytest.raises(SubscriptionRefused, match="name the partition"):
        join(dispatcher, 2)
    dispatcher.ask(1, 5)
    with pytest.raises(UnknownPartition):
        dispatcher.dispatch([1, 1, 2])
    assert (dispatcher.queued, dispatcher.wanted) == (0, 5)


def test_partitions_that_make_no_sense_are_refused() -> None:
    for wrong in (0, [], [None]):
        with pytest.raises(DefinitionError):
            PartitionDispatcher[int](wrong)
    with pytest.raises(DefinitionError, match="one stands twice in"):
        PartitionDispatcher[int](["a", "b", "a"], hash=lambda event: (event, "a"))
    with pytest.raises(DefinitionError, match="at least 1"):
        PartitionDispatcher[int](1, limit=0)
    with pytest.raises(DefinitionError, match="need a `hash`"):
        PartitionDispatcher[int](["a"])


@pytest.mark.row("GE-10")
def test_a_mark_waits_for_all_partitions() -> None:
    target = outlet(PartitionDispatcher(2, hash=lambda event: (event, event % 2)))
    join(target, 1, partition=0)
    join(target, 2, partition=1)
    target.ask(1, 1)
    target.emit([0, 2, 1])
    target.mark("end")
    assert target.due() == []
    target.ask(2, 1)
    assert target.due() == []
    target.ask(1, 1)
    assert target.due() == ["end"]
