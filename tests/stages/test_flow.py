"""Events and demand between two and three stages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import pytest

from headwater import Consumer, GenServer, Pid, Producer, StageSubscription, System, subscribe
from headwater.errors import DefinitionError, InvalidDemand, UnknownMethod
from headwater.runtime import introspect
from tests.runtime.driving import run, settle
from tests.stages.driving import Gate, Ints, Numbers, Sink, Taps


@pytest.mark.row("GE-01")
def test_a_stage_is_a_server_like_any_other() -> None:
    async def scenario(system: System) -> None:
        numbers, gate, ints = await system.start(Numbers), await system.start(Gate), await system.start(Ints)
        assert all(issubclass(kind, GenServer) for kind in (Numbers, Gate, Ints))
        await subscribe(ints, gate, max_demand=4)
        await subscribe(gate, numbers, max_demand=4)
        await settle()
        assert await numbers.call(Numbers.asked)
        numbers.send("hello")
        assert "hello" in await numbers.call(Numbers.heard)
        with pytest.raises(UnknownMethod):
            await numbers.call(Numbers.handle_demand, 5)

    run(scenario)


@pytest.mark.row("GE-02")
def test_a_consumer_asks_for_max_and_again_at_min() -> None:
    async def scenario(system: System) -> None:
        numbers, ints = await system.start(Numbers, 25), await system.start(Ints)
        await subscribe(ints, numbers, max_demand=10, min_demand=4)
        await settle()
        assert await numbers.call(Numbers.asked) == [10, 6, 6, 6, 6]
        batches = await ints.call(Ints.history)
        assert batches[:4] == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9], [10, 11], [12, 13, 14, 15]]
        assert [event for batch in batches for event in batch] == [*range(25)]

    run(scenario)


@pytest.mark.row("GE-02")
@pytest.mark.row("GE-03")
def test_a_producer_may_answer_later_and_is_asked_once() -> None:
    async def scenario(system: System) -> None:
        taps, sink = await system.start(Taps), await system.start(Sink)
        await subscribe(sink, taps, max_demand=10)
        await settle()
        await taps.call(Taps.give, 1, 2, 3)
        await settle()
        assert await taps.call(Taps.asked) == [10]
        assert await sink.call(Sink.events) == [1, 2, 3]
        await taps.call(Taps.give, 4, 5)
        await settle()
        assert await taps.call(Taps.asked) == [10, 5]

    run(scenario)


@pytest.mark.row("GE-03")
def test_the_demand_of_all_consumers_adds_up() -> None:
    async def scenario(system: System) -> None:
        taps = await system.start(Taps, mode="accumulate")
        for _ in range(3):
            await subscribe(await system.start(Sink), taps, max_demand=10)
        await settle()
        await taps.call(Taps.set_demand, "forward")
        await settle()
        assert await taps.call(Taps.asked) == [30]

    run(scenario)


@pytest.mark.row("GE-04")
def test_a_batch_is_no_larger_than_max_less_min_and_in_order() -> None:
    async def scenario(system: System) -> None:
        numbers, ints = await system.start(Numbers, 500), await system.start(Ints)
        await subscribe(ints, numbers, max_demand=100, min_demand=70)
        await settle()
        history = await ints.call(Ints.history)
        assert max(len(batch) for batch in history) == 30
        for _ in range(20):
            await settle()
        assert await ints.call(Ints.events) == [*range(500)]

    run(scenario)


@pytest.mark.row("GE-04")
def test_a_stage_in_the_middle_makes_events_of_events() -> None:
    async def scenario(system: System) -> None:
        numbers, gate, ints = await system.start(Numbers, 100), await system.start(Gate, 3), await system.start(Ints)
        await subscribe(ints, gate, max_demand=10)
        await subscribe(gate, numbers, max_demand=8)
        for _ in range(30):
            await settle()
        assert await ints.call(Ints.events) == [number for number in range(100) for _ in range(3)]
        assert await gate.call(Gate.count_discarded) == 0

    run(scenario)


@pytest.mark.row("GE-04")
def test_a_stage_in_the_middle_that_leaves_out_all_does_not_stall() -> None:
    async def scenario(system: System) -> None:
        numbers, gate = await system.start(Numbers, 100), await system.start(Gate, 0)
        await subscribe(await system.start(Ints), gate, max_demand=3)
        await subscribe(gate, numbers, max_demand=8)
        for _ in range(10):
            await settle()
        assert sum(len(batch) for batch in await gate.call(Gate.history)) == 100

    run(scenario)


class Small(Gate):
    """Its buffer's size doesn't hold for what it makes of events."""

    buffer_size = 10


@pytest.mark.row("GE-02")
@pytest.mark.row("GE-05")
def test_a_stage_in_the_middle_holds_no_more_than_one_batch_makes() -> None:
    """Back-pressure instead of a queue: without demand it handles nothing, and its producer is asked for no more."""

    async def scenario(system: System) -> None:
        numbers, gate, sink = await system.start(Numbers), await system.start(Small, 100), await system.start(Ints)
        await subscribe(gate, numbers, max_demand=10, min_demand=5)
        await settle()
        assert await gate.call(Gate.history) == []
        assert await numbers.call(Numbers.asked) == [10]
        subscription = await subscribe(sink, gate, mode="manual")
        subscription.ask(1)
        await settle()
        assert await gate.call(Gate.history) == [[0, 1, 2, 3, 4]]
        assert await gate.call(Gate.estimate_buffered_count) == 499
        subscription.ask(499)
        await settle()
        assert await gate.call(Gate.history) == [[0, 1, 2, 3, 4]]
        subscription.ask(1)
        await settle()
        assert len(await gate.call(Gate.history)) == 2
        assert await numbers.call(Numbers.asked) == [10, 5, 5]
        assert await gate.call(Gate.count_discarded) == 0

    run(scenario)


class Fickle(Ints):
    """Ends after its first batch."""

    def handle_events(self, events: list[int], source: StageSubscription) -> None:
        self.batches.append(events)
        self.stop()


@pytest.mark.row("GE-04")
def test_a_stage_that_stops_handles_no_further_batch() -> None:
    async def scenario(system: System) -> None:
        numbers, fickle = await system.start(Numbers), await system.start(Fickle)
        server = fickle.process.server
        await subscribe(fickle, numbers, max_demand=10, min_demand=8)
        await fickle.wait()
        assert isinstance(server, Fickle)
        assert server.batches == [[0, 1]]

    run(scenario)


class Slow(Producer[int]):
    """Async."""

    def init(self) -> None:
        self.next = 0
        self.go = asyncio.Event()

    async def handle_demand(self, demand: int) -> Sequence[int]:
        await self.go.wait()
        self.next += demand
        return range(self.next - demand, self.next)


class Patient(Consumer[int]):
    """Likewise."""

    def init(self, go: asyncio.Event) -> None:
        self.go = go
        self.log: list[object] = []

    async def handle_events(self, events: list[int], source: StageSubscription) -> None:
        self.log.append(("begin", events[0]))
        await self.go.wait()
        self.log.append(("end", events[0]))

    def history(self) -> list[object]:
        return list(self.log)


@pytest.mark.row("GE-03")
@pytest.mark.row("GE-04")
def test_handlers_may_be_async_and_batches_do_not_overlap() -> None:
    async def scenario(system: System) -> None:
        go = asyncio.Event()
        slow, patient = await system.start(Slow), await system.start(Patient, go)
        await subscribe(patient, slow, max_demand=4, min_demand=2)
        slow.process.server.go.set()  # type: ignore[attr-defined]  # the server is a Slow
        await settle()
        go.set()
        await settle()
        log = await patient.call(Patient.history)
        assert log[:4] == [("begin", 0), ("end", 0), ("begin", 2), ("end", 2)]

    run(scenario)


@pytest.mark.row("GE-06")
def test_with_manual_demand_nothing_comes_unasked() -> None:
    async def scenario(system: System) -> None:
        numbers, sink = await system.start(Numbers), await system.start(Ints)
        subscription = await subscribe(sink, numbers, mode="manual", max_demand=2)
        await settle()
        assert await numbers.call(Numbers.asked) == []
        subscription.ask(3)
        subscription.ask(4)
        await settle()
        assert await sink.call(Ints.history) == [[0, 1, 2], [3, 4, 5, 6]]
        with pytest.raises(InvalidDemand):
            subscription.ask(0)
        await settle()
        assert await numbers.call(Numbers.asked) == [3, 4]

    run(scenario)


@pytest.mark.row("GE-09")
def test_demand_is_kept_until_all_are_there() -> None:
    async def scenario(system: System) -> None:
        numbers = await system.start(Numbers)
        await numbers.call(Numbers.set_demand, "accumulate")
        one, two = await system.start(Ints), await system.start(Ints)
        for pid in (one, two):
            await subscribe(pid, numbers, max_demand=10)
        await settle()
        assert (await one.call(Ints.events), await numbers.call(Numbers.asked)) == ([], [])
        with pytest.raises(DefinitionError, match="forward or accumulate, not 'later'"):
            await numbers.call(Numbers.set_demand, "later")  # type: ignore[call-overload]
        await numbers.call(Numbers.set_demand, "forward")
        await settle()
        assert await one.call(Ints.events)
        assert await two.call(Ints.events)
        assert (await numbers.call(Numbers.asked))[0] == 20

    run(scenario)


def test_a_mailbox_that_would_lose_events_is_refused() -> None:
    with pytest.raises(DefinitionError, match="can't drop_oldest"):

        class Lossy(Ints):
            overflow = "drop_oldest"


@pytest.mark.row("GE-05", "GE-09")
@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("buffer_size", -1, "0 events or more, not -1"),
        ("buffer_size", "many", "0 events or more, not 'many'"),
        ("buffer_keep", "both", "one of first, last, not 'both'"),
        ("demand_mode", "later", "forward or accumulate, not 'later'"),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_the_class(setting: str, value: object, words: str) -> None:
    with pytest.raises(DefinitionError, match=f"Odd: .*{words}"):
        type("Odd", (Numbers,), {setting: value})


@pytest.mark.row("GE-02")
def test_a_full_mailbox_loses_neither_demand_nor_events(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        numbers = await system.start(Numbers, 20, capacity=1)
        ints = await system.start(Ints, capacity=1)
        await subscribe(ints, numbers, max_demand=4)
        for _ in range(60):
            numbers.send("noise")
            ints.send("noise")
            await asyncio.sleep(0)
        assert await ints.call(Ints.events) == [*range(20)]

    with caplog.at_level(logging.CRITICAL):
        run(scenario)


def test_the_state_of_a_stage_is_what_its_class_keeps() -> None:
    async def scenario(system: System) -> None:
        for kind, expected in ((Gate, {"copies", "batches", "log"}), (Ints, {"batches"})):
            pid: Pid[GenServer] = await system.start(kind)
            state = await introspect.get_state(pid)
            assert set(state) == expected

    run(scenario)
