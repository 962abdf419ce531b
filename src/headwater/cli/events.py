"""`headwater events`: what happened, in order."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from headwater.cli.event_printer import EventPrinter
from headwater.cli.opening import DATABASE_ARGUMENT, JSON_OPTION, open_store
from headwater.cli.output import wants_json


def events(
    database: Annotated[str, DATABASE_ARGUMENT],
    stream: Annotated[str | None, typer.Option(help="Only this stream; positions are versions then.")] = None,
    after: Annotated[int, typer.Option(min=0, help="Begin behind this position (or version).")] = 0,
    limit: Annotated[int, typer.Option(min=1, help="How many to print.")] = 20,
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Print events of the whole log, or of one stream, in order."""
    asyncio.run(_print(database, stream, after, limit, EventPrinter(json=wants_json(json))))


async def _print(database: str, stream: str | None, after: int, limit: int, printer: EventPrinter) -> None:
    async with await open_store(database) as store:
        found = store.raw_all(after, limit) if stream is None else store.raw_stream(stream, after, limit)
        async for event in found:
            printer.print(event)
    printer.flush()
