"""Events that nobody has asked for, and messages among them."""

from __future__ import annotations

import logging

import pytest

from headwater import BroadcastDispatcher, PartitionDispatcher, System, subscribe
from headwater.stages.outflow import DISCARDED
from headwater.telemetry import SpanEvent
from tests.runtime.driving import run, settle
from tests.stages.driving import Gate, Ints, Numbers, Sink, Taps


@pytest.mark.row("GE-05")
@pytest.mark.parametrize(("keep", "left"), [("last", [2, 3, 4, 5]), ("first", [0, 1, 2, 3])])
def test_a_full_buffer_discards_and_says_so(keep: str, left: list[int], caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        told: list[SpanEvent] = []
        system.telemetry.attach(DISCARDED, told.append)
        taps, sink = await system.start(Taps, None, 4, keep, name="taps"), await system.start(Sink)
        await taps.call(Taps.give, *range(6))
        assert await taps.call(Taps.estimate_buffered_count) == 4
        assert await taps.call(Taps.count_discarded) == 2
        assert [dict(event.metadata) for event in told] == [
            {"process": "Taps 'taps'", "count": 2, "reason": "buffer full"}
        ]
        await subscribe(sink, taps)
        await settle()
        assert await sink.call(Sink.events) == left

    run(scenario)
    assert [record.getMessage() for record in caplog.records] == [
        "Taps 'taps' has discarded 2 events: its buffer was full"
    ]


class Quiet(Taps):
    """Keeps what it discards."""

    def handle_discarded(self, events: list[object]) -> None:
        self.log.append(events)


@pytest.mark.row("GE-05")
def test_a_stage_may_see_to_its_discards_itself(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        quiet = await system.start(Quiet, None, 2)
        await quiet.call(Quiet.give, 1, 2, 3, 4, 5)
        assert await quiet.call(Quiet.heard) == [[1, 2, 3]]
        assert await quiet.call(Quiet.count_discarded) == 3

    run(scenario)
    assert "discarded" not in caplog.text


@pytest.mark.row("GE-05")
def test_the_default_holds_ten_thousand() -> None:
    async def scenario(system: System) -> None:
        taps = await system.start(Taps)
        await taps.call(Taps.give, *range(10_000))
        assert await taps.call(Taps.count_discarded) == 0
        await taps.call(Taps.give, "one more")
        assert await taps.call(Taps.count_discarded) == 1

    logging.disable(logging.CRITICAL)
    try:
        run(scenario)
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.row("GE-11")
def test_the_count_includes_what_waits_for_a_partition() -> None:
    async def scenario(system: System) -> None:
        taps, sink = await system.start(Taps, lambda: PartitionDispatcher(2)), await system.start(Sink)
        await taps.call(Taps.give, 0, 2)
        assert await taps.call(Taps.estimate_buffered_count) == 2
        await subscribe(sink, taps, partition=1, max_demand=5)
        await settle()
        assert await taps.call(Taps.estimate_buffered_count) == 2

    run(scenario)


@pytest.mark.row("GE-18")
def test_what_is_lost_at_the_end_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        told: list[SpanEvent] = []
        system.telemetry.attach(DISCARDED, told.append)
        taps = await system.start(Taps, name="taps")
        await taps.call(Taps.give, 1, 2, 3)
        taps.kill()
        assert [event.metadata["count"] for event in told] == [3]

    run(scenario)
    assert "Taps 'taps' has ended with 3 events that it had not passed on" in caplog.text


@pytest.mark.row("GE-18")
def test_what_a_stage_in_the_middle_has_not_handled_is_counted_too() -> None:
    async def scenario(system: System) -> None:
        told: list[SpanEvent] = []
        system.telemetry.attach(DISCARDED, told.append)
        numbers, gate, ints = await system.start(Numbers), await system.start(Gate, 3), await system.start(Ints)
        await subscribe(gate, numbers, max_demand=10, min_demand=5, cancel="temporary")
        (await subscribe(ints, gate, mode="manual")).ask(1)
        await settle()
        gate.kill()
        assert [event.metadata["count"] for event in told] == [14 + 5 + 5]

    run(scenario)


@pytest.mark.row("GE-18")
def test_delivery_is_at_most_once() -> None:
    """What a consumer holds when it ends is given to nobody else."""

    async def scenario(system: System) -> None:
        numbers, first, second = await system.start(Numbers), await system.start(Ints), await system.start(Ints)
        await subscribe(first, numbers, max_demand=10, min_demand=9, mode="manual")
        (subscription,) = await first.call(Ints.subscriptions)
        subscription.ask(10)
        while not first.process.mailbox:
            numbers.process.take_turn()
        first.kill()
        await subscribe(second, numbers, max_demand=10)
        await settle()
        assert (await second.call(Ints.events))[0] == 10

    run(scenario)


@pytest.mark.row("GE-10")
def test_a_message_comes_behind_the_events_that_were_emitted_before_it() -> None:
    async def scenario(system: System) -> None:
        taps, sink = await system.start(Taps), await system.start(Sink)
        await taps.call(Taps.give, 1, 2, 3)
        await taps.call(Taps.queue_info, "end")
        taps.cast(Taps.queue_info, "really")
        await settle()
        assert await taps.call(Taps.heard) == []
        subscription = await subscribe(sink, taps, mode="manual")
        subscription.ask(2)
        await settle()
        assert await taps.call(Taps.heard) == []
        subscription.ask(1)
        await settle()
        assert await taps.call(Taps.heard) == ["end", "really"]
        await taps.call(Taps.queue_info, "at once")
        await settle()
        assert (await taps.call(Taps.heard))[-1] == "at once"

    run(scenario)


@pytest.mark.row("GE-10")
def test_a_consumer_gets_a_message_behind_the_events_that_have_come() -> None:
    async def scenario(system: System) -> None:
        log: list[object] = []
        taps, sink = await system.start(Taps), await system.start(Sink, log)
        await subscribe(sink, taps)
        taps.cast(Taps.give, 1, 2)
        taps.process.take_turn()
        sink.cast(Sink.queue_info, "end")
        await settle()
        assert log == ["subscribed", [1, 2], "end"]

    run(scenario)


@pytest.mark.row("GE-10")
def test_a_stage_in_the_middle_gets_a_message_when_all_before_it_has_flowed_on() -> None:
    async def scenario(system: System) -> None:
        numbers, gate, ints = await system.start(Numbers, 4), await system.start(Gate, 2), await system.start(Ints)
        await subscribe(gate, numbers)
        await settle()
        await gate.call(Gate.queue_info, "end")
        subscription = await subscribe(ints, gate, mode="manual")
        subscription.ask(7)
        await settle()
        assert await gate.call(Gate.heard) == []
        subscription.ask(1)
        await settle()
        assert await gate.call(Gate.heard) == ["end"]

    run(scenario)


@pytest.mark.row("GE-05")
def test_what_a_stage_in_the_middle_emits_unasked_is_bounded() -> None:
    async def scenario(system: System) -> None:
        gate = await system.start(Gate)
        await gate.call(Gate.give, *range(10_005))
        assert await gate.call(Gate.count_discarded) == 5

    logging.disable(logging.CRITICAL)
    try:
        run(scenario)
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.row("GE-13")
def test_a_max_demand_that_differs_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        taps = await system.start(Taps)
        for max_demand in (5, 6):
            await subscribe(await system.start(Sink), taps, max_demand=max_demand)

    run(scenario)
    assert "should have the same max_demand, but one has 5, another 6" in caplog.text


@pytest.mark.row("GE-14")
def test_a_broadcast_does_not_run_wild_when_nobody_wants_its_events() -> None:
    """The producer is asked again for what selectors refuse, but never within one turn."""

    async def scenario(system: System) -> None:
        numbers, ints = await system.start(Numbers, 10**9, BroadcastDispatcher), await system.start(Ints)
        await subscribe(ints, numbers, max_demand=10, selector=lambda number: number % 1_000 == 0)
        for _ in range(5):
            await settle()
        asked = await numbers.call(Numbers.asked)
        assert 10 < len(asked) < 1_000

    run(scenario)


@pytest.mark.row("GE-18")
def test_what_is_left_at_an_orderly_end_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        taps = await system.start(Taps)
        await taps.call(Taps.give, 1, 2, 3)

    with caplog.at_level(logging.INFO):
        run(scenario)
    (record,) = [record for record in caplog.records if "had not passed on" in record.getMessage()]
    assert record.levelno == logging.INFO
