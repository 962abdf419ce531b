"""Tables in memory, and their files."""

from __future__ import annotations

from headwater.errors.base import HeadwaterError


class TableError(HeadwaterError):
    """Base of what goes wrong with tables. The table is as it was before."""


class InvalidRow(TableError, TypeError):
    """The row is of another class than the table's, or it or its key cannot be hashed. Nothing was stored."""


class MutableRow(InvalidRow):
    """The row holds something mutable; the message names the path to it. Nothing was stored."""


class IncomparableKey(InvalidRow):
    """The key has no place in the order of the table's other keys. Nothing was stored."""


class MissingKey(TableError, LookupError):
    """The table has no row of this key. `key` is the key.

    Args:
        message: which table, which key.
        key: the key.
    """

    def __init__(self, message: str, /, *, key: object) -> None:
        super().__init__(message)
        self.key = key


class UnknownField(TableError):
    """The table's rows have no such field."""


class KeyChanged(TableError):
    """A row was to be replaced by one with another key. Delete and insert instead."""


class NotCountable(TableError, TypeError):
    """The field is no counter: it doesn't hold an integer, or it is part of the key."""


class TableGone(TableError):
    """The table is no more, or belongs to another process now, and its old owner's handle is used.

    Its owner ended, it was deleted, or given away: the message tells which.
    """


class TableUnknown(TableError):
    """No table has this name."""


class TableNameTaken(TableError):
    """A table has this name already."""


class TablePrivate(TableError):
    """The table is its owner's alone, or, if it is protected, to be written by its owner alone."""


class TableFileError(TableError):
    """Base of what goes wrong with a table's file. The table is as it was before."""


class NotATableFile(TableFileError):
    """The file was not written by `save`."""


class CorruptTableFile(TableFileError):
    """The file is cut short, or its checksum is not that of its contents."""


class OtherTableFile(TableFileError):
    """The file was saved from a table with rows of another class, with another key, or of another kind."""
