"""One writer at a time."""

import os
from pathlib import Path

import pytest

from headwater.errors import StoreLocked

from .driving import Child, Deposited, names_in, opened, scenario


@pytest.mark.row("BS-10")
@scenario
async def test_a_second_writing_process_is_refused_with_the_first_ones_name(tmp_path: Path) -> None:
    with Child("hold", tmp_path / "events.db") as child:
        assert child.line() == "open"
        with pytest.raises(
            StoreLocked, match=rf"events\.db: process {child.pid} \(.*child\.py\) on .+, since \d{{4}}-"
        ):
            await opened(tmp_path)
        async with await opened(tmp_path, read_only=True) as reader, await opened(tmp_path, read_only=True) as other:
            assert await reader.head() == await other.head() == 1
        child.tell("enough")
        child.end()
    async with await opened(tmp_path) as store:
        await store.append("held", [Deposited(2)], expected=1)
    async with await opened(tmp_path, read_only=True) as reader:  # nobody writes now: it works all the same
        assert await reader.head() == 2


@scenario
async def test_a_killed_owner_is_no_obstacle(tmp_path: Path) -> None:
    with Child("hold", tmp_path / "events.db") as child:
        assert child.line() == "open"
        child.kill()
    assert "events.db.lock" in names_in(tmp_path)
    async with await opened(tmp_path, read_only=True) as reader:  # first of all, while the log is as it was left
        assert await reader.head() == 1
    async with await opened(tmp_path) as store:
        await store.append("held", [Deposited(2)], expected=1)
    assert names_in(tmp_path) == ["events.db"]


@scenario
async def test_a_second_store_in_the_same_process_is_refused_too(tmp_path: Path) -> None:
    async with await opened(tmp_path):
        with pytest.raises(StoreLocked, match=f"process {os.getpid()} "):
            await opened(tmp_path)
    async with await opened(tmp_path):
        pass


@scenario
async def test_a_lock_file_with_strange_content(tmp_path: Path) -> None:
    (tmp_path / "events.db.lock").write_text("rubbish" * 1_000)
    async with await opened(tmp_path):
        (tmp_path / "events.db.lock").write_text("")
        with pytest.raises(StoreLocked, match="just starting"):
            await opened(tmp_path)


@scenario
async def test_a_failed_opening_gives_the_lock_back(tmp_path: Path) -> None:
    async with await opened(tmp_path):
        pass
    (tmp_path / "events.db").write_bytes((tmp_path / "events.db").read_bytes()[:100])
    for _ in range(2):
        with pytest.raises(Exception, match=r"events\.db") as caught:
            await opened(tmp_path)
        assert not isinstance(caught.value, StoreLocked)
    assert "events.db.lock" not in names_in(tmp_path)
