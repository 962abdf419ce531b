"""`headwater backup`: a copy of a store that may be in use."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from headwater.cli.opening import DATABASE_ARGUMENT, JSON_OPTION, open_store
from headwater.cli.output import print_answer
from headwater.cli.progress import progress_bar
from headwater.errors import FileTaken
from headwater.store.backup import Backup


def backup(
    database: Annotated[str, DATABASE_ARGUMENT],
    target: Annotated[Path, typer.Argument(help="The file to make.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if there is one.")] = False,
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Copy a store into a file.

    The copy is of one moment, and works beside the process that writes. Each event is checked against its hash before
    the copy gets its name. To restore it, use it, or put it where the store was. It has the keys for personal fields in
    it, as they are encrypted with the master key. PostgreSQL has tools of its own: pg_dump.
    """
    made = asyncio.run(_backup(database, target, overwrite))
    print_answer(
        {"path": str(made.path), "events": made.head.position, "head": made.head.hash.hex(), "bytes": made.size},
        f"{made.head.position:,} events, {made.size:,} bytes, all as they were appended.\nhead {made.head.hash.hex()}",
        json=json,
    )


async def _backup(database: str, target: Path, overwrite: bool) -> Backup:
    if target.exists() and not overwrite:
        raise FileTaken(f"{target}: there is a file already; --overwrite replaces it")
    async with await open_store(database) as store:
        with progress_bar() as update:
            return await store.backup(target, overwrite=overwrite, progress=update)
