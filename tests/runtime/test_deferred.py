"""Answers that come later, for those who look on."""

from __future__ import annotations

import asyncio

import pytest

from headwater import Deferred, GenServer, Rejected, System
from headwater.errors import DeadlineExceeded, ProcessDown
from headwater.runtime import introspect
from headwater.runtime.introspect_events import ProcessEvent
from headwater.testing.clock import VirtualClock

from .driving import run, settle


class Till(GenServer):
    def init(self) -> None:
        self.waiting: list[Deferred[int]] = []

    def take(self) -> Deferred[int]:
        self.waiting.append(self.defer(int))
        return self.waiting[-1]

    def take_at_once(self) -> Deferred[int]:
        deferred = self.defer(int)
        deferred.reply(7)
        return deferred

    def pay(self, amount: int) -> None:
        self.waiting.pop(0).reply(amount)

    def refuse(self) -> None:
        self.waiting.pop(0).fail(Rejected("no"))


def told(events: list[ProcessEvent]) -> list[tuple[str, object]]:
    return [(event.kind, event.method if event.kind != "out" else event.subject) for event in events]


@pytest.mark.row("SY-05", "SY-06", "SY-08", "GS-09")
def test_a_deferred_answer_is_seen_when_it_is_given() -> None:
    async def scenario(system: System) -> None:
        till = await system.start(Till)
        events: list[ProcessEvent] = []
        await introspect.install(till, events.append)
        introspect.measure(till)
        taken = asyncio.ensure_future(till.call(Till.take))
        await settle()
        assert told(events) == [("in", "take"), ("noreply", "take")]
        assert introspect.statistics(till).messages_out == 0
        till.cast(Till.pay, 5)
        assert await taken == 5
        assert told(events)[2:] == [("in", "pay"), ("out", 5), ("noreply", "pay")]
        assert introspect.statistics(till).messages_out == 1

    run(scenario)


@pytest.mark.row("SY-06", "GS-09")
def test_one_that_is_given_before_the_method_returns_and_one_that_is_an_error_are_seen_too() -> None:
    async def scenario(system: System) -> None:
        till = await system.start(Till)
        await introspect.keep_log(till)
        assert await till.call(Till.take_at_once) == 7
        assert told(list(introspect.get_log(till)))[-2:] == [("noreply", "take_at_once"), ("out", 7)]
        taken = asyncio.ensure_future(till.call(Till.take))
        await settle()
        till.cast(Till.refuse)
        with pytest.raises(Rejected) as refused:
            await taken
        assert ("out", refused.value) in told(list(introspect.get_log(till)))

    run(scenario)


@pytest.mark.row("SY-06", "GS-09")
def test_what_nobody_gets_is_no_answer() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        till = await system.start(Till)
        await introspect.keep_log(till)
        introspect.measure(till)
        late = asyncio.ensure_future(till.call(Till.take))
        ended = asyncio.ensure_future(till.within(None).call(Till.take))
        till.cast(Till.take)
        await settle()
        clock.advance(5.0)
        with pytest.raises(DeadlineExceeded):
            await late
        await till.call(Till.pay, 5)  # to the one who has given up
        till.kill()
        with pytest.raises(ProcessDown):
            await ended
        outs = [event.subject for event in introspect.get_log(till) if event.kind == "out"]
        assert outs == [None]  # what `pay` answered
        assert introspect.statistics(till).messages_out == 1

    run(scenario, clock)
