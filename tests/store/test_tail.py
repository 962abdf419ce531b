"""The end of the log in memory: what is read from there is what lies in the storage."""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.errors import StorageFull, WrongExpectedVersion
from headwater.store.model import Appended, Expected, StoredEvent
from headwater.store.page import Page, Selection
from headwater.store.query import EventQuery, QueryItem
from headwater.store.sqlite.adapter import SqliteAdapter
from headwater.store.sqlite.writer import Settled
from headwater.store.store import EventStore
from headwater.store.tail import Group, Tail
from headwater.testing.conformance.store import SteadyClock, codec
from headwater.testing.conformance.store_model import HISTORIES, AppendStep, BurstStep, EventStep, Player, Step

from .driving import Child, Deposited, opened, outcomes, scenario, sqlite
from .test_group import HeldWriter


def event(position: int, kind: str = "T", *tags: str) -> StoredEvent:
    return StoredEvent(position, "s", position, kind, 1, "{}", bytes(16), 0, None, None, None, tags)


QUERIES = st.sampled_from([None, EventQuery(), EventQuery((QueryItem(("T",)),)), EventQuery((QueryItem((), ("x",)),))])
EVENTS = st.tuples(st.sampled_from("TU"), st.sampled_from([(), ("x",), ("x", "y")]))
COMMITS = st.lists(st.tuples(st.lists(EVENTS, min_size=1, max_size=4), st.sampled_from(["known", "known", "unknown"])))


@given(COMMITS, st.integers(1, 12), st.integers(0, 30), st.integers(1, 10), QUERIES, st.integers(0, 30))
def test_a_tail_gives_what_the_log_gives_or_nothing(
    commits: Sequence[tuple[Sequence[tuple[str, tuple[str, ...]]], str]],
    most: int,
    after: int,
    limit: int,
    query: EventQuery | None,
    seen: int,
) -> None:
    log: list[StoredEvent] = []
    tail = Tail(events=most)
    for events, kind in commits:
        group = [event(len(log) + 1 + index, name, *tags) for index, (name, tags) in enumerate(events)]
        log += group
        if kind == "known":
            tail.add(Group.of(group))
        else:
            tail.clear()
        assert len(tail) <= most
    tail.seen(seen)
    page = tail.read(Selection(query=query, after=after), limit)
    meant = [one for one in log[after:] if query is None or query.matches(one.type, one.tags)]
    if page is not None:
        assert page == Page(meant[:limit], len(log))
        assert after < len(log)
        assert seen <= len(log)
    elif seen <= len(log) and after < len(log):
        assert after < len(log) - len(tail), "what is there is given"


def test_a_tail_starts_anew_behind_a_gap_and_keeps_to_its_bytes() -> None:
    tail = Tail(size=100)
    tail.add(Group([event(1), event(2)], 40))
    tail.add(Group([event(5)], 40))  # somebody else has appended 3 and 4
    assert tail.read(Selection(after=1), 10) is None
    assert tail.read(Selection(after=4), 10) == Page([event(5)], 5)
    tail.add(Group([event(6)], 40))
    tail.add(Group([event(7)], 40))
    assert tail.read(Selection(after=4), 10) is None, "the oldest went first"
    tail.add(Group([event(8)], 101))
    assert len(tail) == 0
    tail.add(Group([event(9)], 1))
    assert tail.read(Selection(after=8), 10) == Page([event(9)], 9)


@pytest.mark.parametrize(
    "selection",
    [Selection("s"), Selection(backwards=True), Selection(before=2), Selection(until=1), Selection(after=2)],
)
def test_a_tail_leaves_all_else_to_the_storage(selection: Selection) -> None:
    tail = Tail()
    tail.add(Group.of([event(1), event(2)]))
    assert tail.read(selection, 10) is None


class Comparing(Player):
    """Plays a history with a watcher, and reads each page that comes from memory out of the file as well."""

    compared = 0

    async def _do(self, step: Step) -> object:
        self._adapter.watch(lambda: None)
        found = await super()._do(step)
        head = await self._adapter.head()
        for after in range(max(0, head - 8), head + 1):
            for query in (None, EventQuery((QueryItem(("T",)),)), EventQuery((QueryItem((), ("p",)),))):
                await self._compare(Selection(query=query, after=after), limit=3)
        return found

    async def _compare(self, selection: Selection, limit: int) -> None:
        recent = self._adapter.recent(selection, limit)
        if recent is not None:
            self.compared += 1
            assert recent == await self._adapter.read(selection, limit)


async def _compared(steps: Sequence[Step], directory: Path) -> int:
    clock = SteadyClock()
    adapter = await SqliteAdapter.open(directory / "events.db", clock=clock, durability="relaxed")
    async with EventStore(adapter, codec(), clock=clock) as store:
        player = Comparing(store, clock)
        await player.play(steps)
        return player.compared


