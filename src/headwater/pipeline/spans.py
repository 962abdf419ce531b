"""The spans of pipelines. All carry `pipeline`, its name."""

from __future__ import annotations

from typing import Final

from headwater.telemetry import SpanName

PREFIX: Final = SpanName("headwater", "pipeline")

INIT: Final = SpanName(*PREFIX, "init")
"""A pipeline was put together; only a `start`. Metadata: `topology`."""

PROCESSOR: Final = SpanName(*PREFIX, "processor")
"""A processor handles what it was given at once. Metadata: `process`, `count`."""

MESSAGE: Final = SpanName(*PREFIX, "processor", "message")
"""A processor handles one message. Metadata: `process`, `attempt`; at its end `failed`. An `exception` if it raised."""

BATCHER: Final = SpanName(*PREFIX, "batcher")
"""A batcher puts messages into batches. Metadata: `batcher`, `count`; at its end `full`, how many it has closed."""

BATCH_PROCESSOR: Final = SpanName(*PREFIX, "batch_processor")
"""A batch is handled. Metadata: `process`, `batcher`, `count`, `trigger`; at its end `failed`, how many have."""

HANDLE_FAILED: Final = SpanName(*PREFIX, "handle_failed")
"""Messages have failed for good. Metadata: `process`, `count`."""

ACKNOWLEDGE: Final = SpanName(*PREFIX, "acknowledge")
"""A source is told of what has gone through. Metadata: `process`, `successful`, `failed`."""
