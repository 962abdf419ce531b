"""`headwater state`: what an aggregate is, or was."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from headwater.app import Application
from headwater.cli.history import print_history
from headwater.cli.moment import parse_moment
from headwater.cli.opening import JSON_OPTION, NotAnApplication, load_application, open_store
from headwater.cli.output import note, print_json, print_table, wants_json
from headwater.errors import one_of
from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.repository import Loaded, Repository
from headwater.sourcing.timetravel import Moment
from headwater.types import Version


def state(
    kind: Annotated[str, typer.Argument(metavar="TYPE", help="The aggregate's class or category.")],
    id: Annotated[str, typer.Argument(metavar="ID", help="Which one.")],  # noqa: A002 - the field's term
    app: Annotated[str, typer.Option(help="The application, as package.module:variable.", envvar="HEADWATER_APP")],
    database: Annotated[
        str | None, typer.Option(help="An SQLite file, or the URL of a store; the application's own, if not given.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="version:7, position:100 or an ISO 8601 time. Now, if not given.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Also the events behind this moment, up to --at, and what each changed. 0 for all."),
    ] = None,
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Print the state of an aggregate, or what changed it.

    Now or at a moment in the past, folded from its events. With --since: the events from one moment to another, and the
    fields that each of them changed; in JSON, one line for each event. An instant means all events recorded by then.
    """
    application = load_application(app)
    found = _aggregate_named(application, kind)
    if since is not None:
        moments = _since(since), None if at is None else parse_moment(at)
        work = print_history(application, database or application.url, found, id, *moments, json=wants_json(json))
        asyncio.run(work)
        return
    loaded = asyncio.run(
        _load(application, database or application.url, found, id, None if at is None else parse_moment(at))
    )
    if not loaded.version:
        note(f"{found.__name__} {id!r} has no events{' by then' if at else ''}: this is how it begins.")
    record = {"type": found.__name__, "id": id, "version": int(loaded.version), "position": int(loaded.position)}
    fields = {**record, **loaded.aggregate.describe()}
    if wants_json(json):
        print_json([fields])
    else:
        print_table([("field", False), ("value", False)], _rows(fields))


def _since(text: str) -> Moment:
    return Version(0) if text == "0" else parse_moment(text)


def _rows(fields: dict[str, object]) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for name, value in fields.items():
        lines = value if isinstance(value, list) and value else [value]
        rows += [(name if index == 0 else "", line) for index, line in enumerate(lines)]
    return rows


def _aggregate_named(application: Application, name: str) -> type[Aggregate]:
    for aggregate in application.aggregates:
        if name in (aggregate.__name__, aggregate.category):
            return aggregate
    known = one_of([aggregate.__name__ for aggregate in application.aggregates])
    raise NotAnApplication(f"application {application.name!r} has no aggregate {name!r}; it has: {known}")


async def _load(
    application: Application,
    database: str,
    kind: type[Aggregate],
    id: str,  # noqa: A002 - the field's term
    at: Moment | None,
) -> Loaded[Aggregate]:
    async with await open_store(database, application.codec) as store:
        return await Repository(store).load(kind, id, at)
