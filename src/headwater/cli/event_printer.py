"""How an event is shown: as a row of a table, or as a line of JSON."""

from __future__ import annotations

import sys

import msgspec

from headwater.cli.output import TablePrinter, json_line
from headwater.store.model import StoredEvent

_COLUMNS = ("position", "time (UTC)", "stream", "version", "type", "data")

_TIME_OF_DAY = slice(len("2026-01-01T"), len("2026-01-01T00:00:00.000"))


class EventPrinter:
    """Prints events, one at a time.

    Args:
        json: as lines of JSON with everything that the log knows, or as rows of a table.
    """

    def __init__(self, *, json: bool) -> None:
        self._table = None if json else TablePrinter(_COLUMNS)

    def print(self, event: StoredEvent) -> None:
        """Print one event."""
        if self._table is None:
            sys.stdout.write(json_line(_record(event)) + "\n")
        else:
            time = event.recorded_at.isoformat(timespec="milliseconds")[_TIME_OF_DAY]
            self._table.print((event.position, time, event.stream, event.version, event.type, event.data))

    def flush(self) -> None:
        """Let what was printed be seen."""
        sys.stdout.flush()


def _record(event: StoredEvent) -> dict[str, object]:
    return {
        "position": event.position,
        "stream": event.stream,
        "version": event.version,
        "type": event.type,
        "schema": event.schema,
        "data": msgspec.Raw(event.data.encode()),
        "id": event.id,
        "recorded_at": event.recorded_at,
        "causation": event.causation,
        "correlation": event.correlation,
        "metadata": event.metadata,
    }
