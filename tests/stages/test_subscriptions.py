"""How subscriptions begin and end, and what bad ones get."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest

from headwater import (
    BroadcastDispatcher,
    Consumer,
    Exit,
    GenServer,
    PartitionDispatcher,
    Pid,
    Shutdown,
    StageSubscription,
    System,
    resubscribe,
    subscribe,
    subscribe_soon,
)
from headwater.errors import (
    AlreadySubscribed,
    DeadlineExceeded,
    InvalidDemand,
    PartitionTaken,
    ProcessDown,
    ProducerDown,
    StageNotSubscribed,
    StartFailed,
    SubscriptionRefused,
    UnknownPartition,
)
from headwater.runtime.exits import Reason
from headwater.stages.options import CancelMode
from headwater.testing.clock import VirtualClock
from tests.runtime.driving import run, settle
from tests.stages.driving import Gate, Ints, Numbers, Sink, Taps

BROKEN = ValueError("broken")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The crashes are meant."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


CASES: list[tuple[CancelMode, Reason, bool]] = [
    ("permanent", Exit.NORMAL, True),
    ("permanent", BROKEN, True),
    ("transient", Exit.NORMAL, False),
    ("transient", Exit.SHUTDOWN, False),
    ("transient", Shutdown("moved"), False),
    ("transient", BROKEN, True),
    ("temporary", Exit.NORMAL, False),
    ("temporary", BROKEN, False),
]


@pytest.mark.row("GE-07")
@pytest.mark.parametrize(("cancel", "reason", "ends"), CASES)
def test_the_producers_end_is_what_the_mode_says(cancel: CancelMode, reason: Reason, ends: bool) -> None:
    async def scenario(system: System) -> None:
        log: list[object] = []
        taps, sink = await system.start(Taps), await system.start(Sink, log)
        await subscribe(sink, taps, cancel=cancel)
        taps.cast(Taps.give, 1, 2)
        taps.process.ask_to_stop(reason)
        await settle()
        assert log == ["subscribed", [1, 2], ("cancelled", reason)]
        assert sink.alive is not ends
        if ends:
            assert await sink.wait() is reason

    run(scenario)


@pytest.mark.row("GE-07")
@pytest.mark.parametrize(("cancel", "reason", "ends"), CASES)
def test_a_cancelled_subscription_is_what_the_mode_says(cancel: CancelMode, reason: Reason, ends: bool) -> None:
    async def scenario(system: System) -> None:
        log: list[object] = []
        numbers, sink = await system.start(Taps), await system.start(Sink, log)
        subscription = await subscribe(sink, numbers, cancel=cancel)
        subscription.cancel(reason)
        subscription.cancel(reason)
        await settle()
        assert log == ["subscribed", ("cancelled", reason)]
        assert sink.alive is not ends
        assert await numbers.call(Taps.consumers) == []

    run(scenario)


@pytest.mark.row("GE-07")
def test_a_stage_in_the_middle_ends_after_all_has_flowed_on() -> None:
    async def scenario(system: System) -> None:
        numbers, gate, sink = await system.start(Numbers, 10), await system.start(Gate, 2), await system.start(Ints)
        await subscribe(gate, numbers, max_demand=10)
        subscription = await subscribe(sink, gate, mode="manual", cancel="transient")
        numbers.cast(Numbers.leave, Exit.NORMAL)
        await settle()
        assert gate.alive
        subscription.ask(19)
        await settle()
        assert len(await gate.call(Gate.consumers)) == 1
        subscription.ask(1)
        assert await gate.wait() is Exit.NORMAL
        await settle()
        assert await sink.call(Ints.events) == [number for number in range(10) for _ in range(2)]

    run(scenario)


@pytest.mark.row("GE-08")
def test_the_producer_hears_of_a_consumers_end() -> None:
    async def scenario(system: System) -> None:
        numbers, ints = await system.start(Numbers), await system.start(Ints)
        await subscribe(ints, numbers, max_demand=4, min_demand=3)
        ints.kill()
        await settle()
        assert await numbers.call(Numbers.heard) == [Exit.KILLED]
        assert await numbers.call(Numbers.consumers) == []

    run(scenario)


@pytest.mark.row("GE-08")
def test_a_subscription_is_the_same_for_both() -> None:
    async def scenario(system: System) -> None:
        numbers, ints = await system.start(Numbers), await system.start(Ints)
        subscription = await subscribe(ints, numbers, mode="manual")
        assert (subscription.producer, subscription.consumer) == (numbers, ints)
        assert await numbers.call(Numbers.consumers) == await ints.call(Ints.subscriptions) == [subscription]

    run(scenario)


class Eager(Consumer[int]):
    """Subscribes by itself."""

    def init(self, producer: Pid[Numbers], max_demand: int = 5, cancel: CancelMode = "permanent") -> None:
        self.subscribe_to(producer, max_demand=max_demand, cancel=cancel)
        self.got = 0

    def handle_events(self, events: list[int], source: StageSubscription) -> None:
        self.got += len(events)

    def count(self) -> int:
        return self.got


@pytest.mark.row("GE-08")
def test_a_stage_may_subscribe_in_init() -> None:
    async def scenario(system: System) -> None:
        numbers = await system.start(Numbers, 20)
        eager = await system.start(Eager, numbers)
        await settle()
        assert await eager.call(Eager.count) == 20

    run(scenario)


@pytest.mark.row("GE-08")
def test_subscribing_without_waiting() -> None:
    async def scenario(system: System) -> None:
        numbers, ints = await system.start(Numbers, 20), await system.start(Ints)
        subscribe_soon(ints, numbers)
        await settle()
        assert await ints.call(Ints.events) == [*range(20)]

    run(scenario)


@pytest.mark.row("GE-08")
@pytest.mark.parametrize("cancel", ["permanent", "transient", "temporary"])
def test_a_refusal_that_nobody_waits_for_is_an_end_like_any_other(cancel: CancelMode) -> None:
    async def scenario(system: System) -> None:
        numbers = await system.start(Taps, lambda: PartitionDispatcher(2))
        log: list[object] = []
        sink = await system.start(Sink, log)
        subscribe_soon(sink, numbers, partition=5, cancel=cancel)
        await settle()
        (entry,) = log
        assert isinstance(entry, tuple)
        assert isinstance(entry[1], UnknownPartition)
        assert sink.alive is (cancel == "temporary")

    run(scenario)


@pytest.mark.row("GE-08")
def test_resubscribing_replaces_and_loses_nothing() -> None:
    async def scenario(system: System) -> None:
        numbers, other, ints = await system.start(Numbers), await system.start(Taps), await system.start(Sink)
        old = await subscribe(ints, other, max_demand=10)
        other.cast(Taps.give, 1, 2, 3)
        new = await resubscribe(old, other, max_demand=4)
        other.cast(Taps.give, 4, 5)
        await settle()
        assert await ints.call(Sink.events) == [1, 2, 3, 4, 5]
        assert await ints.call(Sink.subscriptions) == await other.call(Taps.consumers) == [new]
        assert ints.alive
        with pytest.raises(StageNotSubscribed):
            await resubscribe(old, other)
        numbers.kill()
        with pytest.raises(ProducerDown):
            await resubscribe(new, numbers)
        assert await ints.call(Sink.subscriptions) == [new]

    run(scenario)


@pytest.mark.row("GE-08")
def test_resubscribing_to_the_dead_leaves_the_old_subscription_alone() -> None:
    async def scenario(system: System) -> None:
        taps, dead, sink = await system.start(Taps), await system.start(Taps), await system.start(Sink)
        old = await subscribe(sink, taps)
        dead.kill()

        def attempt(stage: Sink) -> str:
            try:
                stage.resubscribe_to(old, dead)
            except ProducerDown:
                return "refused"
            return "done"

        assert await sink.call(Sink.act, attempt) == "refused"
        await taps.call(Taps.give, 1)
        await settle()
        assert await sink.call(Sink.events) == [1]
        assert await sink.call(Sink.subscriptions) == [old]

    run(scenario)


@pytest.mark.row("GE-08")
def test_after_a_resubscription_demand_flows_again() -> None:
    """gen_stage #77: what the old subscription had asked for was never asked for again, and nothing came."""

    async def scenario(system: System) -> None:
        taps, sink = await system.start(Taps), await system.start(Sink)
        old = await subscribe(sink, taps, max_demand=10, cancel="temporary")
        for _ in range(3):
            old.cancel()
            await settle()
            old = await subscribe(sink, taps, max_demand=10, cancel="temporary")
        await taps.call(Taps.give, *range(10))
        await settle()
        assert await sink.call(Sink.events) == [*range(10)]

    run(scenario)


