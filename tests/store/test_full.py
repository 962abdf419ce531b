"""No room: nothing half written, reading goes on, writing too once there is room again."""

import asyncio
from pathlib import Path

import apsw
import pytest

from headwater.errors import StorageFailed, StorageFull
from headwater.store.model import Appended
from headwater.store.store import EventStore

from .driving import Child, Deposited, check_log, opened, outcomes, scenario, sqlite

LARGE = "x" * 2_000


async def _until_full(store: EventStore) -> int:
    acknowledged = 0

    async def fill() -> None:
        nonlocal acknowledged
        while True:
            done = await store.append(f"s-{acknowledged % 3}", [Deposited(1, LARGE), Deposited(2, LARGE)])
            acknowledged = done.position

    with pytest.raises(StorageFull, match="disk is full, or the file has reached its largest size"):
        await fill()
    return acknowledged


@scenario
async def test_a_full_file(tmp_path: Path) -> None:
    async with await opened(tmp_path, max_pages=60) as store:
        acknowledged = await _until_full(store)
        assert 10 < acknowledged < 120
        assert await check_log(store) == acknowledged
        again = await outcomes([store.submit(f"new-{n}", [Deposited(1, LARGE * 10)]) for n in range(20)])
        assert {type(outcome) for outcome in again} == {StorageFull}
        assert await check_log(store) == acknowledged
    async with await opened(tmp_path, max_pages=120) as store:
        assert await check_log(store) == acknowledged
        assert (await store.append("new-1", [Deposited(3, LARGE)], expected=0)).position == acknowledged + 1
        more = await _until_full(store)
        assert more > acknowledged
        assert (await asyncio.gather(store.last("new-0"), store.last("new-1")))[0] is None
        assert await check_log(store) == more


@scenario
async def test_room_that_comes_back_while_the_store_is_open(tmp_path: Path) -> None:
    """The cap of the writer's own connection is lifted behind its back, as a disk is emptied behind ours."""
    async with await opened(tmp_path, max_pages=60) as store:
        acknowledged = await _until_full(store)
        writer = sqlite(store)._files.writer
        assert writer is not None
        writer._connection.pragma("max_page_count", 1_000)
        done = await store.append("late", [Deposited(1, LARGE)], expected=0)
        assert (done.version, done.position) == (1, acknowledged + 1)
        assert await check_log(store) == acknowledged + 1


def test_limits_of_the_operating_system(tmp_path: Path) -> None:
    with Child("limit", tmp_path / "events.db", "25") as child:
        *failures, last = child.end()
    assert len(failures) == 25
    heads = []
    for failure in failures:
        error, acknowledged, head = failure.split()
        assert error in ("StorageFailed", "StorageFull")
        assert acknowledged == head
        heads.append(int(head))
    assert heads == sorted(heads)
    assert heads[0] > 0
    assert heads[-1] > heads[0]
    after = heads[-1] + 1
    assert int(last) == after

    @scenario
    async def run() -> None:
        async with await opened(tmp_path) as store:
            assert await check_log(store) == after

    run()


@scenario
async def test_a_storage_error_fails_the_whole_group_and_the_next_one_is_judged_by_the_file(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        await store.append("s", [Deposited(1)])
        writer = sqlite(store)._files.writer
        assert writer is not None
        writer._connection.set_busy_timeout(1)
        intruder = apsw.Connection(store.location)
        intruder.execute("BEGIN IMMEDIATE")
        group = [store.submit(f"s-{n}", [Deposited(n)]) for n in range(5)]
        behind = store.submit("s", [Deposited(9)], expected=1, follows=group[0])
        found = await outcomes([*group, behind])
        assert all(isinstance(outcome, StorageFailed) or n == 5 for n, outcome in enumerate(found))
        assert not isinstance(found[5], Appended)
        intruder.execute("ROLLBACK")
        intruder.close()
        assert (await store.append("s", [Deposited(2)], expected=1)).position == 2
        assert await check_log(store) == 2
