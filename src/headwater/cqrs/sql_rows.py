"""What the answers of a view in a database read through."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec
from sqlalchemy import Connection, Executable

T = TypeVar("T")


class Rows:
    """The rows of a view, for one answer. All that it reads is of one moment, and it can't write.

    Each method takes a statement that selects, and the type that it shall give: a struct, a tuple, an `int`. What is
    read is checked against the type: `msgspec.ValidationError` tells what doesn't fit.

    Args:
        connection: the connection that it reads from, inside a transaction.

    Attributes:
        connection: SQLAlchemy's connection, for all else.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection: Final = connection

    def all(self, statement: Executable, row: type[T]) -> list[T]:
        """Every row, as a struct with fields named as the columns are."""
        found = self.connection.execute(statement)
        names = _names(found.keys())
        return [_convert(dict(zip(names, one, strict=True)), row) for one in found]

    def first(self, statement: Executable, row: type[T]) -> T | None:
        """The first row, as a struct; None if there is none."""
        found = self.connection.execute(statement)
        names, first = _names(found.keys()), found.first()
        return None if first is None else _convert(dict(zip(names, first, strict=True)), row)

    def values(self, statement: Executable, kind: type[T]) -> list[T]:
        """The first column of every row."""
        return [_convert(one, kind) for one in self.connection.execute(statement).scalars()]

    def value(self, statement: Executable, kind: type[T]) -> T | None:
        """The first column of the first row; None if there is no row, or it is NULL."""
        found = self.connection.execute(statement).scalars().first()
        return None if found is None else _convert(found, kind)


def _names(columns: Iterable[str]) -> list[str]:
    return [str(name) for name in columns]  # plain ones: SQLAlchemy's know how they are quoted


def _convert(found: object, kind: type[T]) -> T:
    return msgspec.convert(found, kind, strict=False)  # a sum of integers is a Decimal in PostgreSQL
