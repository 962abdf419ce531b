"""A disk that fails at the Nth write, sync or truncation, for every N: nothing that was acknowledged is ever lost.

The faults are made by a layer between SQLite and the operating system, so that SQLite's own handling is under test too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw
import pytest

from headwater.errors import StorageFailed, StoreError
from headwater.store.appending import StreamAppend
from headwater.store.model import Appended
from headwater.store.subscription_adapter import Claim
from headwater.store.verification import verify

from .driving import Deposited, check_log, opened, scenario

NAME = "headwater-faulty-disk"
ROUNDS = 4
BASE = apsw.vfs_names()[0]


class FaultyDisk(apsw.VFS):
    """The operating system's files, but writes fail when they shall.

    Attributes:
        left: how many more writes, syncs and truncations succeed; None for all.
        for_good: whether all fail from then on, or only one.
        error: what SQLite is told.
        operations: how many there were.
    """

    def __init__(self) -> None:
        self.left: int | None = None
        self.for_good = False
        self.error: type[apsw.Error] = apsw.IOError
        self.operations = 0
        super().__init__(NAME, BASE, makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return FaultyFile(self, name, flags)

    def arm(self, left: int | None, *, for_good: bool = False) -> None:
        self.left, self.for_good, self.operations = left, for_good, 0

    def operate(self) -> None:
        self.operations += 1
        if self.left is None:
            return
        self.left -= 1
        if self.left == -1 or (self.left < 0 and self.for_good):
            raise self.error("a fault on purpose")


class FaultyFile(apsw.VFSFile):
    """One of its files."""

    def __init__(self, disk: FaultyDisk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        super().__init__(BASE, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.operate()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self._disk.operate()
        super().xSync(flags)

    def xTruncate(self, size: int) -> None:
        self._disk.operate()
        super().xTruncate(size)


@contextmanager
def faulty_disk() -> Iterator[FaultyDisk]:
    disk = FaultyDisk()
    try:
        yield disk
    finally:
        disk.unregister()


class Ledger:
    """What was asked for, and what was acknowledged."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, ...]] = []
        self.acknowledged: dict[int, Appended] = {}

    async def work(self, directory: Path) -> None:
        """Open, append now and then several at a time, close; whatever fails."""
        async with await opened(directory) as store:
            for number in range(ROUNDS):
                parts = [StreamAppend("a", [Deposited(number)]), StreamAppend("b", [Deposited(number)] * 2)]
                answers = await asyncio.gather(
                    store.append_streams(parts, tags=[f"n:{number}"]),
                    store.append("c", [Deposited(number + 100)]),
                    return_exceptions=True,
                )
                for key, answer in zip((number, number + 100), answers, strict=True):
                    if isinstance(answer, Appended):
                        self.acknowledged[key] = answer
                    else:
                        assert isinstance(answer, StorageFailed), answer
                if number == 2:
                    await self._tolerant(store.link("l", [1]))
                    await self._tolerant(store.truncate_stream("a", 2))

    async def _tolerant(self, change: Awaitable[object]) -> None:
        with suppress(StoreError):
            await change

    async def check(self, directory: Path) -> None:
        """Everything acknowledged is there, what isn't is there as a whole or not at all, and life goes on."""
        async with await opened(directory) as store:
            head = await check_log(store)
            assert (await verify(store)).broken is None
            log = [event async for event in store.read_all()]
            for key, appended in self.acknowledged.items():
                for position in range(appended.first_position, appended.position + 1):
                    assert log[position - 1].event == Deposited(key)
            counts = [sum(1 for e in log if e.event == Deposited(number)) for number in range(ROUNDS)]
            assert set(counts) <= {0, 3}
            for number in range(ROUNDS):
                found = [e async for e in store.read_all(query=store.query(tags=[f"n:{number}"]))]
                assert len(found) == counts[number]
            assert (await store.append("after", [Deposited(-1)])).position == head + 1


def _operations(directory: Path, disk: FaultyDisk) -> int:
    disk.arm(None)
    ledger = Ledger()
    asyncio.run(ledger.work(directory))
    assert len(ledger.acknowledged) == 2 * ROUNDS
    return disk.operations


@pytest.mark.row("BS-16")
@pytest.mark.parametrize("for_good", [False, True])
def test_whichever_write_fails(tmp_path: Path, for_good: bool) -> None:
    _fail_each(tmp_path, for_good, step=3)


@scenario
async def test_a_store_with_leases_opens_on_a_full_disk(tmp_path: Path) -> None:
    """They can't be made void, so they last as long as they said."""
    with faulty_disk() as disk:
        async with await opened(tmp_path) as store:
            await store.append("a", [Deposited(1)])
            lease = await store.adapter.subscriptions.claim(Claim("x", None, 0, "dead", now=100, expires_at=200))
        disk.error = apsw.FullError
        disk.arm(0, for_good=True)
        async with await opened(tmp_path) as store:
            assert disk.operations > 0
            assert await check_log(store) == 1
            assert await store.adapter.subscriptions.find("x") == lease
            disk.arm(None)
            assert (await store.append("a", [Deposited(2)])).position == 2


@pytest.mark.soak
@pytest.mark.parametrize("for_good", [False, True])
def test_each_write_fails_once(tmp_path: Path, for_good: bool) -> None:
    _fail_each(tmp_path, for_good, step=1)


def _fail_each(tmp_path: Path, for_good: bool, step: int) -> None:
    with faulty_disk() as disk:
        (tmp_path / "whole").mkdir()
        total = _operations(tmp_path / "whole", disk)
        assert total > 50
        failures = 0
        for number in range(0, total, step):
            directory = tmp_path / str(number)
            directory.mkdir()
            ledger = Ledger()
            disk.arm(number, for_good=for_good)
            try:
                asyncio.run(ledger.work(directory))
            except StorageFailed:
                failures += 1
            failures += len(ledger.acknowledged) < 2 * ROUNDS
            disk.arm(None)
            asyncio.run(ledger.check(directory))
        assert failures > total // step // 4
