"""Spans as OpenTelemetry's."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from contextvars import Token
from typing import Final, NamedTuple

from headwater.clock import Clock
from headwater.errors import MissingExtra
from headwater.telemetry import SpanEvent, SpanName, Telemetry

try:
    from opentelemetry import context as otel_context
    from opentelemetry import trace
    from opentelemetry.util.types import AttributeValue
except ImportError as missing:
    raise MissingExtra("OpenTelemetry isn't installed: pip install 'headwater[opentelemetry]'") from missing

HEADWATER: Final = SpanName("headwater")
LONGEST: Final = 250
"""Characters of an attribute that is no number."""


class OpenTelemetryBridge:
    """Makes an OpenTelemetry span of each of Headwater's.

        bridge = OpenTelemetryBridge(provider)
        detach = bridge.attach(telemetry)
        async with System("shop", telemetry=telemetry) as system: ...

    A span's parent is the one that is current where it starts, be it Headwater's or the application's own: while it
    lasts, it is the current one of its task, and of the tasks that are started meanwhile. A message carries no context:
    what a process does for a message from its mailbox begins a trace of its own. The life of a process is a
    span too; it belongs to no trace, and links to where it began.

    Metadata become attributes under `headwater.`; what is neither a number, a truth value nor a string is written out,
    and cut to 250 characters. An exception is recorded, and makes the span's status an error. Times are those of the
    telemetry's clock.

    Args:
        provider: makes the tracer; OpenTelemetry's global one, if not given.
        limit: how many spans may be under way; those beyond are left out, and counted.

    Attributes:
        left_out: how many spans were left out.
    """

    def __init__(self, provider: trace.TracerProvider | None = None, *, limit: int = 10_000) -> None:
        if limit < 1:
            raise ValueError(f"there is room for at least 1 span under way, not {limit}")
        self.left_out = 0
        self._tracer = trace.get_tracer("headwater", tracer_provider=provider)
        self._limit = limit
        self._open: dict[Hashable, _Open] = {}

    def attach(self, telemetry: Telemetry, prefix: SpanName = HEADWATER) -> Callable[[], None]:
        """Follow the spans of a telemetry. Returns what detaches it again.

        Args:
            telemetry: whose.
            prefix: only those whose name begins so.
        """
        clock = telemetry.clock
        return telemetry.attach(prefix, lambda event: self._follow(event, clock))

    def _follow(self, event: SpanEvent, clock: Clock) -> None:
        if event.phase == "start":
            self._start(event, clock)
            return
        opened = self._open.pop(event.span, None)
        if opened is not None:
            _end(opened, event)

    def _start(self, event: SpanEvent, clock: Clock) -> None:
        if len(self._open) >= self._limit or event.span is None:
            self.left_out += 1
            return
        now = clock.wall()
        span = self._begin(event, now)
        token = otel_context.attach(trace.set_span_in_context(span)) if event.encloses else None
        self._open[event.span] = _Open(span, now, token)

    def _begin(self, event: SpanEvent, now: int) -> trace.Span:
        name, attributes = str(event.name), _attributes(event.metadata)
        if event.encloses:
            return self._tracer.start_span(name, attributes=attributes, start_time=now)
        origin = trace.get_current_span().get_span_context()
        links = [trace.Link(origin)] if origin.is_valid else []
        return self._tracer.start_span(
            name, context=otel_context.Context(), attributes=attributes, links=links, start_time=now
        )


class _Open(NamedTuple):
    """A span under way.

    Attributes:
        span: the span.
        started: when it began, in nanoseconds.
        token: gives back the context that was current before, if the span took its place.
    """

    span: trace.Span
    started: int
    token: Token[otel_context.Context] | None


def _end(opened: _Open, event: SpanEvent) -> None:
    span, ended = opened.span, opened.started + round(event.duration * 1e9)
    span.set_attributes(_attributes(event.metadata))
    if event.phase == "exception":
        _blame(span, event, ended)
    if opened.token is not None:
        otel_context.detach(opened.token)
    span.end(end_time=ended)


def _blame(span: trace.Span, event: SpanEvent, ended: int) -> None:
    if event.error is not None:
        span.record_exception(event.error, timestamp=ended)
    what = event.metadata.get("reason", "") if event.error is None else f"{type(event.error).__name__}: {event.error}"
    span.set_status(trace.StatusCode.ERROR, str(what))


def _attributes(metadata: Mapping[str, object]) -> dict[str, AttributeValue]:
    return {f"headwater.{name}": _attribute(value) for name, value in metadata.items() if value is not None}


def _attribute(value: object) -> AttributeValue:
    if isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
