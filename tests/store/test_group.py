"""Group commit, the queue's bound, and the end of the store."""

import asyncio
from functools import partial
from pathlib import Path

import apsw
import pytest

from headwater.errors import StoreClosed, StoreError, StoreOverloaded, WrongExpectedVersion
from headwater.store.adapter import Append
from headwater.store.model import Appended
from headwater.store.observed_append import APPEND
from headwater.store.reader import READ
from headwater.store.store import EventStore
from headwater.telemetry import SpanEvent, Telemetry

from .driving import Deposited, check_log, names_in, opened, outcomes, scenario, sqlite


class HeldWriter:
    """Keeps the writer's thread busy in its transaction until let go: a lock of ours on the file does it."""

    def __init__(self, store: EventStore) -> None:
        self._connection = apsw.Connection(store.location)

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, *error: object) -> None:
        self._connection.execute("ROLLBACK")
        self._connection.close()


async def _until_taken(store: EventStore) -> Append:
    """An append that the writer, which is held, has taken out of the queue."""
    append = store.submit("taken", [Deposited(1)])
    writer = sqlite(store)._files.writer
    assert writer is not None
    while writer._queue:
        await asyncio.sleep(0)
    return append


async def _fill(store: EventStore) -> list[Append]:
    """Fill a queue of ten, behind the one append that the writer has taken."""
    taken = await _until_taken(store)
    return [taken] + [store.submit("queued", [Deposited(1)]) for _ in range(10)]


