"""Whose fault an error of a database is: the statement's, or the database's. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from headwater.errors import ViewUnavailable

_STATES: Final = ("08", "25", "40", "53", "55", "57", "58", "XX")
"""SQLSTATE classes: connection, read-only, rolled back, no resources, in use, ended by somebody, system, internal."""


def is_unavailable(error: Exception) -> bool:
    """Whether the same statement may succeed later: the connection or the database is at fault."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        return (
            error.connection_invalidated
            or isinstance(error, OperationalError | InterfaceError)
            or (isinstance(state, str) and state.startswith(_STATES))
        )
    return isinstance(error, OSError | TimeoutError | PoolTimeout)


@contextmanager
def database_errors(location: str) -> Iterator[None]:
    """Turn what is the database's fault into `ViewUnavailable`.

    Raises:
        ViewUnavailable: it was.
    """
    try:
        yield
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        if not is_unavailable(error):
            raise
        raise unavailable(location, error) from error


def unavailable(location: str, error: BaseException) -> ViewUnavailable:
    """The error for whoever asked."""
    cause = getattr(error, "orig", None) or error
    return ViewUnavailable(f"the views in {location} can't be reached: {type(cause).__name__}: {cause}")
