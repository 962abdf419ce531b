"""`headwater migrate`: a store in the form that this Headwater writes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

from headwater.cli.opening import DATABASE_ARGUMENT, JSON_OPTION, open_for_writing, store_url
from headwater.cli.output import print_answer
from headwater.store.sqlite.schema import schema_version
from headwater.store.url import parse_url


def migrate(database: Annotated[str, DATABASE_ARGUMENT], json: Annotated[bool, JSON_OPTION] = False) -> None:
    """Bring a store to the newest schema.

    Whoever opens a store for writing does that too; this is for doing it at a time of your own choice. It is one
    transaction: done or not done. There is no way back: make a backup first. Nobody else may write meanwhile.
    """
    path = parse_url(store_url(database)).path
    before = _version(path)
    location = asyncio.run(_open(database))
    after = _version(path)
    name = database if path else location  # a URL may hold a password
    steps = {} if path is None else {"schema_before": before, "schema": after}
    changed = "was up to date" if before == after else f"was brought from schema version {before} to {after}"
    print_answer({"database": name, **steps}, f"{name} {changed}.", json=json)


def _version(path: Path | None) -> int | None:
    """The schema version of a file. Other backends look after theirs by themselves."""
    return None if path is None else schema_version(path)


async def _open(database: str) -> str:
    async with await open_for_writing(database) as store:
        return store.location
