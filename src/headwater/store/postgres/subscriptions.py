"""The checkpoints of subscriptions: their statements. They need no order with appends, and leave the log's lock alone.

Each change is one statement, so that it takes effect as a whole, and the lock of the subscription's row puts it in
order with the others. What was sent when the connection was lost is sent again; so each statement, but that of a
deletion, does no harm when it is carried out twice. For that a claim draws its token first: if the row has this
token already, the claim was carried out before.
"""

from __future__ import annotations

from typing import Final

from headwater.errors import StoreError
from headwater.store.postgres.readers import Running
from headwater.store.subscription_adapter import Checkpoint, Claim
from headwater.store.subscription_claims import claimed, lost, unchangeable

_COLUMNS: Final = "name, stream, place, token, owner, expires_at"
_FIND: Final = f"SELECT {_COLUMNS} FROM {{s}}.subscriptions WHERE name = $1"  # noqa: S608 - constants only
_LIST: Final = f"SELECT {_COLUMNS} FROM {{s}}.subscriptions WHERE name > $1 ORDER BY name LIMIT $2"  # noqa: S608
_TOKEN: Final = "SELECT nextval('{s}.subscription_tokens')"  # noqa: S105 - no secret
_FREE: Final = "(kept.owner = '' OR kept.expires_at <= {now})"
_CLAIM: Final = f"""
INSERT INTO {{s}}.subscriptions AS kept ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (name) DO UPDATE SET token = excluded.token, owner = excluded.owner, expires_at = excluded.expires_at
WHERE kept.token = excluded.token OR (
    kept.token < excluded.token AND kept.stream IS NOT DISTINCT FROM excluded.stream AND {_FREE.format(now="$7")}
) RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_SAVE: Final = f"""
UPDATE {{s}}.subscriptions SET place = greatest(place, $3), expires_at = CASE owner WHEN '' THEN 0 ELSE $4::bigint END
WHERE name = $1 AND token = $2 RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_RELEASE: Final = f"""
UPDATE {{s}}.subscriptions SET place = greatest(place, $3), owner = '', expires_at = 0
WHERE name = $1 AND token = $2 RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_RESET: Final = f"""
UPDATE {{s}}.subscriptions AS kept SET place = $2, token = $3, owner = '', expires_at = 0
WHERE name = $1 AND token <= $3 AND ($5 OR {_FREE.format(now="$4")}) RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_DELETE: Final = f"""
DELETE FROM {{s}}.subscriptions AS kept WHERE name = $1 AND ($3 OR {_FREE.format(now="$2")}) RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only

Row = tuple[str, str | None, int, int, str, int]
"""The columns in the order of a checkpoint's attributes."""


class PostgresSubscriptions:
    """Fulfils `headwater.store.subscription_adapter.SubscriptionAdapter`.

    Args:
        write: runs what changes something.
        read: runs what doesn't.
        schema: the schema's quoted name.
    """

    def __init__(self, write: Running, read: Running, schema: str) -> None:
        self._write: Final = write
        self._read: Final = read
        self._schema: Final = schema

    async def claim(self, claim: Claim) -> Checkpoint:
        """Make the claimant the owner."""
        while True:  # each turn but the last, somebody else was faster
            outcome = claimed(await self._find(self._write, claim.name), claim, 0)
            if isinstance(outcome, StoreError):
                raise outcome
            token = await self._next_token()
            new = (claim.name, claim.stream, claim.start, token, claim.owner, claim.expires_at)
            kept = await self._change(_CLAIM, *new, claim.now)
            if kept is not None:
                return Checkpoint(*kept)

    async def save(self, name: str, token: int, place: int, expires_at: int) -> None:
        """Raise the checkpoint and renew the lease."""
        if await self._change(_SAVE, name, token, place, expires_at) is None:
            raise lost(name)

    async def release(self, name: str, token: int, place: int) -> None:
        """Raise the checkpoint and end the lease."""
        if await self._change(_RELEASE, name, token, place) is None:
            raise lost(name)

    async def reset(self, name: str, place: int, now: int, *, force: bool) -> Checkpoint:
        """Set the checkpoint."""
        while True:  # like a claim
            await self._require_changeable(name, now, force=force)
            kept = await self._change(_RESET, name, place, await self._next_token(), now, force)
            if kept is not None:
                return Checkpoint(*kept)

    async def delete(self, name: str, now: int, *, force: bool) -> None:
        """Forget the subscription.

        Raises:
            StorageFailed: besides what it means elsewhere: the connection was lost meanwhile, and it isn't known
                whether the subscription is forgotten.
        """
        while True:  # like a claim
            await self._require_changeable(name, now, force=force)
            if await self._change(_DELETE, name, now, force, patience=0) is not None:
                return

    async def find(self, name: str) -> Checkpoint | None:
        """What is kept of a subscription."""
        return await self._find(self._read, name)

    async def list(self, after: str, limit: int) -> list[Checkpoint]:
        """The next subscriptions."""
        query = _LIST.format(s=self._schema)
        return [Checkpoint(*row) for row in await self._read(lambda connection: connection.fetch(query, after, limit))]

    async def _find(self, run: Running, name: str) -> Checkpoint | None:
        query = _FIND.format(s=self._schema)
        row = await run(lambda connection: connection.fetchrow(query, name))
        return None if row is None else Checkpoint(*row)

    async def _next_token(self) -> int:
        query = _TOKEN.format(s=self._schema)
        return int(await self._write(lambda connection: connection.fetchval(query)))

    async def _change(self, statement: str, *values: object, patience: float | None = None) -> Row | None:
        """What the statement returns of the subscription that it has changed; None if it has changed none."""
        text = statement.format(s=self._schema)
        return await self._write(lambda connection: connection.fetchrow(text, *values), patience)

    async def _require_changeable(self, name: str, now: int, *, force: bool) -> None:
        error = unchangeable(await self._find(self._write, name), name, now, force=force)
        if error is not None:
            raise error
