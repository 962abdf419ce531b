"""Files of older schema versions: they are brought to the newest one, whole, or left as they are."""

import asyncio
from pathlib import Path

import apsw
import pytest

from headwater.errors import NotAStore, StorageFull
from headwater.store.sqlite.schema import SCHEMA_VERSION
from headwater.store.verification import verify
from headwater.testing.conformance.store import check_log

from .driving import Deposited, Withdrawn, opened, scenario

SCRIPT = Path(__file__).with_name("version_1.sql")


def version_1(directory: Path, more: int = 0) -> Path:
    """A file as the first Headwater has left it; with so many further events in stream `a`."""
    path = directory / "events.db"
    connection = apsw.Connection(str(path))
    connection.execute(SCRIPT.read_text())
    rows = [
        (6 + n, 1, 3 + n, 1, (6 + n).to_bytes(16), 4_000_000, None, None, '{"amount":7}', None)
        for n in range(1, more + 1)
    ]
    with connection:
        connection.executemany("INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?,?)", rows)
    connection.close()
    return path


def _schema(path: Path) -> set[str]:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    found = {str(sql) for (sql,) in connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")}
    assert connection.pragma("integrity_check") == "ok"
    assert connection.pragma("user_version") == SCHEMA_VERSION
    connection.close()
    return found


@pytest.mark.row("ES-25", "ES-27")
@scenario
async def test_a_file_of_version_1_becomes_one_of_the_newest(tmp_path: Path) -> None:
    path = version_1(tmp_path)
    async with await opened(tmp_path) as store:
        events = [e async for e in store.read_all()]
        assert [(e.stream, e.version, e.event) for e in events] == [
            ("a", 1, Deposited(1)),
            ("a", 2, Deposited(2, "é\n")),
            ("ü", 1, Withdrawn(3)),
            ("a", 3, Withdrawn(4)),
            ("c", 1, Deposited(5)),
            ("ü", 2, Deposited(6)),
        ]
        assert events[3].metadata == {"user": "u"}
        assert [e.stored.microseconds // 1_000_000 for e in events] == [1, 1, 2, 2, 3, 3]
        assert (events[2].causation, events[3].correlation) == (events[3].correlation, events[2].causation)
        assert (await store.append("a", [Deposited(7)], expected=3, tags=["t"])).position == 7
        assert await check_log(store) == 7
        found = await verify(store)
        assert (found.broken, found.head.position) == (None, 7)
    (fresh := tmp_path / "fresh").mkdir()
    async with await opened(fresh):
        pass
    assert _schema(path) == _schema(fresh / "events.db")


@pytest.mark.row("ES-25")
def test_a_long_log_is_migrated(tmp_path: Path) -> None:
    @scenario
    async def run() -> None:
        async with await opened(tmp_path) as store:
            assert (await verify(store)).head.position == 20_006
            assert (await store.append("a", [Deposited(1)])).version == 20_004

    version_1(tmp_path, more=20_000)
    run()


@pytest.mark.row("ES-25")
def test_a_migration_that_has_no_room_changes_nothing(tmp_path: Path) -> None:
    path = version_1(tmp_path, more=5_000)
    connection = apsw.Connection(str(path))
    pages = int(connection.pragma("page_count"))
    before = connection.execute("SELECT * FROM events").fetchall()
    connection.close()
    with pytest.raises(StorageFull):
        asyncio.run(_open_with(tmp_path, pages + 10))
    connection = apsw.Connection(str(path))
    assert connection.pragma("user_version") == 1
    assert connection.execute("SELECT * FROM events").fetchall() == before
    connection.close()
    asyncio.run(_open_with(tmp_path, None))
    assert _schema(path)


async def _open_with(directory: Path, max_pages: int | None) -> None:
    async with await opened(directory, max_pages=max_pages) as store:
        assert await store.head() == 5_006


@scenario
async def test_a_reader_does_not_migrate(tmp_path: Path) -> None:
    version_1(tmp_path)
    with pytest.raises(NotAStore, match="older schema version 1; open it for writing once"):
        await opened(tmp_path, read_only=True)
