"""The checkpoints of subscriptions: their tables, the statements, and the way to the writer."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Final, Protocol, TypeVar

import apsw
import msgspec

from headwater.errors import StoreError
from headwater.store.sqlite.draft import Draft
from headwater.store.subscription_adapter import Checkpoint, Claim
from headwater.store.subscription_claims import claimed, lost, unchangeable

_FIND: Final = "SELECT name, stream, place, token, owner, expires_at FROM subscriptions WHERE name = ?"
_LIST: Final = """
SELECT json_group_array(json_array(name, stream, place, token, owner, expires_at)) FROM (
    SELECT * FROM subscriptions WHERE name > ? ORDER BY name LIMIT ?
)
"""
_PUT: Final = """
INSERT OR REPLACE INTO subscriptions (name, stream, place, token, owner, expires_at) VALUES (?, ?, ?, ?, ?, ?)
"""
_SAVE: Final = "UPDATE subscriptions SET place = max(place, ?1), owner = iif(?2, owner, ''), expires_at = ?2 "
_OWNED: Final = "WHERE name = ?3 AND token = ?4 RETURNING 1"
_DELETE: Final = "DELETE FROM subscriptions WHERE name = ?"
_COUNT_ON: Final = "UPDATE subscription_tokens SET last = last + 1 RETURNING last"
_HAS_OWNERS: Final = "SELECT 1 FROM subscriptions WHERE owner <> '' LIMIT 1"
_VOID: Final = "UPDATE subscriptions SET token = ?, owner = '', expires_at = 0 WHERE owner <> ''"

_Row = tuple[str, str | None, int, int, str, int]
_T_co = TypeVar("_T_co", covariant=True)
_T = TypeVar("_T")


class Changing(Protocol):
    """`SqliteAdapter.change`."""

    def __call__(self, run: Callable[[apsw.Connection, Draft], _T], /, *, quiet: bool) -> Coroutine[object, object, _T]:
        """Have the writer run it in its next transaction."""


class Querying(Protocol):
    """`SqliteAdapter.query`."""

    def __call__(self, query: Callable[[apsw.Connection], _T], /) -> Coroutine[object, object, _T]:
        """Run it on a reader's connection."""


class SqliteSubscriptions:
    """Fulfils `headwater.store.subscription_adapter.SubscriptionAdapter`.

    Changes go through the writer's queue, in order with appends, and share its transactions.

    Args:
        change: runs what changes something.
        query: runs what doesn't.
    """

    def __init__(self, change: Changing, query: Querying) -> None:
        self._change: Final = change
        self._query: Final = query

    async def claim(self, claim: Claim) -> Checkpoint:
        """Make the claimant the owner."""
        return await self._change(lambda connection, _: _claim(connection, claim), quiet=True)

    async def save(self, name: str, token: int, place: int, expires_at: int) -> None:
        """Raise the checkpoint and renew the lease."""
        await self._change(lambda connection, _: _save(connection, name, token, place, expires_at), quiet=True)

    async def release(self, name: str, token: int, place: int) -> None:
        """Raise the checkpoint and end the lease."""
        await self._change(lambda connection, _: _save(connection, name, token, place, 0), quiet=True)

    async def reset(self, name: str, place: int, now: int, *, force: bool) -> Checkpoint:
        """Set the checkpoint."""

        def run(connection: apsw.Connection, _: Draft) -> Checkpoint:
            kept = _changeable(connection, name, now, force=force)
            return _put(connection, Checkpoint(name, kept.stream, place, _next_token(connection)))

        return await self._change(run, quiet=True)

    async def delete(self, name: str, now: int, *, force: bool) -> None:
        """Forget the subscription."""

        def run(connection: apsw.Connection, _: Draft) -> None:
            _changeable(connection, name, now, force=force)
            connection.execute(_DELETE, (name,))

        await self._change(run, quiet=True)

    async def find(self, name: str) -> Checkpoint | None:
        """What is kept of a subscription."""
        return await self._query(lambda connection: _find(connection, name))

    async def list(self, after: str, limit: int) -> list[Checkpoint]:
        """The next subscriptions."""
        rows = await self._query(lambda connection: connection.execute(_LIST, (after, limit)).fetchall())
        return [Checkpoint(*row) for row in msgspec.json.decode(str(rows[0][0]), type=list[_Row])]


def void_leases(connection: apsw.Connection) -> None:
    """Let nobody own a subscription, and make all earlier tokens of those that had an owner worthless.

    Only for whoever has just become the one who writes: the owners were of the process that wrote before, which is dead
    or has closed the store.

    Raises:
        apsw.Error: SQLite refused. Nothing was changed.
    """
    with connection:
        if connection.execute(_HAS_OWNERS).fetchall():
            connection.execute(_VOID, (_next_token(connection),))


def _claim(connection: apsw.Connection, claim: Claim) -> Checkpoint:
    outcome = claimed(_find(connection, claim.name), claim, 0)
    if isinstance(outcome, StoreError):
        raise outcome
    return _put(connection, msgspec.structs.replace(outcome, token=_next_token(connection)))


def _save(connection: apsw.Connection, name: str, token: int, place: int, expires_at: int) -> None:
    if not connection.execute(_SAVE + _OWNED, (place, expires_at, name, token)).fetchall():
        raise lost(name)


def _find(connection: apsw.Connection, name: str) -> Checkpoint | None:
    rows = connection.execute(_FIND, (name,)).fetchall()
    return Checkpoint(*msgspec.convert(rows[0], _Row)) if rows else None


def _put(connection: apsw.Connection, kept: Checkpoint) -> Checkpoint:
    connection.execute(_PUT, (kept.name, kept.stream, kept.place, kept.token, kept.owner, kept.expires_at))
    return kept


def _changeable(connection: apsw.Connection, name: str, now: int, *, force: bool) -> Checkpoint:
    kept = _find(connection, name)
    error = unchangeable(kept, name, now, force=force)
    if error is not None:
        raise error
    assert kept is not None  # noqa: S101 - or there was an error
    return kept


def _next_token(connection: apsw.Connection) -> int:
    [(token,)] = connection.execute(_COUNT_ON).fetchall()
    return msgspec.convert(token, int)
