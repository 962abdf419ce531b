"""What SQLite adds to the conformance suite for reads: reading beside the writer, files that cannot be changed."""

import asyncio
from pathlib import Path

import apsw
import pytest

from headwater.store.store import EventStore

from .driving import Deposited, check_log, new_id, opened, scenario, sqlite, submit_raw


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


@pytest.mark.row("ES-10")
@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE events SET data = '{}'", "events are immutable"),
        ("DELETE FROM events WHERE position = 1", "events are immutable"),
        ("UPDATE links SET position = 2", "links are immutable"),
        ("DELETE FROM links", "links are immutable"),
    ],
)
def test_events_and_links_are_immutable(tmp_path: Path, statement: str, words: str) -> None:
    @scenario
    async def run() -> None:
        async with await opened(tmp_path) as store:
            await store.append("s", [Deposited(1)])
            await store.link("l", [1])
            intruder = apsw.Connection(sqlite(store).location)
            with pytest.raises(apsw.ConstraintError, match=words):
                intruder.execute(statement)
            intruder.close()
            assert [e.event async for e in store.read_stream("l")] == [Deposited(1)]

    run()
