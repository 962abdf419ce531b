"""What lies at a path, found out without touching it: SQLite itself may write to what it opens."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from headwater.errors import NotAStore, StorageFailed
from headwater.store.sqlite.schema import APPLICATION_ID, require_known

_MAGIC: Final = b"SQLite format 3\x00"
_HEADER: Final = 100
_USER_VERSION: Final = slice(60, 64)
_APPLICATION_ID: Final = slice(68, 72)


def check_file(path: Path, *, create: bool) -> None:
    """Make sure that the path holds an event store, or may hold one. Changes nothing, byte for byte.

    Args:
        path: where the store is, or shall be.
        create: whether nothing at all, or an empty file, will do as well.

    Raises:
        NotAStore: there is something else, or nothing and `create` is false.
        NewerSchema: the store was written by a newer Headwater.
        StorageFailed: the directory is missing or cannot be written to, or the file cannot be read.
    """
    header = _header(path)
    if header:
        _check_header(path, header)
    elif not create:
        raise NotAStore(f"{path}: there is no event store here")
    else:
        _check_directory(path)


def _header(path: Path) -> bytes:
    """The file's first bytes; none when there is no file."""
    try:
        with path.open("rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise NotAStore(f"{path}: this is not a regular file")
            return file.read(_HEADER)
    except FileNotFoundError:
        return b""
    except IsADirectoryError:
        raise NotAStore(f"{path}: this is a directory; name a file in it, such as {path / 'events.db'}") from None
    except OSError as error:
        raise StorageFailed(f"{path}: cannot be read: {error.strerror}") from error


def _check_header(path: Path, header: bytes) -> None:
    if not header.startswith(_MAGIC):
        raise NotAStore(f"{path}: this is not a SQLite file")
    if int.from_bytes(header[_APPLICATION_ID]) != APPLICATION_ID:
        raise NotAStore(f"{path}: this is a SQLite file of another program, not an event store")
    require_known(int.from_bytes(header[_USER_VERSION]), path)


def _check_directory(path: Path) -> None:
    directory = path.parent
    if not directory.is_dir():
        raise StorageFailed(f"{path}: there is no directory {directory}; create it first")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise StorageFailed(f"{path}: the directory {directory} cannot be written to")
