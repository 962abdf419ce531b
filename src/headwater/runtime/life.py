"""The span of a process's life."""

from __future__ import annotations

from typing import Final

from headwater.runtime.exits import Reason, describe, is_abnormal
from headwater.telemetry import SpanEvent, SpanName, Telemetry

LIFE: Final = SpanName("headwater", "process")
"""The span of a process's life, from before its `init` to its end; an `exception` if the end is abnormal. Metadata:
`process` and `server`; at the end also `reason`."""


def begin_life(telemetry: Telemetry, label: str, kind: str) -> None:
    """Tell that a process begins."""
    telemetry.emit(SpanEvent(LIFE, "start", 0.0, {"process": label, "server": kind}, span=label))


def end_life(telemetry: Telemetry, label: str, kind: str, seconds: float, reason: Reason) -> None:
    """Tell that a process has ended, after so many seconds."""
    said = {"process": label, "server": kind, "reason": describe(reason)}
    error = reason if isinstance(reason, BaseException) else None
    telemetry.emit(SpanEvent(LIFE, "exception" if is_abnormal(reason) else "stop", seconds, said, error, label))
