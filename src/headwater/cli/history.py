"""What happened to an aggregate, as `headwater state --since` prints it."""

from __future__ import annotations

import sys
from contextlib import aclosing
from typing import Final

import msgspec

from headwater.app import Application
from headwater.cli.opening import open_store
from headwater.cli.output import TablePrinter, json_line, note
from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.history import Step, history
from headwater.sourcing.timetravel import Moment

_COLUMNS: Final = ("version", "position", "time (UTC)", "event", "changed")
_ROWS: Final = 100


async def print_history(
    application: Application,
    database: str,
    kind: type[Aggregate],
    id: str,  # noqa: A002 - the field's term
    since: Moment,
    until: Moment | None,
    *,
    json: bool,
) -> None:
    """Print each event between two moments, and the fields that it changed: before → after."""
    printer = _JsonPrinter() if json else _Printer()
    count = 0
    async with (
        await open_store(database, application.codec) as store,
        aclosing(history(store, kind, id, since, until)) as steps,
    ):
        async for step in steps:
            printer.print(step)
            count += 1
    printer.flush()
    if not count:
        note(f"Nothing happened to {kind.__name__} {id!r} between these moments.")


class _Printer:
    """Prints steps as rows; one that changed several fields takes several."""

    def __init__(self) -> None:
        self._table = TablePrinter(_COLUMNS)
        self._rows: list[tuple[object, ...]] = []

    def print(self, step: Step) -> None:
        recorded = step.recorded
        time = recorded.recorded_at.isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")
        place = (int(recorded.version), int(recorded.position), time, recorded.type)
        lines = [f"{name}: {_short(one.before)} → {_short(one.after)}" for name, one in step.changes.items()] or ["–"]
        for index, line in enumerate(lines):
            self._rows.append((*(place if not index else ("",) * len(place)), line))
        if len(self._rows) >= _ROWS:
            self.flush()

    def flush(self) -> None:
        self._table.print(self._rows)
        self._rows.clear()


class _JsonPrinter(_Printer):
    """Prints steps as lines of JSON."""

    def print(self, step: Step) -> None:
        recorded = step.recorded
        record = {
            "version": int(recorded.version),
            "position": int(recorded.position),
            "index": recorded.index,
            "recorded_at": recorded.recorded_at,
            "type": recorded.type,
            "event": recorded.event,
            "changes": {name: {"before": one.before, "after": one.after} for name, one in step.changes.items()},
        }
        sys.stdout.write(json_line(record) + "\n")

    def flush(self) -> None:
        sys.stdout.flush()


def _short(value: object) -> str:
    """A value as people are shown it: text as it is, what has parts as JSON."""
    if isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value, enc_hook=str).decode()
    except (TypeError, ValueError, OverflowError):
        return str(value)
