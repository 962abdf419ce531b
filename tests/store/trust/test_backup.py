"""Copies of a store that is in use: of one moment, whole, and never half there."""

import asyncio
from pathlib import Path

import apsw
import pytest

from headwater import Codec, EventStore
from headwater.errors import BackupFailed, BackupUnsupported, FileTaken, StoreClosed, StoreLocked
from headwater.store.stream import Snapshot
from headwater.store.verification import verify
from tests.store.driving import Deposited, names_in, opened, scenario
from tests.store.driving import codec as deposits

from . import people


async def _copy(path: Path) -> EventStore:
    return await EventStore.open(f"sqlite:///{path}", deposits(), create=False)


@pytest.mark.row("BS-12")
@scenario
async def test_a_copy_is_of_one_moment_while_others_append(tmp_path: Path) -> None:
    (there := tmp_path / "there").mkdir()
    done: list[tuple[str, int, int]] = []
    async with await opened(tmp_path) as store:
        for start in range(0, 20_000, 1_000):
            await store.append("s", [Deposited(n) for n in range(start, start + 1_000)])
        await store.link("t", [3, 5])
        await store.save_snapshot(Snapshot("s", "k", 2, b"state"))
        head = await store.adapter.chain_head()
        stop = asyncio.Event()

        async def go_on() -> None:
            while not stop.is_set():
                await store.append("s", [Deposited(1)])

        busy = asyncio.create_task(go_on())
        backup = await store.backup(there / "copy.db", progress=lambda *step: done.append(step))
        appended = await store.head() - head.position
        stop.set()
        await busy
    assert appended > 3
    assert head.position <= backup.head.position < head.position + appended
    assert names_in(there) == ["copy.db"]
    assert backup.size == backup.path.stat().st_size
    copying = [step for step in done if step[0] == "copying"]
    assert len(copying) > 3
    assert copying[-1][1] == copying[-1][2] == copying[0][2]  # it never began anew
    assert done[-1] == ("verifying", backup.head.position, backup.head.position)
    async with await _copy(backup.path) as copy:
        assert (await verify(copy, [head.hash])).head == backup.head
        assert [e.position async for e in copy.raw_stream("t")] == [3, 5]
        assert await copy.load_snapshot("s", "k") == Snapshot("s", "k", 2, b"state")
        assert (await copy.append("s", [Deposited(1)])).position == backup.head.position + 1


@pytest.mark.row("BS-12", "BS-07")
@scenario
async def test_a_copy_has_the_keys(tmp_path: Path) -> None:
    async with await people.opened(tmp_path) as store:
        await store.append("s", [people.Registered("p-1", "Ann")])
        await store.backup(tmp_path / "copy.db")
        await store.forget("p-1")
    url = f"sqlite:///{tmp_path / 'copy.db'}"
    async with await EventStore.open(url, people.codec(), read_only=True, master_key=people.MASTER) as copy:
        assert await people.events_of(copy) == [people.Registered("p-1", "Ann")]


@scenario
async def test_what_is_at_the_path_is_replaced_only_when_told_to(tmp_path: Path) -> None:
    (there := tmp_path / "there").mkdir()
    target = there / "copy.db"
    target.write_text("precious")
    async with await opened(tmp_path) as store:
        await store.append("s", [Deposited(1)])
        with pytest.raises(FileTaken, match=r"copy\.db"):
            await store.backup(target)
        assert target.read_text() == "precious"
        for path in (tmp_path / "events.db", there / ".." / "events.db"):
            with pytest.raises(FileTaken, match="the store itself"):
                await store.backup(path, overwrite=True)
        (there / "copy.db-wal").write_text("of what was there")
        assert (await store.backup(target, overwrite=True)).head.position == 1
        assert names_in(there) == ["copy.db"]
        async with await _copy(target):
            with pytest.raises(StoreLocked):
                await store.backup(target, overwrite=True)
        assert await store.head() == 1


@scenario
async def test_a_copy_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (there := tmp_path / "there").mkdir()
    async with await opened(tmp_path) as store:
        await store.append("s", [Deposited(n) for n in range(5_000)])
        with pytest.raises(BackupFailed, match="missing"):
            await store.backup(tmp_path / "missing" / "copy.db")
        copying = asyncio.Event()
        task = asyncio.create_task(store.backup(there / "copy.db", progress=lambda *_: copying.set()))
        await copying.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert names_in(there) == []
        await store.append("s", [Deposited(1)])


@pytest.mark.row("BS-12")
@scenario
async def test_a_store_that_is_broken_gives_no_copy(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        await store.append("s", [Deposited(n) for n in range(10)])
    connection = apsw.Connection(str(tmp_path / "events.db"))
    connection.execute("DROP TRIGGER events_are_never_updated; UPDATE events SET data = '{}' WHERE position = 7")
    connection.close()
    async with await opened(tmp_path) as store:
        with pytest.raises(BackupFailed, match="broken at position 7"):
            await store.backup(tmp_path / "copy.db")
    assert names_in(tmp_path) == ["events.db"]


@scenario
async def test_a_reading_store_makes_copies_and_a_closed_one_or_memory_none(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        await store.append("s", [Deposited(1)])
        (tmp_path / "events.db").chmod(0o600)
        async with await opened(tmp_path, read_only=True) as reader:
            backup = await reader.backup(tmp_path / "copy.db")
    assert backup.head.position == 1
    assert backup.path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(StoreClosed):
        await store.backup(tmp_path / "other.db")
    async with await EventStore.open("memory://", Codec()) as memory:
        with pytest.raises(BackupUnsupported, match="export"):
            await memory.backup(tmp_path / "other.db")
