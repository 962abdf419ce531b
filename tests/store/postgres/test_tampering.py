"""Somebody writes to the tables with SQL of his own: `verify` names the first event that isn't what was appended."""

import pytest

from headwater.store.verification import Verification, verify
from headwater.testing.conformance.store import Deposited

from .driving import Database, on_database

EVENTS = 1_200

_INSERTED = """
INSERT INTO events SELECT {position}, stream, 9999, type, gen_random_uuid(), recorded_at, NULL, NULL, data, NULL, NULL,
0, hash FROM events WHERE position = 1
"""
_SWAPPED = """
UPDATE events SET position = -1 WHERE position = 20; UPDATE events SET position = 20 WHERE position = 30;
UPDATE events SET position = 30 WHERE position = -1
"""


@pytest.mark.row("BS-06")
@pytest.mark.parametrize(
    ("sql", "position", "words"),
    [
        ("UPDATE events SET data = '{\"amount\":1000000}' WHERE position = 1034", 1_034, "altered"),
        ("UPDATE events SET metadata = NULL WHERE position = 1", 1, "altered"),
        ("UPDATE events SET recorded_at = recorded_at + 1 WHERE position = 1200", 1_200, "altered"),
        ("UPDATE events SET tags = '[\"u\"]' WHERE position = 700", 700, "altered"),
        ("UPDATE events SET hash = '' WHERE position = 800", 800, "altered"),
        ("UPDATE streams SET name = 'x' WHERE name = 's-1'", 401, "altered"),
        ("DELETE FROM events WHERE position = 500", 500, "removed"),
        ("DELETE FROM events WHERE position > 1100", 1_101, "its end was removed"),
        (_INSERTED.format(position=1_201), 1_201, "altered, inserted"),
        (_SWAPPED, 20, "altered, inserted or moved"),
        ("UPDATE head SET position = 1300", 1_201, "its end was removed"),
        ("DELETE FROM head", 1, "as its last append has noted it"),
    ],
)
@on_database
async def test_the_first_event_that_was_tampered_with_is_named(
    database: Database, sql: str, position: int, words: str
) -> None:
    async with await database.open() as store, database.sql() as connection:
        for number in range(3):
            events = [Deposited(n) for n in range(EVENTS // 3)]
            await store.append(f"s-{number}", events, tags=["t"], metadata={"n": number})
        assert (await verify(store)).broken is None
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(sql)
        await transaction.commit()
        found: Verification = await verify(store)
        assert found.broken is not None
        assert (found.broken.position, words in found.broken.reason) == (position, True), found
        await connection.execute("INSERT INTO head VALUES (1, 0, 0, '', 0, 0, 0) ON CONFLICT DO NOTHING")
