"""`headwater handlers`: how far an application's event handlers have come, and letting them begin anew."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from headwater.app import Application
from headwater.cli.opening import JSON_OPTION, load_application, open_store, store_url
from headwater.cli.output import Record, print_answer, print_json, print_table, wants_json
from headwater.cli.start import parse_start
from headwater.cqrs.dead_letter_box import DeadLetterBox
from headwater.cqrs.event_handler import EventHandler
from headwater.errors import ApplicationError
from headwater.store.model import Recorded
from headwater.store.store import EventStore
from headwater.store.subscription_start import StartFrom, end_of

handlers = typer.Typer(help="Look after an application's event handlers.", no_args_is_help=True, rich_markup_mode=None)

APP_OPTION = typer.Option(help="The application, as package.module:variable.", envvar="HEADWATER_APP")
DATABASE_OPTION = typer.Option(help="An SQLite file, or the URL of a store; the application's own, if not given.")


@handlers.command()
def status(
    app: Annotated[str, APP_OPTION],
    database: Annotated[str | None, DATABASE_OPTION] = None,
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Print how far each handler has come, as the store knows it. The application may run meanwhile."""
    application = load_application(app)
    records = asyncio.run(_statuses(application, database or application.url))
    if wants_json(json):
        print_json(records)
    else:
        names = ["handler", "position", "lag", "dead letters", "owner"]
        print_table([(name, name in names[1:4]) for name in names], [_row(record) for record in records])


@handlers.command()
def reset(
    name: Annotated[str, typer.Argument(metavar="HANDLER", help="The handler's name.")],
    app: Annotated[str, APP_OPTION],
    to: Annotated[
        str, typer.Option(help="origin, head, a position (of a handler of one stream: a version), or an ISO 8601 time.")
    ] = "origin",
    database: Annotated[str | None, DATABASE_OPTION] = None,
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Let a handler handle the events behind a place again, when the application runs the next time.

    Calls its `before_reset`.
    """
    application = load_application(app)
    kind = application.handlers.named(name)
    place = asyncio.run(_reset(application, database, kind, parse_start(to)))
    sentence = f"Handler {name!r} goes on behind {place}."
    print_answer({"handler": name, "position": place}, sentence, json=json)


async def _statuses(application: Application, database: str) -> list[Record]:
    async with await open_store(database, application.codec) as store:
        return [await _status(store, kind) for kind in application.handlers.classes]


async def _status(store: EventStore, kind: type[EventHandler]) -> Record:
    info = await store.subscription_info(kind.subscription())
    position = 0 if info is None else info.checkpoint
    return {
        "handler": kind.handler,
        "position": position,
        "lag": max(0, await end_of(store, kind.stream) - position),
        "dead_letters": await stored_box(store, kind).count(),
        "owner": None if info is None else info.owner,
    }


def _row(record: Record) -> list[object]:
    return ["" if value is None else value for value in record.values()]


async def _reset(application: Application, database: str | None, kind: type[EventHandler], to: StartFrom) -> int:
    async with for_upkeep(application, database):
        await application.reset_handler(kind, to)
        info = await application.store.subscription_info(kind.subscription())
        return 0 if info is None else info.checkpoint


def for_upkeep(application: Application, database: str | None) -> Application:
    """The application, to be entered without running its handlers."""
    application.run_handlers = False
    application.url = store_url(database or application.url)
    return application


def stored_box(store: EventStore, kind: type[EventHandler]) -> DeadLetterBox:
    """The dead letters of a handler, to be looked at."""
    return DeadLetterBox(store, kind.handler, _refuse, kind.max_parked)


async def _refuse(recorded: Recorded) -> None:
    raise ApplicationError("the store is open for reading only")
