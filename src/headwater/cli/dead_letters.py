"""`headwater dead-letters`: the events that handlers could not handle."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

import msgspec
import typer

from headwater.app import Application
from headwater.cli.handlers import APP_OPTION, DATABASE_OPTION, for_upkeep, stored_box
from headwater.cli.opening import JSON_OPTION, load_application, open_store
from headwater.cli.output import Record, TablePrinter, note, print_answer, print_json, wants_json
from headwater.cqrs.dead_letter import Letter
from headwater.cqrs.event_handler import EventHandler
from headwater.errors import CodecError, EventNotFound

dead_letters = typer.Typer(
    help="Look after the events that handlers could not handle.", no_args_is_help=True, rich_markup_mode=None
)

HANDLER_ARGUMENT = typer.Argument(metavar="HANDLER", help="The handler's name.")
POSITION_ARGUMENT = typer.Argument(metavar="POSITION", help="The event's position.", min=1)

_COLUMNS: Final = ("handler", "position", "stream", "type", "attempts", "failed at", "error")


@dead_letters.command(name="list")
def list_command(
    app: Annotated[str, APP_OPTION],
    handler: Annotated[str | None, typer.Argument(metavar="[HANDLER]", help="The handler's name; all of them.")] = None,
    database: Annotated[str | None, DATABASE_OPTION] = None,
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """List open dead letters. The application may run meanwhile."""
    application = load_application(app)
    kinds = application.handlers.classes if handler is None else (application.handlers.named(handler),)
    letters = asyncio.run(_listed(application, database or application.url, kinds))
    if wants_json(json):
        print_json(map(_record, letters))
    else:
        TablePrinter(_COLUMNS).print([_row(letter) for letter in letters])
        if not letters:
            note("There are no open dead letters.")


@dead_letters.command()
def show(
    handler: Annotated[str, HANDLER_ARGUMENT],
    position: Annotated[int, POSITION_ARGUMENT],
    app: Annotated[str, APP_OPTION],
    database: Annotated[str | None, DATABASE_OPTION] = None,
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Print one dead letter, with its event and where the handler raised."""
    application = load_application(app)
    kind = application.handlers.named(handler)
    shown = asyncio.run(_shown(application, database or application.url, kind, position))
    if wants_json(json):
        print_json([shown])
    else:
        rows = [(name, line) for name, value in shown.items() for line in str(value).splitlines() or [""]]
        TablePrinter(("field", "value")).print(rows)


@dead_letters.command()
def replay(
    handler: Annotated[str, HANDLER_ARGUMENT],
    app: Annotated[str, APP_OPTION],
    position: Annotated[int | None, typer.Argument(metavar="[POSITION]", help="The event's position.", min=1)] = None,
    every: Annotated[bool, typer.Option("--all", help="All that are open.")] = False,
    database: Annotated[str | None, DATABASE_OPTION] = None,
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Give events to their handler again, once each. Exit code 1 if one has failed again.

    On SQLite the application must not run meanwhile.
    """
    if (position is None) != every:
        raise typer.BadParameter("name a position, or say --all")
    application = load_application(app)
    kind = application.handlers.named(handler)
    outcomes = asyncio.run(_replayed(application, database, kind, position))
    for number, letter in outcomes.items():
        error = None if letter is None else letter.error
        record = {"handler": handler, "position": number, "done": error is None, "error": error}
        sentence = f"{number}: handled." if error is None else f"{number}: failed again: {error}"
        print_answer(record, sentence, json=json)
    if any(outcomes.values()):
        raise typer.Exit(1)


@dead_letters.command()
def drop(
    handler: Annotated[str, HANDLER_ARGUMENT],
    position: Annotated[int, POSITION_ARGUMENT],
    app: Annotated[str, APP_OPTION],
    reason: Annotated[str, typer.Option(help="Why; kept in the log.")] = "",
    database: Annotated[str | None, DATABASE_OPTION] = None,
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Decide that an event won't be handled. On SQLite the application must not run meanwhile."""
    application = load_application(app)
    kind = application.handlers.named(handler)
    asyncio.run(_dropped(application, database, kind, position, reason))
    print_answer({"handler": handler, "position": position, "dropped": True}, f"{position}: dropped.", json=json)


async def _listed(application: Application, database: str, kinds: tuple[type[EventHandler], ...]) -> list[Letter]:
    async with await open_store(database, application.codec) as store:
        return [letter for kind in kinds for letter in await stored_box(store, kind).list()]


async def _shown(application: Application, database: str, kind: type[EventHandler], position: int) -> Record:
    async with await open_store(database, application.codec) as store:
        box = stored_box(store, kind)
        letter = await box.show(position)
        try:
            parts = [msgspec.to_builtins(recorded.event) for recorded in await box.events(position)]
            event: object = parts[0] if len(parts) == 1 else parts
        except (CodecError, EventNotFound) as error:
            event = str(error)
        return {**_record(letter), "event": event, "trace": letter.trace}


async def _replayed(
    application: Application, database: str | None, kind: type[EventHandler], position: int | None
) -> dict[int, Letter | None]:
    async with for_upkeep(application, database):
        box = application.dead_letters(kind)
        positions = [letter.position for letter in await box.list()] if position is None else [position]
        return {number: await box.replay(number) for number in positions}


async def _dropped(
    application: Application, database: str | None, kind: type[EventHandler], position: int, reason: str
) -> None:
    async with for_upkeep(application, database):
        await application.dead_letters(kind).drop(position, reason)


def _record(letter: Letter) -> Record:
    record = msgspec.structs.asdict(letter)
    del record["trace"]
    return record


def _row(letter: Letter) -> tuple[object, ...]:
    when = f"{letter.failed_at:%F %T}"
    return letter.handler, letter.position, letter.stream, letter.event_type, letter.attempts, when, letter.error