@settings(max_examples=40, deadline=None)
@given(steps=HISTORIES)
def test_memory_holds_what_the_file_holds(tmp_path_factory: pytest.TempPathFactory, steps: Sequence[Step]) -> None:
    asyncio.run(_compared(steps, tmp_path_factory.mktemp("tail")))


@scenario
async def test_a_history_is_read_from_memory_at_all(tmp_path: Path) -> None:
    def burst(number: int) -> BurstStep:
        events = (EventStep("T", 1, 0, ("q", "p"), number),)
        return BurstStep((AppendStep((("a", Expected.ANY, events),), None, 0, 0, idempotent=False, again=False),))

    assert await _compared([burst(0), burst(1)], tmp_path) == 9, "three pages, by three queries"


@pytest.mark.row("BS-02")
@scenario
async def test_followers_beside_appends_see_every_event_once_in_order(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        seen: list[int] = []
        woken = asyncio.Event()
        store.watch(woken.set)

        async def follow() -> None:
            while len(seen) < 600:
                woken.clear()
                after = seen[-1] if seen else 0
                page = store.recent_all(after, 7)
                page = await store.page_all(after, 7) if page is None else page
                seen.extend(event.position for event in page)
                if not page:
                    await woken.wait()

        async def append(stream: str) -> None:
            for number in range(100):
                done = await store.append(stream, [Deposited(number)] * (1 + number % 2))
                assert await store.page_all(done.position - 1, 1), "what was answered can be read"

        await asyncio.gather(follow(), *(append(f"s-{number}") for number in range(4)))
        assert seen == list(range(1, 601))
        assert store.recent_all(590) is not None


@scenario
async def test_nothing_is_read_from_memory_that_was_not_committed(tmp_path: Path) -> None:
    async with await opened(tmp_path, max_pages=80) as store:
        store.watch(lambda: None)
        first = await store.append("s", [Deposited(1)])
        with pytest.raises(StorageFull):
            await store.append("s", [Deposited(2, "x" * 1_000_000)])
        with HeldWriter(store):
            queued = [store.submit("s", [Deposited(3)], expected=7), store.submit("s", [Deposited(3)], expected=1)]
            assert store.recent_all(1) is None
        refused, done = await outcomes(queued)
        assert isinstance(refused, WrongExpectedVersion)
        assert isinstance(done, Appended)
        assert (first.position, done.position) == (1, 2)
        page = store.recent_all(1)
        assert page is not None
        assert page == await store.page_all(1)
        assert [event.data for event in page] == ['{"amount":3,"note":""}']


@scenario
async def test_without_watchers_nothing_is_kept_and_no_gap_is_overlooked(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        await store.append("s", [Deposited(1)])
        assert store.recent_all(0) is None
        unwatch = store.watch(lambda: None)
        for number in range(2, 5):
            await store.append("s", [Deposited(number)])
        assert [event.position for event in store.recent_all(1) or ()] == [2, 3, 4]
        unwatch()
        await store.append("s", [Deposited(5)])  # kept still: the writer hears of it with this answer
        await store.append("s", [Deposited(6)])
        assert store.recent_all(1) is None
        assert [event.position for event in await store.page_all(3)] == [4, 5, 6]


@scenario
async def test_reads_do_not_go_back_behind_what_the_file_has_shown(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        store.watch(lambda: None)
        await store.append("s", [Deposited(1)])
        adapter = sqlite(store)
        held: list[Settled] = []
        answer, adapter._answer = adapter._answer, held.append  # type: ignore[method-assign, assignment]  # committed, not told
        pending = store.submit("s", [Deposited(2)])
        while await store.head() < 2:
            pass
        assert store.recent_all(0) is None
        assert len(await store.page_all(0)) == 2
        while not held:
            await asyncio.sleep(0)
        adapter._answer = answer  # type: ignore[method-assign]
        answer(held[0])
        await pending.answer
        assert len(store.recent_all(0) or ()) == 2


@scenario
async def test_a_closed_store_gives_nothing_from_memory(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    store.watch(lambda: None)
    await store.append("s", [Deposited(1)])
    assert store.recent_all(0) is not None
    await store.close()
    assert store.recent_all(0) is None


@pytest.mark.row("BS-16")
def test_what_a_reader_has_seen_survives_sigkill(tmp_path: Path) -> None:
    rng = random.Random(7)
    for _ in range(6):
        with Child("follow", tmp_path / "events.db", "20") as child:
            assert child.line() == "open"
            lines = [child.line() for _ in range(rng.randrange(1, 60))]
            lines += child.kill()
        asyncio.run(_check_seen(tmp_path, lines))


async def _check_seen(directory: Path, lines: Sequence[str]) -> None:
    async with await opened(directory) as store:
        found = {str(event.position): event.id.hex async for event in store.raw_all()}
        for line in lines:
            position, identifier = line.split()
            assert found[position] == identifier
