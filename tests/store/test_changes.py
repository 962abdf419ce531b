"""What the writer does besides appends, in the same transactions."""

import asyncio
from pathlib import Path

import apsw
import pytest

from headwater.errors import InternalError, StoreClosed, StoreReadOnly
from headwater.store.model import Appended
from headwater.store.stream import Linked, Snapshot

from .driving import Deposited, check_log, opened, scenario, sqlite
from .test_group import HeldWriter


@scenario
async def test_changes_share_a_commit_with_appends(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        with HeldWriter(store):
            steps = [
                asyncio.ensure_future(step)
                for n in range(20)
                for step in (
                    store.append("s", [Deposited(n)]),
                    store.link("l", [n + 1]),
                    store.save_snapshot(Snapshot("s", "k", n, b"state")),
                )
            ]
            for _ in range(3):
                await asyncio.sleep(0)
        found = await asyncio.gather(*steps)
        assert [type(outcome) for outcome in found] == [Appended, Linked, type(None)] * 20
        assert sqlite(store).statistics.commits <= 3
        assert await check_log(store) == 20


@scenario
async def test_a_change_that_breaks_fails_alone(tmp_path: Path) -> None:
    def broken(connection: apsw.Connection, _: object) -> None:
        connection.execute("INSERT INTO snapshots VALUES ('s', 'k', 1, x'')")
        raise ZeroDivisionError("a bug")

    async with await opened(tmp_path) as store:
        before = store.append("s", [Deposited(1)])
        change = sqlite(store).change(broken)
        after = store.link("l", [1])
        found = await asyncio.gather(before, change, after, return_exceptions=True)
        assert isinstance(found[0], Appended)
        assert isinstance(found[1], InternalError)
        assert "ZeroDivisionError: a bug" in str(found[1])
        assert isinstance(found[2], Linked)
        assert await store.load_snapshot("s", "k") is None


@scenario
async def test_a_store_for_reading_changes_nothing(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        await store.append("s", [Deposited(1)])
    async with await opened(tmp_path, read_only=True) as reader:
        for attempt in (
            reader.link("l", [1]),
            reader.delete_stream("s"),
            reader.tombstone_stream("s"),
            reader.save_snapshot(Snapshot("s", "k", 1, b"")),
        ):
            with pytest.raises(StoreReadOnly):
                await attempt
    with pytest.raises(StoreClosed):
        await reader.load_snapshot("s", "k")
