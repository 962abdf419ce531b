"""The span of an append whose answer comes by itself, in nobody's turn."""

from __future__ import annotations

import asyncio
from typing import Final

from headwater.store.adapter import Append
from headwater.store.model import Appended
from headwater.telemetry import Phase, SpanEvent, SpanName, Telemetry

APPEND: Final = SpanName("headwater", "store", "append")
"""One append, from the call to its answer. Metadata: stream, events; at the end also position and version."""


def observe(telemetry: Telemetry, append: Append, stream: str, events: int) -> None:
    """Tell that an append is queued, and when it is answered. It encloses nothing: other work goes on meanwhile."""
    span = _Span(telemetry, stream, events)
    span.emit("start")
    if append.answer.done():
        span.end(append.answer)  # before whoever waits for it goes on
    else:
        append.answer.add_done_callback(span.end)


class _Span:
    def __init__(self, telemetry: Telemetry, stream: str, events: int) -> None:
        self._telemetry = telemetry
        self._metadata: dict[str, object] = {"stream": stream, "events": events}
        self._started = telemetry.clock.monotonic()

    def end(self, answer: asyncio.Future[Appended]) -> None:
        error = asyncio.CancelledError() if answer.cancelled() else answer.exception()
        if error is None:
            appended = answer.result()
            self._metadata |= {"position": appended.position, "version": appended.version}
        self.emit("stop" if error is None else "exception", error)

    def emit(self, phase: Phase, error: BaseException | None = None) -> None:
        seconds = 0.0 if phase == "start" else self._telemetry.clock.monotonic() - self._started
        self._telemetry.emit(SpanEvent(APPEND, phase, seconds, dict(self._metadata), error, self))
