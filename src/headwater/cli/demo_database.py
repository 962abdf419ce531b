"""The file that a demo writes to: made room for, and never at the cost of something else."""

from __future__ import annotations

from pathlib import Path

from headwater.cli.output import note
from headwater.codec import Codec
from headwater.errors import HeadwaterError
from headwater.examples.exchange.run import begun_with
from headwater.store.store import EventStore


class FileInTheWay(HeadwaterError):
    """The database file exists, and nobody said what to do with it."""


async def check_room(path: Path, *, replace: bool) -> None:
    """Make sure that a new demo may have this file. Changes nothing, as long as it isn't a demo's.

    Args:
        path: the database file.
        replace: whether the file of an earlier demo may be removed.

    Raises:
        FileInTheWay: an earlier demo's file is there, and may not be removed.
        NotADemo: an event store is there that no demo has written.
        NotAStore, NewerSchema: the file is something else.
        StoreLocked: another process uses it. The message names it.
    """
    if _is_free(path):
        return
    await check_demo(path)
    async with await EventStore.open(_url(path), Codec(), create=False):
        pass  # nobody else writes
    if not replace:
        raise FileInTheWay(f"{path} exists already: go on with it (--resume), or name another file (--database)")


async def check_demo(path: Path) -> None:
    """Make sure that a run can be gone on with in this file, if it is there. Changes nothing.

    Raises:
        NotADemo: an event store is there that no demo has written.
        NotAStore, NewerSchema: the file is something else.
    """
    if not _is_free(path):
        async with await EventStore.open(_url(path), Codec(), read_only=True) as store:
            await begun_with(store)


async def make_room(path: Path, *, replace: bool) -> None:
    """Remove the file that an earlier demo left, if that is what it is and nobody uses it.

    Raises:
        HeadwaterError: see `check_room`.
    """
    await check_room(path, replace=replace)
    if _is_free(path):
        return
    note(f"Replacing {path}, which an earlier demo left behind.")
    async with await EventStore.open(_url(path), Codec(), create=False):  # so that nobody begins to write meanwhile
        for ending in ("", "-wal", "-shm"):
            Path(f"{path}{ending}").unlink(missing_ok=True)


def _is_free(path: Path) -> bool:
    """Whether nothing is there, or an empty file, such as `mktemp` makes."""
    return not path.exists() or (path.is_file() and path.stat().st_size == 0)


def _url(path: Path) -> str:
    return f"sqlite:///{path.absolute()}"