# --- what bad input gets --------------------------------------------------------------------------------------------


def test_terms_that_make_no_sense_are_refused_before_anything_is_sent() -> None:
    async def scenario(system: System) -> None:
        numbers, ints = await system.start(Numbers), await system.start(Ints)
        with pytest.raises(InvalidDemand, match="min_demand is from 0 to max_demand - 1 = 4, not 5"):
            await subscribe(ints, numbers, max_demand=5, min_demand=5)
        with pytest.raises(InvalidDemand):
            subscribe_soon(ints, numbers, max_demand=0)
        with pytest.raises(StartFailed) as failed:
            await system.start(Eager, numbers, 0)
        assert isinstance(failed.value.__cause__, InvalidDemand)
        await settle()
        assert await numbers.call(Numbers.consumers) == await ints.call(Ints.subscriptions) == []
        assert await numbers.call(Numbers.asked) == []

    run(scenario)


def test_a_dead_producer_is_refused_and_the_consumer_goes_on() -> None:
    async def scenario(system: System) -> None:
        numbers, ints = await system.start(Numbers), await system.start(Ints)
        numbers.kill()
        with pytest.raises(ProducerDown, match="has ended") as down:
            await subscribe(ints, numbers)
        assert down.value.reason is Exit.KILLED
        with pytest.raises(ProducerDown):
            subscribe_soon(ints, numbers)
        await settle()
        assert await ints.call(Ints.subscriptions) == []

    run(scenario)


