"""Streams: what is known of them, search, links, truncation, deletion, tombstones, snapshots."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

import pytest

from headwater.errors import (
    DuplicateEvent,
    EventNotFound,
    InvalidStreamName,
    StreamDeleted,
    StreamNotFound,
    WrongExpectedVersion,
)
from headwater.store.model import Expected, StoredEvent
from headwater.store.store import EventStore
from headwater.store.stream import Linked, Snapshot, StreamInfo
from headwater.testing.conformance.store import Deposited, StoreSuite, Withdrawn, check_log, on_store
from headwater.types import Position, Version


class StreamsSuite(StoreSuite):
    """What every backend promises about streams as things."""

    @pytest.mark.row("ES-08")
    @on_store
    async def test_what_is_known_of_a_stream(self, store: EventStore) -> None:
        assert await store.stream_info("b") is None
        await store.append("b", [Deposited(1), Deposited(2)])
        await store.append("a", [Deposited(3)])
        await store.append("b", [Deposited(4)])
        b = StreamInfo("b", Version(3), Position(1), Position(4))
        assert await store.stream_info("b") == b
        last = await store.last("b")
        assert last is not None
        assert (last.position, last.version, store.decode(last)) == (4, 3, Deposited(4))
        assert [info async for info in store.streams()] == [StreamInfo("a", Version(1), Position(3), Position(3)), b]
        assert [info.name async for info in store.streams(after="a")] == ["b"]

    @pytest.mark.row("ES-08")
    @on_store
    async def test_streams_come_page_by_page_and_by_prefix(self, store: EventStore) -> None:
        names = [f"s-{n}" for n in range(2_200)] + ["r", "s", "s-", "t", "S-1", "s_%", "é", "é1", "s-\U0010ffff"]
        await asyncio.gather(*(store.append(name, [Deposited(1)]) for name in names))
        ordered = sorted(names, key=str.encode)
        assert [info.name async for info in store.streams()] == ordered
        for prefix in ("s-", "s-2", "s_", "é", "s-\U0010ffff", "x", "s-1999"):
            wanted = [name for name in ordered if name.startswith(prefix)]
            assert [info.name async for info in store.streams(prefix=prefix)] == wanted
        assert [info.name async for info in store.streams("s-21", prefix="s-219")] == [
            name for name in ordered if name.startswith("s-219")
        ]

    # --- links -----------------------------------------------------------------------------------------------------

    @pytest.mark.row("ES-06")
    @on_store
    async def test_a_linked_event_is_the_same_event_in_another_stream(self, store: EventStore) -> None:
        await store.append("a", [Deposited(1), Deposited(2)], tags=["t"])
        await store.append("b", [Withdrawn(3)])
        assert await store.link("b", [2, 1]) == Linked("b", Version(3), 2)
        await store.append("b", [Withdrawn(4)], expected=3)
        assert [_seen(e) async for e in store.raw_stream("b")] == [
            ("b", 1, 3, None),
            ("b", 2, 2, ("a", 2)),
            ("b", 3, 1, ("a", 1)),
            ("b", 4, 4, None),
        ]
        assert [e.version async for e in store.raw_stream("b", backwards=True, limit=2)] == [4, 3]
        assert [e.version async for e in store.raw_stream("b", 1, query=store.query(Deposited))] == [2, 3]
        assert [e.version async for e in store.raw_stream("b", 2, query=store.query(tags=["t"]))] == [3]
        assert [_seen(e) async for e in store.raw_stream("a")] == [("a", 1, 1, None), ("a", 2, 2, None)]
        assert [e.position async for e in store.raw_all()] == [1, 2, 3, 4]  # the log has each event once
        assert await store.stream_info("b") == StreamInfo("b", Version(4), Position(3), Position(4))

    @pytest.mark.row("ES-06")
    @on_store
    async def test_a_stream_of_links_alone(self, store: EventStore) -> None:
        await store.append("a", [Deposited(n) for n in range(1_500)])
        await store.link("odd", range(1, 1_500, 2), expected=Expected.NO_STREAM)
        assert [e.position async for e in store.raw_stream("odd")] == list(range(1, 1_500, 2))
        assert await store.stream_info("odd") == StreamInfo("odd", Version(750), Position(1), Position(1_499))
        last = await store.last("odd")
        assert last is not None
        assert _seen(last) == ("odd", 750, 1_499, ("a", 1_499))

    @pytest.mark.row("ES-06", "ES-03")
    @on_store
    async def test_what_cannot_be_linked(self, store: EventStore) -> None:
        await store.append("a", [Deposited(1), Deposited(2)])
        await store.link("b", [1])
        ids = [e.id async for e in store.raw_all()]
        with pytest.raises(EventNotFound, match="position 3"):
            await store.link("b", [2, 3])
        with pytest.raises(EventNotFound, match="position 0"):
            await store.link("new", [0])
        for stream, positions, twice in (("b", [2, 1], 1), ("a", [2], 2), ("c", [2, 2], 2)):
            with pytest.raises(DuplicateEvent, match=f"position {twice}") as caught:
                await store.link(stream, positions)
            assert caught.value.id == ids[twice - 1]
        with pytest.raises(WrongExpectedVersion):
            await store.link("b", [2], expected=0)
        with pytest.raises(ValueError, match="at least one"):
            await store.link("b", [])
        with pytest.raises(InvalidStreamName):
            await store.link("$all", [1])
        assert [info.name async for info in store.streams()] == ["a", "b"]
        assert await store.link("b", [2], expected=1) == Linked("b", Version(2), 1)

    @pytest.mark.row("ES-06")
    @on_store
    async def test_whoever_follows_a_stream_sees_what_is_linked_into_it(self, store: EventStore) -> None:
        await store.append("a", [Deposited(1)])

        async def first() -> StoredEvent:
            async for page in store.follow(stream="b"):
                return page[0]
            raise AssertionError("nothing came")

        following = asyncio.ensure_future(first())
        await asyncio.sleep(0)
        await store.link("b", [1])
        assert _seen(await following) == ("b", 1, 1, ("a", 1))

    @on_store
    async def test_a_read_of_one_moment_has_no_link_that_came_later(self, store: EventStore) -> None:
        await store.append("a", [Deposited(n) for n in range(1_500)])
        await store.link("b", range(1, 1_201))
        reading = store.raw_stream("b")
        assert await reading.head() == 1_500  # the second page is still to be read
        await store.append("a", [Deposited(0)])
        await store.link("b", range(1_201, 1_401))
        assert [e.position async for e in reading] == list(range(1, 1_201))
        assert [e.position async for e in store.raw_stream("b")] == list(range(1, 1_401))

    # --- deletion --------------------------------------------------------------------------------------------------

    @pytest.mark.row("ES-09")
    @on_store
    async def test_truncation_hides_what_lies_before(self, store: EventStore) -> None:
        await store.append("s", [Deposited(n) for n in range(10)])
        info = await store.truncate_stream("s", 4)
        assert (info.first_version, info.version, info.deleted) == (4, 10, False)
        assert [e.version async for e in store.raw_stream("s")] == list(range(4, 11))
        assert [e.version async for e in store.raw_stream("s", backwards=True)] == list(range(10, 3, -1))
        assert [e.version async for e in store.raw_stream("s", query=store.query(Deposited))] == list(range(4, 11))
        assert await check_log(store) == 10  # they are immutable: the log as a whole has them all
        assert (await store.append("s", [Deposited(10)], expected=10)).version == 11
        assert [e.version async for e in store.raw_stream("s", 10)] == [11]
        assert (await store.truncate_stream("s", 0)).first_version == 1
        assert [e.version async for e in store.raw_stream("s")] == list(range(1, 12))
        assert (await store.truncate_stream("s", 1_000)).first_version == 12

    @pytest.mark.row("ES-09")
    @pytest.mark.parametrize("expected", [Expected.NO_STREAM, Expected.ANY, 0, 3])
    @on_store
    async def test_a_deleted_stream_looks_as_if_it_did_not_exist(
        self, store: EventStore, expected: Expected | int
    ) -> None:
        await store.append("s", [Deposited(n) for n in range(3)])
        assert (await store.delete_stream("s", expected=3)).deleted
        assert [e async for e in store.raw_stream("s")] == []
        assert await store.last("s") is None
        assert [info.name async for info in store.streams()] == []
        assert [info.name async for info in store.streams(deleted=True)] == ["s"]
        for wrong in (Expected.EXISTS, 1, 4):
            with pytest.raises(WrongExpectedVersion):
                await store.append("s", [Deposited(3)], expected=wrong)
        assert (await store.append("s", [Deposited(3)], expected=expected)).version == 4
        assert [e.version async for e in store.raw_stream("s")] == [4]
        assert (await store.truncate_stream("s", 1)).version == 4
        assert [e.version async for e in store.raw_stream("s")] == [1, 2, 3, 4]
        assert await check_log(store) == 4

    @pytest.mark.row("ES-09", "ES-03")
    @on_store
    async def test_nothing_comes_after_a_tombstone(self, store: EventStore) -> None:
        await store.append("s", [Deposited(1), Deposited(2)])
        assert (await store.tombstone_stream("s", expected=2)).tombstoned
        await store.tombstone_stream("never used")
        for stream in ("s", "never used"):
            assert [e async for e in store.raw_stream(stream)] == []
            for attempt in (
                store.append(stream, [Deposited(3)]),
                store.append(stream, [Deposited(3)], expected=0),
                store.link(stream, [1]),
                store.truncate_stream(stream, 1),
                store.delete_stream(stream),
                store.tombstone_stream(stream),
            ):
                with pytest.raises(StreamDeleted, match=f"{stream}.*closed for ever"):
                    await attempt
        assert [info async for info in store.streams(deleted=True)] == [
            StreamInfo("never used", Version(0), Position(0), Position(0), Version(1), tombstoned=True),
            StreamInfo("s", Version(2), Position(1), Position(2), Version(3), tombstoned=True),
        ]
        assert await check_log(store) == 2

    @pytest.mark.row("ES-09", "ES-03")
    @on_store
    async def test_what_cannot_be_deleted(self, store: EventStore) -> None:
        await store.append("s", [Deposited(1)])
        with pytest.raises(StreamNotFound, match="'none'"):
            await store.delete_stream("none")
        with pytest.raises(StreamNotFound):
            await store.truncate_stream("none", 1)
        for attempt in (
            store.delete_stream("s", expected=2),
            store.truncate_stream("s", 1, expected=Expected.NO_STREAM),
            store.tombstone_stream("s", expected=0),
        ):
            with pytest.raises(WrongExpectedVersion):
                await attempt
        assert [info.name async for info in store.streams(deleted=True)] == ["s"]
        assert [e.version async for e in store.raw_stream("s")] == [1]

    @on_store
    async def test_changes_take_effect_in_order_with_appends(self, store: EventStore) -> None:
        steps = [
            store.append("s", [Deposited(1)], expected=0),
            store.tombstone_stream("t"),
            store.append("t", [Deposited(2)]),
            store.link("l", [1]),
            store.append("l", [Deposited(3)], expected=1),
            store.delete_stream("s", expected=1),
            store.append("s", [Deposited(4)], expected=0),
        ]
        found = await asyncio.gather(*(asyncio.ensure_future(step) for step in steps), return_exceptions=True)
        assert [type(outcome).__name__ for outcome in found] == [
            "Appended",
            "StreamInfo",
            "StreamDeleted",
            "Linked",
            "Appended",
            "StreamInfo",
            "Appended",
        ]
        assert [(e.stream, e.version) async for e in store.raw_all()] == [("s", 1), ("l", 2), ("s", 2)]

    def test_marks_and_links_are_there_after_reopening(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with await self.open(tmp_path) as store:
                await store.append("s", [Deposited(1), Deposited(2)])
                await store.truncate_stream("s", 2)
                await store.link("l", [1])
                await store.tombstone_stream("t")
            if not self.capabilities.durable:
                return
            async with await self.open(tmp_path) as store:
                assert [e.version async for e in store.raw_stream("s")] == [2]
                assert (await store.append("l", [Deposited(3)], expected=1)).version == 2
                assert (await store.append("s", [Deposited(3)], expected=2)).version == 3
                with pytest.raises(StreamDeleted):
                    await store.append("t", [Deposited(4)])

        asyncio.run(main())

    # --- snapshots -------------------------------------------------------------------------------------------------

    @pytest.mark.row("ES-23")
    @on_store
    async def test_snapshots(self, store: EventStore) -> None:
        first, second = Snapshot("s", "code-1", 5, b"\x00\xffstate"), Snapshot("s", "code-1", 9, b"")
        assert await store.load_snapshot("s", "code-1") is None
        await store.save_snapshot(first)
        assert await store.load_snapshot("s", "code-1") == first
        assert await store.load_snapshot("s", "code-2") is None  # other code, other snapshot
        await store.save_snapshot(second)
        await store.save_snapshot(first)  # from somebody who lags behind
        assert await store.load_snapshot("s", "code-1") == second
        other = Snapshot("s", "code-2", 1, b"x" * 100_000)
        await store.save_snapshot(other)
        await store.save_snapshot(elsewhere := Snapshot("t", "code-1", 1, b"t"))
        await store.delete_snapshots("s", "code-1")
        assert await store.load_snapshot("s", "code-1") is None
        assert await store.load_snapshot("s", "code-2") == other
        await store.delete_snapshots("s")
        assert await store.load_snapshot("s", "code-2") is None
        assert await store.load_snapshot("t", "code-1") == elsewhere
        assert await store.head() == 0


def _seen(event: StoredEvent) -> tuple[str, int, int, tuple[str, int] | None]:
    assert isinstance(event.id, UUID)
    return event.stream, event.version, event.position, event.linked_from
