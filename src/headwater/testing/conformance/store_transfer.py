"""Logs that go out as lines and come in again: the same events, at the same places, with the same times and hashes."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.errors import BrokenExport
from headwater.store.adapter import Append, AppendPart
from headwater.store.appending import StreamAppend
from headwater.store.model import Context, Expected, StoredEvent
from headwater.store.store import EventStore
from headwater.store.stream import StreamInfo
from headwater.store.verification import verify
from headwater.testing.conformance.store import Deposited, Enrolled, SteadyClock, StoreSuite, Withdrawn, on_store, raw


async def exported(store: EventStore, *, after: int = 0, keys: bool = False) -> list[bytes]:
    """The lines of an export."""
    return b"".join([lines async for lines in store.export(after=after, keys=keys)]).splitlines(keepends=True)


async def contents(store: EventStore) -> tuple[list[StoredEvent], list[StreamInfo], dict[str, list[StoredEvent]]]:
    """The whole log, its streams, and what can be read of each."""
    infos = [info async for info in store.streams(deleted=True)]
    streams = {info.name: [event async for event in store.raw_stream(info.name)] for info in infos}
    return [event async for event in store.raw_all()], infos, streams


async def make_history(store: EventStore) -> None:
    """One with everything in it that an export has to carry."""
    await store.append("a", [Deposited(1), Deposited(2, 'é \u2028 "x"')], metadata={"user": "ü", "n": [1, {}]})
    await store.append_streams([StreamAppend("b", [Withdrawn(3)]), StreamAppend("a", [Enrolled("c-1", "s-1")])])
    await store.link("a", [3])
    await store.link("both", [2, 1])
    await store.append("a", [Deposited(4)], tags=["x", "a b"])
    await store.append_streams(
        [StreamAppend("new", [Deposited(5)]), StreamAppend("both", [Deposited(6), Deposited(7)])]
    )
    await store.link("links", [4, 2, 6])
    await store.append("gone", [Deposited(n) for n in range(5)])
    await store.truncate_stream("gone", 3)
    await store.append("deleted", [Deposited(8)])
    await store.delete_stream("deleted")
    await store.append("closed", [Deposited(9)])
    await store.tombstone_stream("closed")
    await store.tombstone_stream("never used")


class TransferSuite(StoreSuite):
    """What every backend promises about logs that come from others."""

    @pytest.mark.row("BS-12")
    @on_store
    async def test_an_event_that_is_imported_keeps_its_time(self, store: EventStore) -> None:
        async def append(recorded_at: int | None) -> int:
            part = AppendPart("s", Expected.ANY, [raw()])
            append = Append([part], Context(), recorded_at=recorded_at)
            store.adapter.submit(append)
            await append.answer
            last = await store.last("s")
            assert last is not None
            return last.microseconds

        assert await append(1_000_001) == 1_000_001
        assert await append(999_999) == 1_000_001
        now = await append(None)
        assert now > 1_000_001
        assert await append(now + 10**12) == now + 10**12
        assert await append(None) == now + 10**12
        assert (await verify(store)).broken is None

    @pytest.mark.row("BS-12")
    def test_a_log_goes_out_and_comes_in_again(self, tmp_path: Path) -> None:
        @on_store
        async def run(self: TransferSuite, store: EventStore) -> None:
            await make_history(store)
            lines = await exported(store)
            (there := tmp_path / "there").mkdir()
            async with await self.open(there, SteadyClock(10**9)) as copy:
                done = await copy.import_log(lines)
                assert (done.position, done.events, done.known, done.lines) == (15, 15, 0, len(lines))
                assert await contents(copy) == await contents(store)
                assert await copy.adapter.chain_head() == await store.adapter.chain_head()
                assert await exported(copy) == lines
                again = await copy.import_log(lines)
                assert (again.position, again.events, again.known) == (15, 0, 15)
                assert await contents(copy) == await contents(store)

        run(self, tmp_path)

    @pytest.mark.row("BS-12")
    @pytest.mark.parametrize("cut", range(1, 23, 3))
    def test_an_import_that_was_cut_off_is_begun_again(self, tmp_path: Path, cut: int) -> None:
        @on_store
        async def run(self: TransferSuite, store: EventStore) -> None:
            await make_history(store)
            lines = await exported(store)
            assert len(lines) == 23
            (there := tmp_path / "there").mkdir()
            async with await self.open(there) as copy:
                with pytest.raises(BrokenExport, match="cut off"):
                    await copy.import_log(lines[:cut])
                assert (await verify(copy)).broken is None
                await copy.import_log(lines)
                assert await contents(copy) == await contents(store)

        run(self, tmp_path)

    @on_store
    async def test_an_empty_log_can_be_exported_too(self, store: EventStore) -> None:
        lines = await exported(store)
        assert len(lines) == 1
        assert (await store.import_log(lines)).position == 0
