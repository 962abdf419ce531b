"""Somebody writes to the file with SQL of his own: `verify` names the first event that isn't what was appended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.store.chain import GENESIS, ChainHead, ChainLink, Checker, hash_of, next_hash
from headwater.store.model import StoredEvent
from headwater.store.verification import Verification, verify

from .driving import Deposited, opened

EVENTS = 1_500


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    async def main() -> None:
        async with await opened(tmp_path) as store:
            for number in range(3):
                await store.append(
                    f"s-{number}", [Deposited(n) for n in range(EVENTS // 3)], tags=["t"], metadata={"n": number}
                )

    asyncio.run(main())
    return tmp_path


def _tamper(directory: Path, sql: str) -> None:
    connection = apsw.Connection(str(directory / "events.db"))
    connection.execute("DROP TRIGGER events_are_never_updated; DROP TRIGGER events_are_never_deleted")
    with connection:
        connection.execute(sql)
    connection.close()


def _verify(directory: Path, known: tuple[bytes, ...] = ()) -> Verification:
    async def main() -> Verification:
        async with await opened(directory, read_only=True) as store:
            return await verify(store, known)

    return asyncio.run(main())


_INSERTED = """
INSERT INTO events SELECT {position}, stream, 9999, type, randomblob(16), recorded_at, NULL, NULL, data, NULL, NULL, 0,
hash FROM events WHERE position = 1
"""
_SWAPPED = """
UPDATE events SET position = -1 WHERE position = 20;
UPDATE events SET position = 20 WHERE position = 30;
UPDATE events SET position = 30 WHERE position = -1
"""
_SHIFTED = """
UPDATE events SET id = CAST(id || substr((SELECT id FROM events WHERE position = 701), 1, 1) AS BLOB)
WHERE position = 700;
UPDATE events SET id = substr(id, 2) WHERE position = 701
"""
_REPLACED = """
INSERT OR REPLACE INTO events SELECT position, stream, version, type, id, recorded_at, causation, correlation, '{}',
metadata, tags, remaining, hash FROM events WHERE position = 77
"""


_COVERED = """
position, streams.name, version, types.name, schema, events.id, recorded_at, causation, correlation, data, metadata,
tags, remaining FROM events JOIN streams ON streams.id = stream JOIN types ON types.id = type
"""


@pytest.mark.row("BS-06")
@pytest.mark.parametrize(
    ("sql", "position", "words"),
    [
        ("UPDATE events SET data = '{\"amount\":1000000}' WHERE position = 1234", 1234, "altered"),
        ("UPDATE events SET metadata = NULL WHERE position = 1", 1, "altered"),
        ("UPDATE events SET recorded_at = recorded_at + 1 WHERE position = 1500", 1500, "altered"),
        ("UPDATE events SET tags = '[\"u\"]' WHERE position = 700", 700, "altered"),
        ("UPDATE events SET tags = 'no JSON' WHERE position = 700", 700, "altered"),
        ("UPDATE events SET tags = '[],[]' WHERE position = 700", 700, "altered"),
        ("UPDATE events SET remaining = remaining + 1 WHERE position = 700", 700, "altered"),
        ("UPDATE events SET hash = zeroblob(32) WHERE position = 800", 800, "altered"),
        ("UPDATE events SET hash = x'' WHERE position = 800", 800, "altered"),
        ("UPDATE streams SET name = 'x' WHERE name = 's-1'", 501, "altered"),
        ("DELETE FROM streams WHERE name = 's-1'", 501, "altered"),
        ("DELETE FROM types", 1, "altered"),
        (_SHIFTED, 700, "altered"),
        ("DELETE FROM events WHERE position = 500", 500, "removed"),
        ("DELETE FROM events WHERE position BETWEEN 1 AND 10", 1, "removed"),
        ("DELETE FROM events WHERE position >= 1490", 1490, "end was removed"),
        ("DELETE FROM events", 1, "end was removed"),
        (
            "DELETE FROM events WHERE position = 3; UPDATE events SET position = position - 1 WHERE position > 3",
            3,
            "altered",
        ),
        (_SWAPPED, 20, "moved"),
        (
            "UPDATE events SET position = -position WHERE position >= 40;"
            "UPDATE events SET position = 1 - position WHERE position < 0;" + _INSERTED.format(position=40),
            40,
            "inserted",
        ),
        (_INSERTED.format(position=1501), 1501, "inserted"),
        (_INSERTED.format(position=0), 1, "the next one is at 0"),
        (_REPLACED, 77, "altered"),
        ("DELETE FROM chain", 1, "does not end"),
        ("UPDATE chain SET hash = zeroblob(32)", 1501, "does not end"),
    ],
)
def test_the_first_event_that_is_not_what_was_appended_is_named(
    directory: Path, sql: str, position: int, words: str
) -> None:
    assert _verify(directory).broken is None
    _tamper(directory, sql)
    broken = _verify(directory).broken
    assert broken is not None
    assert words in broken.reason
    assert broken.position == position


@pytest.mark.row("BS-06", "ES-10")
def test_replacing_needs_no_trigger_to_be_dropped_and_is_seen(directory: Path) -> None:
    connection = apsw.Connection(str(directory / "events.db"))
    connection.execute(_REPLACED)
    connection.close()
    broken = _verify(directory).broken
    assert broken is not None
    assert broken.position == 77


@pytest.mark.row("BS-06")
def test_whoever_gives_an_altered_event_its_hash_is_seen_at_the_next_one(directory: Path) -> None:
    connection = apsw.Connection(str(directory / "events.db"))
    connection.execute("DROP TRIGGER events_are_never_updated")
    connection.execute("UPDATE events SET data = '{}' WHERE position = 1200")
    [(previous,)] = connection.execute("SELECT hash FROM events WHERE position = 1199").fetchall()
    [fields] = connection.execute(f"SELECT {_COVERED} WHERE position = 1200").fetchall()
    forged = next_hash(previous, fields)  # type: ignore[arg-type]  # as in the table
    connection.execute("UPDATE events SET hash = ? WHERE position = 1200", (forged,))
    connection.close()
    broken = _verify(directory).broken
    assert broken is not None
    assert broken.position == 1201


def test_whoever_computes_everything_anew_is_seen_only_by_a_head_that_was_kept(directory: Path) -> None:
    kept = _verify(directory).head
    connection = apsw.Connection(str(directory / "events.db"))
    previous = GENESIS
    connection.execute("DROP TRIGGER events_are_never_updated")
    connection.execute("UPDATE events SET data = '{}' WHERE position = 1200")
    for number, *fields in connection.execute(f"SELECT position, {_COVERED} ORDER BY position").fetchall():
        previous = next_hash(previous, tuple(fields))  # type: ignore[arg-type]  # as in the table
        connection.execute("UPDATE events SET hash = ? WHERE position = ?", (previous, number))
    connection.execute("UPDATE chain SET hash = ?", (previous,))
    connection.close()
    assert _verify(directory).broken is None
    broken = _verify(directory, (kept.hash,)).broken
    assert broken is not None
    assert kept.hash.hex() in broken.reason


# --- the pure part ---------------------------------------------------------------------------------------------------


def _log(count: int) -> list[ChainLink]:
    links: list[ChainLink] = []
    previous = GENESIS
    for n in range(1, count + 1):
        event = StoredEvent(n, "s", n, "T", 1, f"{n}", n.to_bytes(16), n, None, None, None)
        previous = hash_of(event, previous)
        links.append(ChainLink(event, previous))
    return links


Change = Callable[[list[ChainLink], int, int], list[ChainLink]]


def _remove(links: list[ChainLink], at: int, _: int) -> list[ChainLink]:
    return links[:at] + links[at + 1 :]


def _swap(links: list[ChainLink], at: int, other: int) -> list[ChainLink]:
    changed = list(links)
    changed[at], changed[other] = changed[other], changed[at]
    return changed


def _double(links: list[ChainLink], at: int, other: int) -> list[ChainLink]:
    return [*links[:at], links[other], *links[at:]]


@given(
    count=st.integers(2, 30),
    change=st.sampled_from([_remove, _swap, _double]),
    data=st.data(),
    parts=st.integers(1, 5),
)
@settings(max_examples=200, deadline=None)
def test_any_change_breaks_the_chain_at_its_place(count: int, change: Change, data: st.DataObject, parts: int) -> None:
    links = _log(count)
    at, other = sorted(data.draw(st.lists(st.integers(0, count - 1), min_size=2, max_size=2, unique=True)))
    changed = change(links, at, other)
    noted = ChainHead(count, links[-1].hash or b"")
    for log, whole in ((links, True), (changed, False)):
        checker = Checker()
        for start in range(0, len(log), parts):
            if not checker.follow(log[start : start + parts]):
                break
        checker.finish(noted)
        assert (checker.broken is None) == whole
        if checker.broken is not None:
            assert checker.broken.position == at + 1
