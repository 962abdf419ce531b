"""`headwater streams`: what streams a store has."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from headwater.cli.opening import DATABASE_ARGUMENT, JSON_OPTION, open_store
from headwater.cli.output import print_json, print_table, wants_json
from headwater.store.stream import StreamInfo


def streams(
    database: Annotated[str, DATABASE_ARGUMENT],
    limit: Annotated[int, typer.Option(min=1, help="How many to list.")] = 100,
    after: Annotated[str, typer.Option(help="Begin behind this name, for the next page.")] = "",
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """List the streams of a store.

    By name, with their versions, and where they begin and end in the log.
    """
    found = asyncio.run(_read(database, after, limit))
    if wants_json(json):
        print_json(_record(info) for info in found)
    else:
        columns = [("stream", False), ("version", True), ("first position", True), ("last position", True)]
        print_table(columns, (list(_record(info).values()) for info in found))


async def _read(database: str, after: str, limit: int) -> list[StreamInfo]:
    found: list[StreamInfo] = []
    async with await open_store(database) as store:
        async for info in store.streams(after):
            found.append(info)
            if len(found) == limit:
                break
    return found


def _record(info: StreamInfo) -> dict[str, object]:
    return {
        "stream": info.name,
        "version": int(info.version),
        "first_position": int(info.first_position),
        "last_position": int(info.last_position),
    }
