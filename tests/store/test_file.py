"""What a file must be, and that nothing else is touched."""

from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from headwater.errors import NewerSchema, NotAStore, StorageFailed, StoreError
from headwater.store.sqlite.schema import APPLICATION_ID, SCHEMA_VERSION

from .driving import Deposited, names_in, opened, scenario

READ_ONLY = pytest.mark.parametrize("read_only", [False, True])


def _text(path: Path) -> None:
    path.write_text("not a database, but longer than a header of one hundred bytes " * 4)


def _short(path: Path) -> None:
    path.write_bytes(b"SQLite")


def _foreign(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE accounts (id INTEGER PRIMARY KEY); INSERT INTO accounts VALUES (1)")
    connection.close()


def _foreign_with_an_id(path: Path) -> None:
    _foreign(path)
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "WAL")
    connection.pragma("application_id", 0x47504B47)
    connection.close()


def _with_our_id_but_other_tables(path: Path) -> None:
    _foreign(path)
    connection = apsw.Connection(str(path))
    connection.pragma("application_id", APPLICATION_ID)
    connection.close()


def _newer(path: Path) -> None:
    _foreign(path)
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "WAL")
    connection.pragma("application_id", APPLICATION_ID)
    connection.pragma("user_version", SCHEMA_VERSION + 1)
    connection.close()


@READ_ONLY
@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (_text, NotAStore, "not a SQLite file"),
        (_short, NotAStore, "not a SQLite file"),
        (_foreign, NotAStore, "of another program"),
        (_foreign_with_an_id, NotAStore, "of another program"),
        (_with_our_id_but_other_tables, NotAStore, "of another program|not been set up"),
        (_newer, NewerSchema, f"schema version {SCHEMA_VERSION + 1}"),
    ],
)
def test_what_is_no_store_is_not_touched(
    tmp_path: Path, make: Callable[[Path], None], error: type[StoreError], words: str, read_only: bool
) -> None:
    @scenario
    async def run() -> None:
        path = tmp_path / "events.db"
        make(path)
        before, names = path.read_bytes(), names_in(tmp_path)
        with pytest.raises(error, match=words):
            await opened(tmp_path, read_only=read_only)
        assert path.read_bytes() == before
        assert names_in(tmp_path) == names

    run()


@READ_ONLY
@scenario
async def test_a_directory_is_no_store(tmp_path: Path, read_only: bool) -> None:
    (tmp_path / "events.db").mkdir()
    with pytest.raises(NotAStore, match=r"a directory; name a file in it, such as .*events.db/events.db"):
        await opened(tmp_path, read_only=read_only)


@scenario
async def test_a_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match=r"no directory .*missing; create it first"):
        await opened(tmp_path / "missing")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no directory that even root cannot write to")
@scenario
async def test_a_directory_that_cannot_be_written_to() -> None:
    with pytest.raises(StorageFailed, match="cannot be written"):
        await opened(Path("/proc/self"))


@scenario
async def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "events.db").touch()
    with pytest.raises(NotAStore):
        await opened(tmp_path, read_only=True)
    async with await opened(tmp_path) as store:
        await store.append("s", [Deposited(1)])
    async with await opened(tmp_path, read_only=True) as store:
        assert await store.head() == 1


@scenario
async def test_the_file_tells_what_it_is_while_it_is_in_use(tmp_path: Path) -> None:
    """The header is in the file itself, not only in the log beside it: others can rely on it."""
    async with await opened(tmp_path) as store:
        await store.append("s", [Deposited(1)])
        header = (tmp_path / "events.db").read_bytes()[:100]
        assert int.from_bytes(header[68:72]) == APPLICATION_ID
        assert int.from_bytes(header[60:64]) == SCHEMA_VERSION
        connection = apsw.Connection(store.location, flags=apsw.SQLITE_OPEN_READONLY)
        assert connection.pragma("journal_mode") == "wal"
        connection.close()


@scenario
async def test_the_log_is_emptied_on_closing_though_others_read(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.append("s", [Deposited(1)])
    async with await opened(tmp_path, read_only=True) as reader:
        await store.close()
        assert (tmp_path / "events.db-wal").stat().st_size == 0
        assert await reader.head() == 1


@scenario
async def test_sqlite_finds_nothing_wrong_with_the_file(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        for number in range(50):
            await store.append(f"s-{number % 7}", [Deposited(number)] * 20)
        connection = apsw.Connection(store.location, flags=apsw.SQLITE_OPEN_READONLY)
        assert connection.pragma("integrity_check") == "ok"
        connection.close()


@scenario
async def test_a_corrupt_file_is_reported_when_it_is_read(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        await store.append("s", [Deposited(n, "x" * 3_000) for n in range(50)])
    path = tmp_path / "events.db"
    content = bytearray(path.read_bytes())
    end = len(content) // 4_096 * 4_096
    content[end - 40 * 4_096 : end] = b"\xff" * (40 * 4_096)  # the events; the schema lies before them
    path.write_bytes(content)
    async with await opened(tmp_path, read_only=True) as store:
        with pytest.raises(StorageFailed, match="CorruptError"):
            [event async for event in store.raw_all()]
