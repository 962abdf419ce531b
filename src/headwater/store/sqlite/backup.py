"""A copy of the file, made step by step by SQLite's own means beside those who read and write it."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import apsw

from headwater.clock import Clock
from headwater.errors import BackupFailed, FileTaken
from headwater.store.backup import Backup, BackupProgress
from headwater.store.chain import ChainHead, Checker
from headwater.store.sqlite import page
from headwater.store.sqlite.connection import open_reader
from headwater.store.sqlite.lock import WriterLock

_STEP_PAGES: Final = 512
_STEP_EVENTS: Final = 1_000
_BESIDE: Final = ("-wal", "-shm", "-journal")

T = TypeVar("T")


async def back_up(
    source: Path, target: Path, clock: Clock, *, overwrite: bool, progress: BackupProgress | None
) -> Backup:
    """Copy a store's file. See `EventStore.backup`.

    Each step takes about a millisecond of a thread; between two of them it can be cancelled, and leaves nothing then.
    """
    target = target.absolute()
    _check_target(source, target, overwrite=overwrite)
    copy = target.with_name(f"{target.name}.{secrets.token_hex(4)}.partial")
    try:
        await _copy(source, copy, progress)
        head = await _verify(copy, progress)
        return await _in_thread(partial(_put_in_place, copy, target, clock, head, overwrite=overwrite))
    except apsw.Error as error:
        raise BackupFailed(f"{target}: the copy failed: {type(error).__name__}: {error}") from error
    except OSError as error:
        raise BackupFailed(f"{target}: the copy failed: {error.strerror}") from error
    finally:
        _remove(copy)


async def _in_thread(work: Callable[[], T]) -> T:
    """Run it on a thread. Who is cancelled meanwhile waits for its end: what it works on must not be closed before."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _check_target(source: Path, target: Path, *, overwrite: bool) -> None:
    if not target.exists():
        return
    if target.samefile(source):
        raise FileTaken(f"{target}: this is the store itself, not a place for its copy")
    if not overwrite:
        raise FileTaken(f"{target}: there is a file already; say so if it shall be replaced")


async def _copy(source: Path, unfinished: Path, progress: BackupProgress | None) -> None:
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL, 0o600))
    with _snapshot(source) as reader, closing(apsw.Connection(str(unfinished))) as copy:
        with copy.backup("main", reader, "main") as steps:
            while not steps.done:
                await _in_thread(partial(steps.step, _STEP_PAGES))
                if progress is not None:
                    progress("copying", steps.page_count - steps.remaining, steps.page_count)
        await _in_thread(partial(copy.pragma, "journal_mode", "DELETE"))  # the copy is one file, with nothing beside it
    shutil.copymode(source, unfinished)


@contextmanager
def _snapshot(source: Path) -> Iterator[apsw.Connection]:
    """A connection that sees one moment: without that, each commit would make the copy begin anew."""
    with closing(open_reader(source)) as reader:
        reader.execute("BEGIN")
        page.head(reader)
        yield reader


async def _verify(unfinished: Path, progress: BackupProgress | None) -> ChainHead:
    checker = Checker()
    with closing(open_reader(unfinished)) as reader:
        noted = page.chain_head(reader)
        found = str(await _in_thread(partial(reader.pragma, "quick_check")))
        if found != "ok":
            raise BackupFailed(f"{unfinished}: the copy is damaged: {found}")
        while await _in_thread(partial(_follow, reader, checker)):
            if progress is not None:
                progress("verifying", checker.head.position, noted.position)
        checker.finish(noted)
    if checker.broken is not None:
        raise BackupFailed(f"the store is broken at position {checker.broken.position}: {checker.broken.reason}")
    return checker.head


def _follow(reader: apsw.Connection, checker: Checker) -> bool:
    links = page.chain(reader, checker.head.position, _STEP_EVENTS)
    return bool(links) and checker.follow(links)


def _put_in_place(unfinished: Path, target: Path, clock: Clock, head: ChainHead, *, overwrite: bool) -> Backup:
    _synchronise(unfinished)
    if overwrite:
        lock = WriterLock(target, clock)
        lock.acquire()
        try:
            for ending in _BESIDE:  # they belong to what is replaced, and would be read into the copy
                target.with_name(target.name + ending).unlink(missing_ok=True)
            unfinished.replace(target)
        finally:
            lock.release()
    else:
        try:
            os.link(unfinished, target)  # fails if somebody was faster
        except FileExistsError:
            raise FileTaken(f"{target}: there is a file already; say so if it shall be replaced") from None
    _synchronise(target.parent)
    return Backup(target, head, target.stat().st_size)


def _synchronise(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(unfinished: Path) -> None:
    for ending in ("", *_BESIDE):
        with suppress(OSError):
            unfinished.with_name(unfinished.name + ending).unlink(missing_ok=True)