def test_a_producer_that_dies_before_it_answers() -> None:
    async def scenario(system: System) -> None:
        numbers, ints = await system.start(Numbers), await system.start(Ints)
        numbers.cast(Numbers.leave, Exit.SHUTDOWN)
        with pytest.raises(ProducerDown, match="shutdown"):
            await subscribe(ints, numbers)
        assert await ints.call(Ints.subscriptions) == []

    run(scenario)


class Stuck(Numbers):
    """Never answers."""

    async def handle_demand(self, demand: int) -> list[int]:  # type: ignore[override]
        await asyncio.Event().wait()
        return []


@pytest.mark.row("GE-08")
def test_a_producer_that_does_not_answer_within_five_seconds() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        stuck, one, two = await system.start(Stuck), await system.start(Ints), await system.start(Ints)
        await subscribe(one, stuck)
        await settle()
        waiting = asyncio.create_task(subscribe(two, stuck))
        await settle()
        clock.advance(4.9)
        await settle()
        assert not waiting.done()
        clock.advance(0.1)
        with pytest.raises(DeadlineExceeded):
            await waiting
        stuck.kill()

    run(scenario, clock)


def test_a_dead_consumer() -> None:
    async def scenario(system: System) -> None:
        numbers, ints = await system.start(Numbers), await system.start(Ints)
        ints.kill()
        with pytest.raises(ProcessDown):
            await subscribe(ints, numbers)

    run(scenario)


class Plain(GenServer):
    """No stage."""


def test_what_is_no_stage_is_refused() -> None:
    async def scenario(system: System) -> None:
        plain, ints, gate = await system.start(Plain), await system.start(Ints), await system.start(Gate)
        with pytest.raises(SubscriptionRefused, match="is no producer, but a Plain"):
            await subscribe(ints, plain)  # type: ignore[arg-type]
        with pytest.raises(SubscriptionRefused, match="is no producer, but a Ints"):
            await subscribe(ints, ints)  # type: ignore[arg-type]
        with pytest.raises(SubscriptionRefused, match="is no consumer"):
            await subscribe(plain, gate)  # type: ignore[arg-type]
        with pytest.raises(SubscriptionRefused, match="to itself"):
            await subscribe(gate, gate)
        assert all(pid.alive for pid in (plain, ints, gate))

    run(scenario)


@pytest.mark.row("GE-14")
def test_a_consumer_that_subscribes_twice_to_a_broadcast_is_refused() -> None:
    async def scenario(system: System) -> None:
        numbers, ints = await system.start(Numbers, 10, BroadcastDispatcher), await system.start(Ints)
        await subscribe(ints, numbers)
        with pytest.raises(AlreadySubscribed):
            await subscribe(ints, numbers)
        await settle()
        assert await ints.call(Ints.events) == [*range(10)]
        assert len(await ints.call(Ints.subscriptions)) == 1

    run(scenario)


@pytest.mark.row("GE-15")
def test_an_unknown_or_taken_partition_is_refused() -> None:
    async def scenario(system: System) -> None:
        numbers = await system.start(Numbers, 10, lambda: PartitionDispatcher(2))
        ints, other = await system.start(Ints), await system.start(Ints)
        await subscribe(ints, numbers, partition=0)
        with pytest.raises(UnknownPartition):
            await subscribe(other, numbers, partition=2)
        with pytest.raises(PartitionTaken):
            await subscribe(other, numbers, partition=0)
        with pytest.raises(SubscriptionRefused, match="name the partition"):
            await subscribe(other, numbers)
        await subscribe(other, numbers, partition=1)
        await settle()
        assert await ints.call(Ints.events) == [0, 2, 4, 6, 8]
        assert await other.call(Ints.events) == [1, 3, 5, 7, 9]

    run(scenario)


@pytest.mark.row("GE-14")
def test_a_slow_consumer_that_leaves_lets_the_others_go_on() -> None:
    async def scenario(system: System) -> None:
        taps, numbers = (
            await system.start(Taps, BroadcastDispatcher),
            await system.start(Numbers, 10, BroadcastDispatcher),
        )
        fast, slow = await system.start(Sink), await system.start(Sink)
        await subscribe(fast, taps)
        await subscribe(slow, taps, mode="manual")
        await taps.call(Taps.give, 1, 2)
        slow.kill()
        await settle()
        assert await fast.call(Sink.events) == [1, 2]
        quick, idle = await system.start(Ints), await system.start(Ints)
        subscription = await subscribe(idle, numbers, mode="manual", cancel="temporary")
        await subscribe(quick, numbers)
        await settle()
        assert await numbers.call(Numbers.asked) == []
        subscription.cancel()
        await settle()
        assert await quick.call(Ints.events) == [*range(10)]

    run(scenario)
