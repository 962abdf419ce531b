"""How an event is shown: as a row of a table, or as a line of JSON."""

from __future__ import annotations

import sys

import msgspec

from headwater.cli.output import TablePrinter, json_line
from headwater.store.model import StoredEvent

_LOG_COLUMNS = ("position", "time (UTC)", "stream", "type", "data")
_STREAM_COLUMNS = ("version", "time (UTC)", "type", "data")

_TIME_OF_DAY = slice(len("2026-01-01T"), len("2026-01-01T00:00:00.000"))


_ROWS = 100


class EventPrinter:
    """Prints events. A table's rows wait for each other, so that many have equal widths: call `flush` at the end.

    Args:
        json: as lines of JSON with everything that the log knows, or as rows of a table.
        stream: the one stream that they are of; None for the whole log.
    """

    def __init__(self, *, json: bool, stream: str | None) -> None:
        self._one_stream = stream is not None
        self._rows: list[tuple[object, ...]] = []
        self._table = None if json else TablePrinter(_STREAM_COLUMNS if self._one_stream else _LOG_COLUMNS)

    def print(self, event: StoredEvent) -> None:
        """Print one event."""
        if self._table is None:
            sys.stdout.write(json_line(_record(event)) + "\n")
        else:
            self._rows.append(self._row(event))
            if len(self._rows) == _ROWS:
                self.flush()

    def _row(self, event: StoredEvent) -> tuple[object, ...]:
        time = event.recorded_at.isoformat(timespec="milliseconds")[_TIME_OF_DAY]
        if self._one_stream:
            return event.version, time, event.type, event.data
        return event.position, time, event.stream, event.type, event.data

    def flush(self) -> None:
        """Let what was printed be seen."""
        if self._table is not None:
            self._table.print(self._rows)
            self._rows.clear()
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
