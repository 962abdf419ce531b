"""`headwater tail`: what happens, as it happens."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Annotated

import typer

from headwater.cli.event_printer import EventPrinter
from headwater.cli.opening import DATABASE_ARGUMENT, JSON_OPTION, open_store
from headwater.cli.output import note, wants_json


def tail(
    database: Annotated[str, DATABASE_ARGUMENT],
    stream: Annotated[str | None, typer.Option(help="Only this stream.")] = None,
    last: Annotated[int, typer.Option(min=0, help="Begin with so many of the last events.")] = 10,
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Print events as they happen.

    Begins with the last ones, goes on until Ctrl-C, and works beside the process that writes.
    """
    asyncio.run(_until_interrupted(_follow(database, stream, last, EventPrinter(json=wants_json(json), stream=stream))))


async def _follow(database: str, stream: str | None, last: int, printer: EventPrinter) -> None:
    async with await open_store(database) as store:
        if stream is None:
            end = int(await store.head())
        else:
            newest = await store.last(stream)
            end = 0 if newest is None else newest.version
            if newest is None:
                note(f"There is no stream {stream!r} yet; waiting for its first event.")
        async for page in store.follow(max(0, end - last), stream):
            for event in page:
                printer.print(event)
            printer.flush()


async def _until_interrupted(work: Coroutine[object, object, None]) -> None:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
