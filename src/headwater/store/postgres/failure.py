"""What the errors of PostgreSQL and its driver mean to a user of the event store."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

from headwater.errors import DuplicateEvent, InternalError, StorageFailed, StorageFull, StoreError
from headwater.store.adapter import Append
from headwater.store.postgres.driver import asyncpg
from headwater.store.repetition import duplicate
from headwater.store.repetitions import events_of

DRIVER: Final = (
    asyncpg.exceptions.PostgresError,
    asyncpg.exceptions.InterfaceError,
    asyncpg.exceptions.InternalClientError,
    OSError,
    TimeoutError,
)
"""Everything that the driver raises. A `TimeoutError` of it comes from a server that doesn't answer any more."""

_LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
    asyncpg.exceptions.InterfaceError,
    asyncpg.exceptions.InternalClientError,
    OSError,
    TimeoutError,
)
_NOT_LOST: Final = (asyncpg.QueryCanceledError, asyncpg.DataError, asyncpg.DatabaseDroppedError)
# What says something about the database as a whole, and nothing about the append at hand.
_STORAGE: Final = (
    asyncpg.InsufficientResourcesError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.PostgresSystemError,
    asyncpg.QueryCanceledError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.SyntaxOrAccessError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.DataCorruptedError,
)
_KEY: Final = re.compile(r"\(id\)=\((?P<id>[0-9a-f-]{36})\)")


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone, so that another one may succeed."""
    return isinstance(error, _LOST) and not isinstance(error, _NOT_LOST)


def is_of_storage(error: BaseException) -> bool:
    """Whether the database refused for a reason that has nothing to do with the append at hand."""
    return is_lost(error) or isinstance(error, _STORAGE)


def storage_failure(location: str, error: BaseException) -> StorageFailed:
    """What to raise when the database refused or cannot be reached."""
    failure = _storage_failure(location, error)
    failure.__cause__ = error
    return failure


def _storage_failure(location: str, error: BaseException) -> StorageFailed:
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, asyncpg.DiskFullError):
        return StorageFull(f"{location}: the server's disk is full ({error})")
    if isinstance(error, asyncpg.LockNotAvailableError):
        return StorageFailed(f"{location}: another writer has held the log's lock for too long ({error})")
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return StorageFailed(f"{location}: the server takes no writes; it may be a standby ({error})")
    if is_lost(error):
        return StorageFailed(f"{location}: the database cannot be reached: {words}")
    return StorageFailed(f"{location}: the database refused: {words}")


def append_failure(append: Append, error: BaseException) -> StoreError | InternalError:
    """What a single append is answered when its own rows were refused."""
    failure: StoreError | InternalError
    if isinstance(error, asyncpg.UniqueViolationError) and getattr(error, "constraint_name", None) == "events_by_id":
        failure = _duplicate(append, error)
    elif isinstance(error, asyncpg.ProgramLimitExceededError):
        failure = StorageFailed(f"an event of the append to {append.stream!r} is larger than PostgreSQL can hold")
    else:
        failure = InternalError(f"the append to {append.stream!r} was refused: {type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure


def _duplicate(append: Append, error: asyncpg.UniqueViolationError) -> DuplicateEvent:
    key = _KEY.search(str(getattr(error, "detail", None)))  # the server keeps it from those who may not read the table
    if key is None:
        return DuplicateEvent(f"an event of the append to {append.stream!r} has an identifier that the log holds")
    found = UUID(key["id"]).bytes
    return duplicate(append, found, stored=sum(event.id == found for event in events_of(append)) < 2)
