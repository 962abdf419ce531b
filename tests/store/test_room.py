"""The write-ahead log's file is longer than what is in it, and nobody notices."""

import errno
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from headwater.store.sqlite import room
from headwater.store.verification import verify

from .driving import Deposited, check_log, opened, scenario

APPENDS = 120


@pytest.mark.row("BS-16")
@scenario
async def test_a_crash_leaves_a_log_with_room_in_it_and_every_event(tmp_path: Path) -> None:
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    async with await opened(tmp_path) as store:
        sizes = []
        for number in range(APPENDS):
            await store.append(f"s-{number % 7}", [Deposited(number)])
            sizes.append((tmp_path / "events.db-wal").stat().st_size)
        for name in ("events.db", "events.db-wal"):
            shutil.copy(tmp_path / name, crashed / name)
        # It grows with each of the first commits, then by a megabyte at once, and then not for a long time.
        steps = [later - earlier for earlier, later in pairwise(sizes) if later != earlier]
        assert max(steps) > room._STEP_BYTES * 0.9
        assert sizes[-1] == sizes[-20]
    async with await opened(crashed) as store:
        assert await check_log(store) == APPENDS
        assert (await verify(store)).broken is None
        assert (await store.append("s-0", [Deposited(0)])).position == APPENDS + 1


@scenario
async def test_no_room_is_made_for_who_appends_only_a_few_events(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        for number in range(5):
            await store.append("s", [Deposited(number)])
        assert (tmp_path / "events.db-wal").stat().st_size < room._STEP_BYTES


@pytest.fixture
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: room.LogRoom) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(room.LogRoom, "_make", refuse)


@pytest.mark.usefixtures("_nowhere")
@scenario
async def test_a_disk_without_room_refuses_nothing(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        for number in range(APPENDS):
            await store.append("s", [Deposited(number)])
        assert await check_log(store) == APPENDS
