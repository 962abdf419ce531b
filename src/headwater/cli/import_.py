"""`headwater import`: a log out of lines of JSON."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from headwater.cli.opening import DATABASE_ARGUMENT, JSON_OPTION, open_for_writing
from headwater.cli.output import print_answer
from headwater.cli.progress import Update, progress_bar
from headwater.errors import StorageFailed
from headwater.store.importing import Imported


def import_command(
    database: Annotated[str, DATABASE_ARGUMENT],
    source: Annotated[Path | None, typer.Argument(help="The file to read; standard input, if not given.")] = None,
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Make a log of what `headwater export` has written.

    The store is made if there is none. Events get the positions, identifiers and times that they had, and are checked
    against their hashes. What is there already is skipped: an import that was interrupted is begun again. A line that
    can't be right is named, and nothing behind it is imported.
    """
    with _source(source) as file:
        done = asyncio.run(_import(database, file))
    print_answer(
        {"position": int(done.position), "imported": done.events, "known": done.known, "lines": done.lines},
        f"{done.events:,} events imported, {done.known:,} were there; the log ends at position {done.position}.",
        json=json,
    )


async def _import(database: str, file: BinaryIO) -> Imported:
    async with await open_for_writing(database, create=True) as store:
        with progress_bar() as update:
            return await store.import_log(_counted(file, update))


def _counted(file: BinaryIO, update: Update) -> Iterable[bytes]:
    """The file's lines; the bar shows how many bytes were read."""
    size = os.fstat(file.fileno()).st_size  # 0 for a pipe
    read = 0
    for number, line in enumerate(file):
        yield line
        read += len(line)
        if number % 1_000 == 0:
            update("importing", read, max(size, read))


@contextmanager
def _source(path: Path | None) -> Iterator[BinaryIO]:
    if path is None:
        yield sys.stdin.buffer
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise StorageFailed(f"{path}: cannot be read: {error.strerror}") from error
    with file:
        yield file
