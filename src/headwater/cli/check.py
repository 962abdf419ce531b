"""`headwater check`: whether the code can still read what it has written."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from headwater.app import Application
from headwater.cli.opening import JSON_OPTION, load_application, open_store
from headwater.cli.output import complain, print_json, print_table, wants_json
from headwater.cli.progress import progress_bar
from headwater.schema.lock import LOCK_FILE, SchemaChange, SchemaLock
from headwater.store.census import TypeCount, count_types

BROKEN: Final = 1
"""The exit code when stored events could not be read, or would mean something else."""

STALE: Final = 3
"""The exit code when everything can be read, but the lock doesn't say what the code does: run it with --update."""


def check(
    app: Annotated[
        str, typer.Argument(metavar="APP", help="The application, as package.module:variable.", envvar="HEADWATER_APP")
    ],
    lock: Annotated[Path, typer.Option(help="The lock file, which is committed.")] = Path(LOCK_FILE),
    update: Annotated[bool, typer.Option("--update", help="Write compatible changes into the lock file.")] = False,
    database: Annotated[
        str | None, typer.Option(help="Also read all events of this store: an SQLite file, or a URL.")
    ] = None,
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Check that stored events can still be read.

    Compares its classes of events with a lock file, and makes sure that what doesn't fit any more has an upcaster. Asks
    nothing, so that it can be run for each change. Exit codes: 0, all is well; 1, something that may be stored could
    not be read, or the application is put together wrongly; 3, the lock file has to be updated.
    """
    application = load_application(app)
    present, locked = SchemaLock.of(application.codec), SchemaLock.read(lock)
    changes = (locked or SchemaLock()).changes(present)
    counts = [] if database is None else asyncio.run(_count(database, application))
    unreadable = [count for count in counts if count.unreadable]
    broken = bool(unreadable) or not all(change.compatible for change in changes)
    stale = (locked is None or bool(changes)) and not update
    if update and all(change.compatible for change in changes):
        present.write(lock)
    if wants_json(json):
        print_json([*map(_change_record, changes), *map(_count_record, counts)])
    else:
        _print(application, present, changes, counts, lock, updated=update and not broken)
    _complain(changes, unreadable)
    if broken:
        raise typer.Exit(BROKEN)
    if stale:
        missing = f"there is no {lock}" if locked is None else f"{lock} doesn't say what the code does"
        complain(f"{missing}: run `headwater check {app} --update`, and commit the file")
        raise typer.Exit(STALE)


async def _count(database: str, application: Application) -> list[TypeCount]:
    async with await open_store(database, application.codec) as store:
        head = int(await store.head())
        with progress_bar() as update:
            return await count_types(store, lambda position: update("reading", position, max(head, position)))


def _print(
    application: Application,
    present: SchemaLock,
    changes: Sequence[SchemaChange],
    counts: Sequence[TypeCount],
    lock: Path,
    *,
    updated: bool,
) -> None:
    for change in changes:
        if change.compatible:
            sys.stdout.write(f"{change.type} v{change.schema}: {change.message}\n")
    if counts:
        columns = [("type", False), ("schema", True), ("events", True), ("first position", True), ("unreadable", True)]
        print_table(columns, [(one.type, one.schema, one.events, one.first_position, one.unreadable) for one in counts])
    types, upcasters = len(present.events), len(present.upcasters)
    written = f", written to {lock}" if updated else ""
    sys.stdout.write(f"{application.name}: {types} classes of events, {upcasters} upcasters{written}.\n")
    sys.stdout.flush()


def _complain(changes: Sequence[SchemaChange], unreadable: Sequence[TypeCount]) -> None:
    for change in changes:
        if not change.compatible:
            field = "" if change.field is None else f", field {change.field!r}"
            complain(f"{change.type} v{change.schema}{field}: {change.message}")
    for count in unreadable:
        complain(f"{count.unreadable} events of {count.type} v{count.schema} can't be read: {count.error}")


def _change_record(change: SchemaChange) -> dict[str, object]:
    return {
        "check": "schema",
        "type": change.type,
        "schema": change.schema,
        "field": change.field,
        "compatible": change.compatible,
        "message": change.message,
    }


def _count_record(count: TypeCount) -> dict[str, object]:
    return {
        "check": "log",
        "type": count.type,
        "schema": count.schema,
        "events": count.events,
        "first_position": count.first_position,
        "unreadable": count.unreadable,
        "error": count.error,
    }
