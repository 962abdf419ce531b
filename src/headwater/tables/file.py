"""Tables in files: a snapshot of the rows, with a checksum. For what is quick to have again, not for what is true.

A file is a first line that says what it is, a second one that describes the table in JSON, the rows as MessagePack, and
the SHA-256 of all that.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar, cast

import msgspec

from headwater.errors import CorruptTableFile, NotATableFile, OtherTableFile, TableFileError
from headwater.immutable import frozen_copy
from headwater.tables.content import Content, TableKind
from headwater.tables.shape import Field

Row = TypeVar("Row")

_MAGIC: Final = b"headwater table 1\n"
_DIGEST: Final = hashlib.sha256().digest_size


class TableFileInfo(msgspec.Struct, frozen=True):
    """What a table's file holds.

    Attributes:
        kind: what the table was.
        row: the name of its rows' class.
        key: the fields that its rows were found by; empty for a function.
        count: how many rows there are.
    """

    kind: TableKind
    row: str
    key: tuple[Field, ...]
    count: int


def table_file_info(path: str | os.PathLike[str]) -> TableFileInfo:
    """What the file holds, after its checksum was found right.

    Raises:
        NotATableFile: it was not written by `save`.
        CorruptTableFile: it is cut short, or was changed since.
        OSError: it can't be read.
    """
    return _read(Path(path))[0]


def save(content: Content[Row], path: str | os.PathLike[str]) -> TableFileInfo:
    """Write the rows as they are at one moment. The file is replaced when the new one is whole and on the disk."""
    rows = content.all()
    info = _describe(content, len(rows))
    try:
        body = msgspec.msgpack.encode(rows, enc_hook=_plain_mapping)
    except (TypeError, ValueError, OverflowError, NotImplementedError) as error:
        raise TableFileError(f"the rows can't be written: {error}") from error
    whole = _MAGIC + msgspec.json.encode(info) + b"\n" + body
    _replace(Path(path), whole + hashlib.sha256(whole).digest())
    return info


def load(content: Content[Row], path: str | os.PathLike[str]) -> list[Row]:
    """The rows of a file that was saved from such a table."""
    info, body = _read(Path(path))
    expected = _describe(content, info.count)
    if info != expected:
        raise OtherTableFile(f"{path} holds {_in_words(info)}; this table is {_in_words(expected)}")
    try:
        rows = msgspec.msgpack.decode(body, type=list[content.shape.annotation])  # type: ignore[name-defined]
    except (msgspec.DecodeError, TypeError) as error:
        raise OtherTableFile(f"the rows in {path} don't fit {content.shape.name}: {error}") from error
    return [cast("Row", frozen_copy(row)) for row in rows]


def _describe(content: Content[Row], count: int) -> TableFileInfo:
    return TableFileInfo(content.kind, content.shape.name, content.shape.key_fields, count)


def _in_words(info: TableFileInfo) -> str:
    return f"a {info.kind} of {info.row} rows by {', '.join(map(str, info.key)) or 'a function'}"


def _plain_mapping(value: object) -> object:
    if isinstance(value, MappingProxyType):
        return dict(value)
    raise NotImplementedError(f"a {type(value).__qualname__} has no form in a file")


def _read(path: Path) -> tuple[TableFileInfo, bytes]:
    whole = path.read_bytes()
    if not whole.startswith(_MAGIC):
        raise NotATableFile(f"{path} was not written by a table's save")
    contents, digest = whole[:-_DIGEST], whole[-_DIGEST:]
    if hashlib.sha256(contents).digest() != digest:
        raise CorruptTableFile(f"{path} is cut short or was changed: its checksum is wrong")
    header, _, body = contents[len(_MAGIC) :].partition(b"\n")
    return msgspec.json.decode(header, type=TableFileInfo), body


def _replace(path: Path, data: bytes) -> None:
    """Write beside, flush to the disk, then rename: whoever opens the file finds the old one or the new one."""
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(beside).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
