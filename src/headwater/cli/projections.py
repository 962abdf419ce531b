"""`headwater projections`: what is stored of an application's views, and which of their versions serve."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import msgspec
import typer

from headwater.app import Application
from headwater.cli.opening import JSON_OPTION, load_application, open_for_writing, open_store, store_url
from headwater.cli.output import note, print_answer, print_json, print_table, wants_json
from headwater.cli.progress import progress_bar
from headwater.clock import SystemClock
from headwater.cqrs.projection import Projection
from headwater.cqrs.stored_views import StoredView, StoredViews
from headwater.store.store import EventStore
from headwater.types import Position

projections = typer.Typer(
    help="Look at stored views; build them; choose versions.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

APP = typer.Option(help="The application, as package.module:variable.", envvar="HEADWATER_APP")
DATABASE = typer.Option(help="An SQLite file, or the URL of a store; the application's own, if not given.")
NAME = typer.Argument(metavar="VIEW", help="The view's name, without a version.")


@projections.command()
def status(
    app: Annotated[str, APP],
    database: Annotated[str | None, DATABASE] = None,
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Print where the next start begins.

    This is what is stored. The views of a running application are in its own memory, and further: ask it (`views`).
    Those in a database are where they are shown.
    """
    application = load_application(app)
    found = asyncio.run(_statuses(application, database))
    if wants_json(json):
        print_json(map(_record, found))
    else:
        columns = [("view", False), ("serves", False), ("stored up to", True), ("head", True), ("lag", True)]
        print_table([*columns, ("rows", True), ("stored at", False)], map(_row, found))


def _record(one: StoredView) -> dict[str, object]:
    places = {"position": int(one.position), "head": int(one.head), "lag": one.lag}
    return {**msgspec.structs.asdict(one), **places}


def _row(one: StoredView) -> tuple[object, ...]:
    stored_at = "" if one.stored_at is None else one.stored_at.isoformat(" ", "seconds")
    rows = "" if one.rows is None else one.rows
    return one.view, "yes" if one.active else "", one.position, one.head, one.lag, rows, stored_at


async def _statuses(application: Application, database: str | None) -> list[StoredView]:
    async with await open_store(database or application.url, application.codec) as store:
        return await _views(application, store, database).statuses()


@projections.command()
def rebuild(
    name: Annotated[str, NAME],
    app: Annotated[str, APP],
    version: Annotated[int | None, typer.Option(help="Which version; the one that serves, if not given.")] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Empty the tables that serve, of a view in a database.")
    ] = False,
    database: Annotated[str | None, DATABASE] = None,
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Build a view anew and store it.

    It follows the log from its beginning; the next start begins where it ends. It stops at the first event that can't
    be followed, and leaves what is stored as it is. An SQLite file can't be written
    beside the application that runs on it: there, `Application.rebuild` builds beside what serves.

    Of a view in a database, a version that doesn't serve is built in tables of its own. The one that serves is built
    only with --in-place, while no application runs: its tables are emptied, and if the building ends early, the next
    start goes on from there.
    """
    application = load_application(app)
    started = time.monotonic()
    kind, position, stored = asyncio.run(_rebuild(application, database, name, version, in_place=in_place))
    record = {"view": kind.view, "position": int(position), "stored": stored, "seconds": time.monotonic() - started}
    if not stored:
        note(f"{kind.view} stores nothing (it has no snapshot_every), so it will be built anew at the next start.")
    print_answer(record, f"{kind.view} follows the log up to position {position:,}.", json=json)


async def _rebuild(
    application: Application, database: str | None, name: str, version: int | None, *, in_place: bool
) -> tuple[type[Projection], Position, bool]:
    async with await open_for_writing(database or application.url, application.codec) as store:
        views = _views(application, store, database)
        view = views.find(name, version)
        kind = await views.active(view) if version is None else view.version(version)
        with progress_bar() as update:
            position = await views.rebuild(
                kind, lambda done, head: update(kind.view, int(done), head), in_place=in_place
            )
        stored = any(one.view == kind.view and one.position for one in await views.statuses())
        return kind, position, stored or not position


@projections.command()
def swap(
    name: Annotated[str, NAME],
    version: Annotated[int, typer.Argument(metavar="VERSION", help="The version that shall serve.")],
    app: Annotated[str, APP],
    database: Annotated[str | None, DATABASE] = None,
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Choose which version serves.

    It does from the next start on. A running application goes on as it is; it swaps by `Application.rebuild`.
    """
    application = load_application(app)
    found = asyncio.run(_swap(application, database, name, version))
    if found.lag:
        note(
            f"The next start has to follow {found.lag:,} events first; `headwater projections rebuild` spares it that."
        )
    print_answer({"view": found.view, "active": True}, f"{found.view} serves from the next start on.", json=json)


async def _swap(application: Application, database: str | None, name: str, version: int) -> StoredView:
    async with await open_for_writing(database or application.url, application.codec) as store:
        views = _views(application, store, database)
        view = views.find(name, version)
        await views.swap(view, version)
        return next(one for one in await views.statuses() if one.view == view.version(version).view)


def _views(application: Application, store: EventStore, database: str | None) -> StoredViews:
    places = application.view_places if database is None else application.view_places.on(store_url(database))
    return StoredViews(application.projections, store, SystemClock(), places)
