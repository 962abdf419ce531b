"""Telemetry of processes: where they begin, end and crash."""

import pytest

from headwater import Child, Exit, Supervisor, System
from headwater.errors import StartFailed
from headwater.runtime.life import LIFE
from headwater.runtime.slot import RESTART
from headwater.telemetry import SpanEvent
from headwater.testing.clock import VirtualClock

from .driving import Probe, run, settle


class Stillborn(Probe):
    def init(self, log: list[object] | None = None, trap: bool = False) -> None:
        raise OSError("cannot start")


def test_each_life_is_a_span_that_tells_how_it_ended() -> None:
    clock = VirtualClock()
    heard: list[SpanEvent] = []

    async def scenario(system: System) -> None:
        unheard = await system.start(Probe)
        system.telemetry.attach(LIFE, heard.append)
        one, other = await system.start(Probe, name="one"), await system.start(Probe, name="other")
        clock.advance(2.0)
        await one.call(Probe.history)
        await one.stop()
        other.exit(error := ValueError("boom"))
        with pytest.raises(StartFailed):
            await system.start(Stillborn, name="third")
        unheard.kill()
        told = [(str(event.name), event.phase, event.metadata["process"], event.duration) for event in heard]
        assert told == [
            ("headwater.process", "start", "Probe 'one'", 0.0),
            ("headwater.process", "start", "Probe 'other'", 0.0),
            ("headwater.process", "stop", "Probe 'one'", 2.0),
            ("headwater.process", "exception", "Probe 'other'", 2.0),
            ("headwater.process", "start", "Stillborn 'third'", 0.0),
            ("headwater.process", "exception", "Stillborn 'third'", 0.0),
            ("headwater.process", "exception", unheard.label, 2.0),
        ]
        assert heard[2].metadata == {"process": "Probe 'one'", "server": "Probe", "reason": "normal"}
        assert heard[3].error is error
        assert heard[6].error is None

    run(scenario, clock)


def test_whoever_listens_hears_of_an_end_when_the_name_is_free_again() -> None:
    async def scenario(system: System) -> None:
        pid = await system.start(Probe, name="one")
        seen: list[object] = []
        system.telemetry.attach(LIFE, lambda _: seen.append(system.whereis("one")))
        pid.exit(Exit.KILL)
        assert seen == [None]

    run(scenario)


def test_a_restart_is_a_span() -> None:
    heard: list[SpanEvent] = []

    async def scenario(system: System) -> None:
        await system.start(Supervisor, [Child(Probe, name="probe")], name="team")
        system.telemetry.attach(RESTART, heard.append)
        system.named(Probe, "probe").exit(ValueError("boom"))
        await settle()
        assert [event.phase for event in heard] == ["start", "stop"]
        assert heard[1].metadata == {"supervisor": "Supervisor 'team'", "child": "probe"}

    run(scenario)
