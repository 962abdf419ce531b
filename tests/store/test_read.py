"""Reading: pages, limits, what cannot be decoded, reading beside the writer."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import apsw
import msgspec
import pytest

from headwater.codec import Codec, TypeName, TypeRegistry
from headwater.errors import StoreClosed, Undecodable, UnknownType
from headwater.store.store import EventStore
from headwater.store.stream import StreamInfo
from headwater.types import Position, Version

from .driving import Deposited, check_log, new_id, opened, outcomes, scenario, sqlite, submit_raw


@pytest.mark.parametrize("count", [0, 1, 999, 1_000, 1_001, 2_000, 3_500])
def test_every_event_comes_once_whatever_the_page_borders(tmp_path: Path, count: int) -> None:
    @scenario
    async def run() -> None:
        async with await opened(tmp_path) as store:
            if count:
                await store.append("s", [Deposited(n) for n in range(count)])
            await store.append("t", [Deposited(-1)])
            assert [e.event async for e in store.read_stream("s")] == [Deposited(n) for n in range(count)]
            assert [e.position async for e in store.raw_all()] == list(range(1, count + 2))
            for after, limit in ((0, 0), (0, 1), (5, 1_000), (998, 1_001), (count, 5)):
                wanted = list(range(1, count + 1))[after : after + limit]
                assert [e.version async for e in store.raw_stream("s", after, limit)] == wanted
            pages = [len(page) async for page in store.pages_stream("s")]
            assert pages == [1_000] * (count // 1_000) + [count % 1_000] * bool(count % 1_000)

    run()


@scenario
async def test_single_questions(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        assert await store.head() == 0
        assert await store.last("b") is None
        assert await store.stream_info("b") is None
        assert await store.page_stream("b") == []
        await store.append("b", [Deposited(1), Deposited(2)])
        await store.append("a", [Deposited(3)])
        await store.append("b", [Deposited(4)])
        last = await store.last("b")
        assert last is not None
        assert (last.position, last.version, store.decode(last)) == (4, 3, Deposited(4))
        b = StreamInfo("b", Version(3), Position(1), Position(4))
        assert await store.stream_info("b") == b
        assert [info async for info in store.streams()] == [StreamInfo("a", Version(1), Position(3), Position(3)), b]
        assert [info.name async for info in store.streams(after="a")] == ["b"]
        assert [event.position for event in await store.page_all(1, 2)] == [2, 3]


@scenario
async def test_streams_come_page_by_page(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        names = [f"s-{n}" for n in range(2_500)]
        await asyncio.gather(*(store.append(name, [Deposited(1)]) for name in names))
        assert [info.name async for info in store.streams()] == sorted(names)


@scenario
async def test_a_type_that_nobody_registered(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        await store.append("s", [Deposited(1)])
        stranger = EventStore(store.adapter, Codec())
        assert [e.type async for e in stranger.raw_all()] == ["Deposited"]
        with pytest.raises(UnknownType) as caught:
            [e async for e in stranger.read_all()]
        assert (caught.value.name, caught.value.version) == ("Deposited", 1)


class Renamed(msgspec.Struct, frozen=True):
    total: int


@scenario
async def test_what_does_not_fit_its_class_names_its_position(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        await store.append("s", [Deposited(1)])
        await outcomes([submit_raw(store, "s", [new_id()], data=b'{"amount":')])
        with pytest.raises(Undecodable, match="position 2, stream 's', version 2: a Deposited v1") as caught:
            [e async for e in store.read_all()]
        assert (caught.value.name, caught.value.position) == ("Deposited", 2)
        changed = EventStore(store.adapter, Codec(TypeRegistry([(Renamed, TypeName("Deposited", 1))])))
        with pytest.raises(Undecodable, match="total") as caught:
            [e async for e in changed.read_all()]
        assert caught.value.position == 1


@scenario
async def test_data_that_is_no_text_fails_its_append_alone(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        group = [
            submit_raw(store, "s", [new_id()]),
            submit_raw(store, "s", [new_id()], data=b"\xff"),
            submit_raw(store, "s", [new_id()]),
        ]
        found = await asyncio.gather(*(append.answer for append in group), return_exceptions=True)
        assert [type(outcome).__name__ for outcome in found] == ["Appended", "InternalError", "Appended"]
        assert await check_log(store) == 2


@pytest.mark.row("BS-01")
@scenario
async def test_a_reader_never_later_sees_an_event_at_or_below_its_position(tmp_path: Path) -> None:
    """Readers poll beside 50 appenders: each page continues exactly where the one before ended."""
    async with await opened(tmp_path) as store, await opened(tmp_path, read_only=True) as beside:
        writing = asyncio.ensure_future(asyncio.gather(*(_append(store, n, 40) for n in range(50))))

        async def reader(source: EventStore) -> int:
            seen = 0
            while not writing.done() or seen < await source.head():
                for event in await source.page_all(seen):
                    assert event.position == seen + 1
                    seen += 1
            return seen

        found = await asyncio.gather(reader(store), reader(store), reader(beside))
        assert set(found) == {2_000}
        await writing
        assert await check_log(store) == 2_000


async def _append(store: EventStore, client: int, count: int) -> None:
    for number in range(count):
        await store.append(f"s-{client % 5}", [Deposited(number)])


@scenario
async def test_a_read_that_is_given_up_and_a_store_that_is_closed_in_between(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.append("s", [Deposited(n) for n in range(5_000)])
    async with aclosing(store.read_all()) as events:
        await anext(events)  # the next page is on its way now
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    seen = []

    async def read() -> None:
        async for event in store.read_all():
            seen.append(event.position)
            if event.position == 10:
                await store.close()

    with pytest.raises(StoreClosed):
        await read()
    # The page that was there, and the one that was on its way.
    assert seen in (list(range(1, 1_001)), list(range(1, 2_001)))


@pytest.mark.row("ES-10")
@pytest.mark.parametrize("statement", ["UPDATE events SET data = '{}'", "DELETE FROM events WHERE position = 1"])
def test_events_are_immutable(tmp_path: Path, statement: str) -> None:
    @scenario
    async def run() -> None:
        async with await opened(tmp_path) as store:
            await store.append("s", [Deposited(1)])
            intruder = apsw.Connection(sqlite(store).location)
            with pytest.raises(apsw.ConstraintError, match="events are immutable"):
                intruder.execute(statement)
            intruder.close()
            assert [e.event async for e in store.read_all()] == [Deposited(1)]

    run()