@pytest.mark.row("BS-04")
@scenario
async def test_concurrent_appends_share_a_commit_and_a_conflict_fails_alone(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        clients = [store.append(f"s-{n}", [Deposited(n)], expected=1 if n == 250 else 0) for n in range(500)]
        found = await asyncio.gather(*clients, return_exceptions=True)
        assert [n for n, outcome in enumerate(found) if not isinstance(outcome, Appended)] == [250]
        assert isinstance(found[250], WrongExpectedVersion)
        done = sqlite(store).statistics
        assert (done.appends, done.events, done.refused) == (499, 499, 1)
        # The first may find the writer idle and travel alone; the others were all queued before it came back.
        assert done.commits <= 10
        assert await check_log(store) == 499


@pytest.mark.parametrize(
    ("events", "appends", "groups"),
    [
        ([Deposited(1)] * 1_000, 25, 3),  # 10,000 events at most
        ([Deposited(1, "x" * 1_000_000)], 10, 2),  # no more once there are 4 MB
        ([Deposited(1)] * 12_000, 2, 2),  # larger than a group: it goes alone, but whole
    ],
)
def test_a_transaction_is_bounded(tmp_path: Path, events: list[Deposited], appends: int, groups: int) -> None:
    @scenario
    async def run() -> None:
        async with await opened(tmp_path) as store:
            with HeldWriter(store):
                await _until_taken(store)
                queued = [store.submit("s", events) for _ in range(appends)]
            await outcomes(queued)
            assert sqlite(store).statistics.commits == 1 + groups
            assert await check_log(store) == 1 + appends * len(events)

    run()


@scenario
async def test_answers_come_in_the_order_of_the_appends(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        answered: list[int] = []
        appends = [store.submit(f"s-{n % 3}", [Deposited(n)]) for n in range(300)]
        for n, append in enumerate(appends):
            append.answer.add_done_callback(partial(lambda n, _: answered.append(n), n))
        found = await outcomes(appends)
        await asyncio.sleep(0)
        assert answered == list(range(300))
        assert [outcome.position for outcome in found if isinstance(outcome, Appended)] == list(range(1, 301))


@scenario
async def test_a_full_queue_refuses_submit_and_lets_append_wait_in_order(tmp_path: Path) -> None:
    async with await opened(tmp_path, queue_limit=10) as store:
        with HeldWriter(store):
            queued = await _fill(store)
            waiting = [asyncio.ensure_future(store.append("waiting", [Deposited(n)])) for n in range(25)]
            await asyncio.sleep(0)
            with pytest.raises(StoreOverloaded, match="10 appends wait already"):
                store.submit("s", [Deposited(1)])
        done = await asyncio.gather(*waiting)
        assert [appended.version for appended in done] == list(range(1, 26))
        assert await check_log(store) == 25 + len(await outcomes(queued))


@scenario
async def test_a_newcomer_does_not_overtake_those_who_wait_for_room(tmp_path: Path) -> None:
    async with await opened(tmp_path, queue_limit=10) as store:
        newcomers: list[asyncio.Future[Appended]] = []

        def come() -> None:  # when there is room again, and before those who wait have been told
            if not newcomers:
                newcomers.append(asyncio.ensure_future(store.append("w", [Deposited(9)])))

        with HeldWriter(store):
            await _fill(store)
            waiting = [asyncio.ensure_future(store.append("w", [Deposited(n)])) for n in range(3)]
            await asyncio.sleep(0)
            store.watch(come)
        assert [(await appended).version for appended in waiting] == [1, 2, 3]
        assert (await newcomers[0]).version == 4


@scenario
async def test_one_who_waits_for_room_can_be_cancelled(tmp_path: Path) -> None:
    async with await opened(tmp_path, queue_limit=10) as store:
        with HeldWriter(store):
            queued = await _fill(store)
            first, second, third = (asyncio.ensure_future(store.append("w", [Deposited(n)])) for n in range(3))
            await asyncio.sleep(0)
            first.cancel()
            third.cancel()
        assert (await second).version == 1  # neither of the others ever got into the queue
        assert first.cancelled()
        assert third.cancelled()
        await outcomes(queued)
        assert await check_log(store) == len(queued) + 1


@scenario
async def test_close_answers_what_is_queued(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    appends = [store.submit("s", [Deposited(n)]) for n in range(2_000)]
    await store.close()
    assert all(append.answer.done() for append in appends)
    assert [outcome for outcome in await outcomes(appends) if isinstance(outcome, StoreError)] == []
    assert names_in(tmp_path) == ["events.db"]  # no log, no lock left
    await store.close()
    with pytest.raises(StoreClosed):
        store.submit("s", [Deposited(1)])
    with pytest.raises(StoreClosed):
        await store.append("s", [Deposited(1)])
    with pytest.raises(StoreClosed):
        await store.page_all()
    with pytest.raises(StoreClosed):
        store.watch(lambda: None)
    async with await opened(tmp_path) as again:
        assert await check_log(again) == 2_000


@scenario
async def test_close_ends_those_who_wait_for_room(tmp_path: Path) -> None:
    store = await opened(tmp_path, queue_limit=10)
    with HeldWriter(store):
        queued = await _fill(store)
        waiting = [asyncio.ensure_future(store.append("w", [Deposited(n)])) for n in range(3)]
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(store.close())
        await asyncio.sleep(0)
        with pytest.raises(StoreClosed):
            store.submit("late", [Deposited(1)])
    await closing
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in found] == [StoreClosed] * 3
    assert [type(outcome) for outcome in await outcomes(queued)] == [Appended] * 11


@scenario
async def test_a_cancelled_close_goes_on(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    append = store.submit("s", [Deposited(1)])
    closing = asyncio.ensure_future(store.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    await store.close()
    assert (await append.answer).position == 1
    async with await opened(tmp_path) as again:
        assert await again.head() == 1


@scenario
async def test_spans(tmp_path: Path) -> None:
    telemetry = Telemetry()
    async with await opened(tmp_path, telemetry=telemetry) as store:
        seen: list[SpanEvent] = []
        detach = telemetry.attach(APPEND, seen.append)
        telemetry.attach(READ, seen.append)
        await store.append("s", [Deposited(1), Deposited(2)])
        with pytest.raises(WrongExpectedVersion):
            await store.append("s", [Deposited(1)], expected=7)
        await store.page_stream("s", after=1)
        detach()
        await store.append("s", [Deposited(3)])
    assert [(event.name, event.phase) for event in seen] == [
        (APPEND, "start"),
        (APPEND, "stop"),
        (APPEND, "start"),
        (APPEND, "exception"),
        (READ, "start"),
        (READ, "stop"),
    ]
    assert seen[1].metadata == {"stream": "s", "events": 2, "position": 2, "version": 2}
    assert seen[5].metadata == {"stream": "s", "after": 1, "limit": 1_000, "events": 1}


@scenario
async def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        assert store.durability == "full"
        writer = sqlite(store)._files.writer
        assert writer is not None
        await store.append("s", [Deposited(1)])
        assert writer._connection.pragma("synchronous") == 2  # FULL: the log is synced at each commit
        assert writer._connection.pragma("journal_mode") == "wal"
