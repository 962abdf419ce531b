"""Spans."""

import logging

import pytest

from headwater.telemetry import SpanEvent, SpanName, Telemetry
from headwater.testing.clock import VirtualClock

WORK = SpanName("headwater", "store", "append")


def test_a_span_tells_start_and_stop_with_its_duration_and_metadata() -> None:
    clock = VirtualClock()
    telemetry = Telemetry(clock)
    heard: list[SpanEvent] = []
    telemetry.attach(SpanName("headwater"), heard.append)
    with telemetry.span(WORK, stream="a") as span:
        clock.advance(1.5)
        span.set(position=7)
    assert heard == [
        SpanEvent(WORK, "start", 0.0, {"stream": "a"}),
        SpanEvent(WORK, "stop", 1.5, {"stream": "a", "position": 7}),
    ]
    assert str(WORK) == "headwater.store.append"


def test_a_span_tells_of_an_exception_and_lets_it_pass() -> None:
    telemetry = Telemetry(VirtualClock())
    heard: list[SpanEvent] = []
    telemetry.attach(WORK, heard.append)
    error = ValueError("x")
    with pytest.raises(ValueError, match="x"), telemetry.span(WORK):
        raise error
    assert [event.phase for event in heard] == ["start", "exception"]
    assert heard[1].error is error


def test_a_handler_hears_only_what_it_asked_for_until_it_is_detached() -> None:
    telemetry = Telemetry(VirtualClock())
    heard: list[SpanEvent] = []
    detach = telemetry.attach(SpanName("headwater", "cqrs"), heard.append)
    with telemetry.span(WORK):
        pass
    assert not heard
    listening = [telemetry.listening]
    detach()
    detach()
    listening.append(telemetry.listening)
    assert listening == [True, False]
    with telemetry.span(SpanName("headwater", "cqrs", "dispatch")):
        pass
    assert not heard


def test_a_handler_that_raises_is_detached_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    telemetry = Telemetry(VirtualClock())
    heard: list[SpanEvent] = []

    def bad(event: SpanEvent) -> None:
        raise LookupError("bad handler")

    telemetry.attach(WORK, bad)
    telemetry.attach(WORK, heard.append)
    with caplog.at_level(logging.ERROR), telemetry.span(WORK):
        pass
    assert len(heard) == 2
    assert caplog.text.count("was detached") == 1


def test_a_span_name_has_parts() -> None:
    with pytest.raises(ValueError, match="non-empty"):
        SpanName()
    with pytest.raises(ValueError, match="non-empty"):
        SpanName("headwater", "")
