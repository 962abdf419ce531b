"""The keys of subjects: their statements. They need no order with appends, and leave the log's lock alone.

Each is carried out again when the connection was lost, so each does no harm when it is carried out twice. Several rows
are locked in the order of their names: two writers never wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from headwater.store.key_adapter import SubjectKey
from headwater.store.postgres.readers import Running

_FIND: Final = "SELECT subject, wrapped, master FROM {s}.subjects WHERE subject = ANY ($1::text[])"
_LIST: Final = "SELECT subject, wrapped, master FROM {s}.subjects WHERE subject > $1 ORDER BY subject LIMIT $2"
_CREATE: Final = """
INSERT INTO {s}.subjects (subject, wrapped, master)
SELECT subject, wrapped, master FROM unnest($1::text[], $2::bytea[], $3::text[]) AS new (subject, wrapped, master)
ORDER BY subject COLLATE "C" ON CONFLICT DO NOTHING
"""
_DESTROY: Final = """
UPDATE {s}.subjects SET wrapped = NULL, master = '' WHERE subject = $1 AND wrapped IS NOT NULL RETURNING subject
"""
_REWRAP: Final = """
WITH locked AS (
    SELECT subject FROM {s}.subjects WHERE subject = ANY ($1::text[]) ORDER BY subject FOR UPDATE
), replaced AS (
    UPDATE {s}.subjects AS kept SET wrapped = new.wrapped, master = new.master
    FROM locked JOIN unnest($1::text[], $2::bytea[], $3::text[]) AS new (subject, wrapped, master) USING (subject)
    WHERE kept.subject = locked.subject AND kept.wrapped IS NOT NULL
    AND (kept.master = $4 OR kept.wrapped = new.wrapped) RETURNING 1
)
SELECT count(*) FROM replaced
"""


class PostgresKeys:
    """Fulfils `headwater.store.key_adapter.KeyAdapter`.

    What is destroyed is in no row any more that anybody can read. The server has its bytes in the table's file until
    it puts something else in their place, and in its write-ahead log until that segment is used again. The table has
    itself vacuumed after each key that was destroyed; `VACUUM FULL` makes its file anew.

    Args:
        write: runs what changes something.
        read: runs what doesn't.
        schema: the schema's quoted name.
    """

    def __init__(self, write: Running, read: Running, schema: str) -> None:
        self._write: Final = write
        self._read: Final = read
        self._schema: Final = schema

    async def find(self, subjects: Sequence[str]) -> list[SubjectKey]:
        """What is kept of these subjects."""
        return await _keys(self._read, _FIND.format(s=self._schema), list(subjects))

    async def create(self, keys: Sequence[SubjectKey]) -> list[SubjectKey]:
        """Keep those that aren't known yet."""
        insert, columns = _CREATE.format(s=self._schema), _columns(keys)
        await self._write(lambda connection: connection.execute(insert, *columns))
        return await self.find([key.subject for key in keys])  # a statement of its own: it sees who was faster

    async def forget(self, subject: str) -> bool:
        """Destroy a key.

        If the connection was lost while that was done, it may be that there was a key though the answer is False.
        """
        destroy = _DESTROY.format(s=self._schema)
        while await self._write(lambda connection: connection.fetchval(destroy, subject)) is None:
            [kept] = await self.create([SubjectKey(subject, None, "")])
            if kept.wrapped is None:  # or else somebody has made a key just now
                return False
        return True

    async def list(self, after: str, limit: int) -> list[SubjectKey]:
        """The next subjects."""
        return await _keys(self._read, _LIST.format(s=self._schema), after, limit)

    async def rewrap(self, keys: Sequence[SubjectKey], master: str) -> int:
        """Replace keys."""
        query, columns = _REWRAP.format(s=self._schema), _columns(keys)
        return int(await self._write(lambda connection: connection.fetchval(query, *columns, master)))


async def _keys(read: Running, query: str, *values: object) -> list[SubjectKey]:
    return [SubjectKey(*row) for row in await read(lambda connection: connection.fetch(query, *values))]


def _columns(keys: Sequence[SubjectKey]) -> tuple[list[str], list[bytes | None], list[str]]:
    return [key.subject for key in keys], [key.wrapped for key in keys], [key.master for key in keys]
