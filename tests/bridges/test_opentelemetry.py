"""Spans as OpenTelemetry's, seen by its SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from headwater import Application, Child, GenServer, Pid, Supervisor, System
from headwater.bridges.opentelemetry import OpenTelemetryBridge
from headwater.errors import ProcessDown
from headwater.telemetry import SpanName, Telemetry
from headwater.testing.clock import VirtualClock
from tests.bank import Account, Deposit
from tests.runtime.driving import settle

OUTER, INNER = SpanName("headwater", "outer"), SpanName("headwater", "inner")


class Recorder:
    """A provider, and the spans that have ended, in that order."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.provider.shutdown()


def parent_of(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def id_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


@pytest.mark.row("BR-09")
def test_spans_have_parents_attributes_and_the_telemetrys_time(recorder: Recorder) -> None:
    clock = VirtualClock()
    telemetry = Telemetry(clock)
    OpenTelemetryBridge(recorder.provider).attach(telemetry)
    began = clock.wall()
    with telemetry.span(OUTER, command="Deposit", nothing=None, path=Path("x")) as span:
        clock.advance(1.0)
        with telemetry.span(INNER, long="x" * 1_000):
            clock.advance(0.5)
        span.set(position=17)
    with telemetry.span(OUTER):
        pass
    inner, outer, alone = recorder.spans
    assert (inner.name, outer.name) == ("headwater.inner", "headwater.outer")
    assert parent_of(inner) == id_of(outer)
    assert parent_of(outer) is parent_of(alone) is None
    assert outer.attributes == {
        "headwater.command": "Deposit",
        "headwater.path": repr(Path("x")),
        "headwater.position": 17,
    }
    assert (inner.attributes or {})["headwater.long"] == "x" * 250 + " …"
    assert (outer.start_time, outer.end_time) == (began, began + 1_500_000_000)
    assert (inner.start_time, inner.end_time) == (began + 1_000_000_000, began + 1_500_000_000)


@pytest.mark.row("BR-09")
def test_a_span_that_raises_is_an_error_with_the_exception(recorder: Recorder) -> None:
    telemetry = Telemetry(VirtualClock())
    OpenTelemetryBridge(recorder.provider).attach(telemetry)
    with pytest.raises(ZeroDivisionError), telemetry.span(OUTER):
        raise ZeroDivisionError("oops")
    (span,) = recorder.spans
    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.status.description == "ZeroDivisionError: oops"
    assert [event.name for event in span.events] == ["exception"]
    assert trace.get_current_span() is trace.INVALID_SPAN


@pytest.mark.row("BR-09")
def test_the_applications_own_spans_and_headwaters_are_one_trace_however_tasks_take_turns(recorder: Recorder) -> None:
    telemetry = Telemetry(VirtualClock())
    OpenTelemetryBridge(recorder.provider).attach(telemetry)
    tracer = recorder.provider.get_tracer("application")

    async def request(name: str) -> None:
        with tracer.start_as_current_span(name), telemetry.span(OUTER, who=name):
            await asyncio.sleep(0)
            with tracer.start_as_current_span(f"{name} inside"):
                await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(request("a"), request("b"))

    asyncio.run(main())
    for name in ("a", "b"):
        (top,), (inside,) = recorder.named(name), recorder.named(f"{name} inside")
        (ours,) = (
            span for span in recorder.named("headwater.outer") if (span.attributes or {})["headwater.who"] == name
        )
        assert (parent_of(inside), parent_of(ours), parent_of(top)) == (id_of(ours), id_of(top), None)


class Worker(GenServer):
    def init(self, telemetry: Telemetry) -> None:
        self.telemetry = telemetry

    def work(self) -> None:
        with self.telemetry.span(INNER):
            pass

    def fail(self) -> None:
        raise ZeroDivisionError("oops")


@pytest.mark.row("BR-09")
def test_a_life_belongs_to_no_trace_and_links_to_where_it_began(recorder: Recorder) -> None:
    clock = VirtualClock()
    telemetry = Telemetry(clock)
    OpenTelemetryBridge(recorder.provider).attach(telemetry)

    async def main() -> None:
        async with System("test", clock=clock, telemetry=telemetry) as system:
            with telemetry.span(OUTER):
                await system.start(Supervisor, [Child(Worker, telemetry, name="worker")], name="team")
            worker = system.named(Worker, "worker")
            clock.advance(3.0)
            with pytest.raises(ProcessDown):
                await worker.call(Worker.fail)
            await settle()

    asyncio.run(main())
    (outer,) = recorder.named("headwater.outer")
    crashed, reborn, team = recorder.named("headwater.process")
    for life in (crashed, reborn, team):
        assert parent_of(life) is None
    assert [link.context.span_id for link in crashed.links] == [id_of(outer)]
    assert crashed.status.status_code is trace.StatusCode.ERROR
    assert (crashed.end_time or 0) - (crashed.start_time or 0) == 3_000_000_000
    assert team.status.is_ok
    (restart,) = recorder.named("headwater.supervisor.restart")
    assert [link.context.span_id for link in reborn.links] == [id_of(restart)]


@pytest.mark.row("BR-09")
def test_what_is_done_for_a_queued_message_is_no_child_of_whoever_woke_the_queue(recorder: Recorder) -> None:
    telemetry = Telemetry(VirtualClock())
    OpenTelemetryBridge(recorder.provider).attach(telemetry)

    async def main() -> None:
        async with System("test", telemetry=telemetry) as system:
            worker: Pid[Worker] = await system.start(Worker, telemetry)
            with telemetry.span(OUTER):
                worker.cast(Worker.work)
                await settle()
            with telemetry.span(OUTER):
                await worker.call(Worker.work)  # at once, in this very turn

    asyncio.run(main())
    queued, _, inline, enclosing = (span for span in recorder.spans if span.name != "headwater.process")
    assert parent_of(queued) is None
    assert parent_of(inline) == id_of(enclosing)


@pytest.mark.row("BR-09")
def test_an_applications_dispatch_says_what_it_did(recorder: Recorder, tmp_path: Path) -> None:
    async def main() -> None:
        application = Application("bank", store=f"sqlite:///{tmp_path}/bank.db", aggregates=[Account])
        async with application:
            OpenTelemetryBridge(recorder.provider).attach(application.telemetry)
            await application.dispatch(Deposit("a-1", 50))

    asyncio.run(main())
    (dispatch,) = recorder.named("headwater.cqrs.dispatch")
    assert (dispatch.attributes or {})["headwater.command"] == "Deposit"
    assert (dispatch.attributes or {})["headwater.position"] == 1


@pytest.mark.row("BR-09")
def test_no_more_spans_are_under_way_than_there_is_room_for(recorder: Recorder) -> None:
    telemetry = Telemetry(VirtualClock())
    bridge = OpenTelemetryBridge(recorder.provider, limit=1)
    detach = bridge.attach(telemetry)
    with telemetry.span(OUTER), telemetry.span(INNER):
        pass
    with telemetry.span(OUTER):
        pass
    assert [span.name for span in recorder.spans] == ["headwater.outer"] * 2
    assert bridge.left_out == 1
    detach()
    with telemetry.span(OUTER):
        pass
    assert len(recorder.spans) == 2
    with pytest.raises(ValueError, match="at least 1"):
        OpenTelemetryBridge(recorder.provider, limit=0)
