"""`headwater dead-letters`: what handlers and process managers could not handle."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

import typer

from headwater.app import Application
from headwater.cli.handlers import APP_OPTION, DATABASE_OPTION, for_upkeep
from headwater.cli.letters import (
    AnyLetter,
    Owner,
    number_of,
    open_box,
    owner_named,
    owners,
    record,
    row,
    shown_letter,
    stored_letters,
)
from headwater.cli.opening import JSON_OPTION, load_application, open_store
from headwater.cli.output import Record, TablePrinter, note, print_answer, print_json, wants_json

dead_letters = typer.Typer(help="Look after what could not be handled.", no_args_is_help=True, rich_markup_mode=None)

HANDLER_ARGUMENT = typer.Argument(metavar="HANDLER", help="The name of the handler, or of the process manager.")
POSITION_ARGUMENT = typer.Argument(
    metavar="POSITION", help="The event's position; of a process manager, the letter's number.", min=1
)

_COLUMNS: Final = ("handler", "position", "stream", "type", "attempts", "failed at", "error")


@dead_letters.command(name="list")
def list_command(
    app: Annotated[str, APP_OPTION],
    handler: Annotated[str | None, typer.Argument(metavar="[HANDLER]", help="Whose; all, if not given.")] = None,
    database: Annotated[str | None, DATABASE_OPTION] = None,
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """List open dead letters. The application may run meanwhile."""
    application = load_application(app)
    kinds = owners(application) if handler is None else (owner_named(application, handler),)
    letters = asyncio.run(_listed(application, database or application.url, kinds))
    if wants_json(json):
        print_json(map(record, letters))
    else:
        TablePrinter(_COLUMNS).print([row(letter) for letter in letters])
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
    kind = owner_named(application, handler)
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
    position: Annotated[int | None, typer.Argument(metavar="[POSITION]", help="See `show`.", min=1)] = None,
    every: Annotated[bool, typer.Option("--all", help="All that are open.")] = False,
    database: Annotated[str | None, DATABASE_OPTION] = None,
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Give events to their handler again, once each. Exit code 1 if one has failed again.

    Of a process manager: dispatch commands again, and let it take up how they end. Its events can't be replayed,
    since it has gone on behind them.

    On SQLite the application must not run meanwhile.
    """
    if (position is None) != every:
        raise typer.BadParameter("name a position, or say --all")
    application = load_application(app)
    kind = owner_named(application, handler)
    outcomes = asyncio.run(_replayed(application, database, kind, position))
    for number, letter in outcomes.items():
        error = None if letter is None else letter.error
        answer = {"handler": handler, "position": number, "done": error is None, "error": error}
        sentence = f"{number}: handled." if error is None else f"{number}: failed again: {error}"
        print_answer(answer, sentence, json=json)
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
    kind = owner_named(application, handler)
    asyncio.run(_dropped(application, database, kind, position, reason))
    print_answer({"handler": handler, "position": position, "dropped": True}, f"{position}: dropped.", json=json)


async def _listed(application: Application, database: str, kinds: tuple[Owner, ...]) -> list[AnyLetter]:
    async with await open_store(database, application.codec) as store:
        return [letter for kind in kinds for letter in await stored_letters(store, kind)]


async def _shown(application: Application, database: str, kind: Owner, number: int) -> Record:
    async with await open_store(database, application.codec) as store:
        return await shown_letter(store, kind, number)


async def _replayed(
    application: Application, database: str | None, kind: Owner, number: int | None
) -> dict[int, AnyLetter | None]:
    async with await open_store(database or application.url, application.codec) as store:
        numbers = [number_of(letter) for letter in await stored_letters(store, kind)] if number is None else [number]
    async with for_upkeep(application, database):
        box = open_box(application, kind)
        return {one: await box.replay(one) for one in numbers}


async def _dropped(application: Application, database: str | None, kind: Owner, number: int, reason: str) -> None:
    async with for_upkeep(application, database):
        await open_box(application, kind).drop(number, reason)
