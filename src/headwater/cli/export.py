"""`headwater export`: a log as lines of JSON."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from headwater.cli.opening import DATABASE_ARGUMENT, HIGHEST, open_store
from headwater.cli.progress import progress_bar
from headwater.errors import FileTaken, StorageFailed


def export(
    database: Annotated[str, DATABASE_ARGUMENT],
    target: Annotated[Path | None, typer.Argument(help="The file to make; standard output, if not given.")] = None,
    after: Annotated[int, typer.Option(min=0, max=HIGHEST, help="Only events behind this position.")] = 0,
    keys: Annotated[
        bool, typer.Option("--keys", help="The keys for personal fields too, as encrypted as they are kept.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if there is one.")] = False,
) -> None:
    """Write a log as JSON lines.

    Each line is a CloudEvent, with all that `headwater import` needs to make the same log of it, in a file or in a
    PostgreSQL database: positions, identifiers, times and hashes. Works beside the process that writes. Personal fields
    stay encrypted; without --keys nobody can ever read them in the log that is made of it.
    """
    with _target(target, overwrite=overwrite) as file:
        asyncio.run(_export(database, file, after, keys=keys))


async def _export(database: str, file: BinaryIO, after: int, *, keys: bool) -> None:
    async with await open_store(database) as store:
        with progress_bar() as update:
            async for lines in store.export(after=after, keys=keys, progress=partial(update, "exporting")):
                file.write(lines)


@contextmanager
def _target(path: Path | None, *, overwrite: bool) -> Iterator[BinaryIO]:
    """Where to write; a file gets its name only when it is whole."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if path.exists() and not overwrite:
        raise FileTaken(f"{path}: there is a file already; --overwrite replaces it")
    partial_path = path.with_name(path.name + ".partial")
    try:
        with partial_path.open("wb") as file:
            yield file
        partial_path.replace(path)
    except OSError as error:
        raise StorageFailed(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        partial_path.unlink(missing_ok=True)
