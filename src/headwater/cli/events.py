"""`headwater events`: what happened, in order."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from headwater.cli.event_printer import EventPrinter
from headwater.cli.opening import DATABASE_ARGUMENT, HIGHEST, JSON_OPTION, open_store, require_stream
from headwater.cli.output import wants_json


def events(
    database: Annotated[str, DATABASE_ARGUMENT],
    stream: Annotated[str | None, typer.Option(help="Only this stream.")] = None,
    after: Annotated[
        int, typer.Option(min=0, max=HIGHEST, help="Begin behind this position; with --stream, behind this version.")
    ] = 0,
    limit: Annotated[int, typer.Option(min=1, help="How many to print.")] = 20,
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Print events, in order.

    Those of the whole log, or of one stream. In JSON lines an event has all its fields: position, stream, version,
    type, schema, data, id, recorded_at, causation, correlation and metadata.
    """
    asyncio.run(_print(database, stream, after, limit, EventPrinter(json=wants_json(json), stream=stream)))


async def _print(database: str, stream: str | None, after: int, limit: int, printer: EventPrinter) -> None:
    async with await open_store(database) as store:
        if stream is not None:
            await require_stream(store, stream)
        found = store.raw_all(after, limit) if stream is None else store.raw_stream(stream, after, limit)
        async for event in found:
            printer.print(event)
    printer.flush()
