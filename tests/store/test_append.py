"""Appends: places, expectations, what is stored, what is refused."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from headwater.clock import SystemClock
from headwater.errors import (
    CodecError,
    DuplicateEvent,
    InvalidStreamName,
    PipelineBroken,
    UnknownType,
    WrongExpectedVersion,
)
from headwater.store.appending import make_context
from headwater.store.model import Appended, Expected, ExpectedVersion
from headwater.types import Position, Version

from .driving import Deposited, Withdrawn, check_log, new_id, opened, outcomes, scenario, submit_raw


@scenario
async def test_positions_are_gapless_and_versions_dense(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        assert await store.append("a", [Deposited(1), Deposited(2)]) == Appended("a", Version(2), Position(2), 2)
        assert await store.append("b", [Deposited(3)]) == Appended("b", Version(1), Position(3), 1)
        done = await store.append("a", [Withdrawn(4)])
        assert (done.version, done.position, done.first_position) == (3, 4, 4)
        assert isinstance(done.position, Position)
        assert isinstance(done.version, Version)
        assert [(e.position, e.stream, e.version, e.event) async for e in store.read_all()] == [
            (1, "a", 1, Deposited(1)),
            (2, "a", 2, Deposited(2)),
            (3, "b", 1, Deposited(3)),
            (4, "a", 3, Withdrawn(4)),
        ]


@scenario
async def test_places_go_on_after_reopening(tmp_path: Path) -> None:
    for number in range(3):
        async with await opened(tmp_path) as store:
            done = await store.append("a", [Deposited(number)] * 5, expected=5 * number)
            assert (done.position, done.version) == (5 * number + 5, 5 * number + 5)
            assert await check_log(store) == done.position


@pytest.mark.row("ES-02")
@pytest.mark.parametrize(
    ("expected", "on_missing", "on_two_events"),
    [
        (Expected.ANY, True, True),
        (Expected.NO_STREAM, True, False),
        (0, True, False),
        (Expected.EXISTS, False, True),
        (2, False, True),
        (1, False, False),
        (3, False, False),
    ],
)
@pytest.mark.parametrize("remembered", [True, False])
def test_expected_version(
    tmp_path: Path, expected: ExpectedVersion, on_missing: bool, on_two_events: bool, remembered: bool
) -> None:
    @scenario
    async def run() -> None:
        store = await opened(tmp_path)
        await store.append("two", [Deposited(1), Deposited(2)])
        if not remembered:
            await store.close()
            store = await opened(tmp_path)
        for stream, version, fits in (("missing", 0, on_missing), ("two", 2, on_two_events)):
            before = await store.head()
            if fits:
                assert (await store.append(stream, [Deposited(3)], expected=expected)).version == version + 1
                continue
            with pytest.raises(WrongExpectedVersion) as caught:
                await store.append(stream, [Deposited(3)], expected=expected)
            words = expected.value if isinstance(expected, Expected) else f"version {expected}"
            assert (caught.value.stream, caught.value.expected, caught.value.actual) == (stream, words, version)
            assert await store.head() == before
        await check_log(store)
        await store.close()

    run()


@scenario
async def test_everything_that_is_stored_comes_back(tmp_path: Path) -> None:
    causation, correlation = uuid4(), uuid4()
    metadata = {"user": "ünïcode \u2028 \x00 \U0001f600", "long": "x" * 4_000, "nested": {"list": [1, None, True]}}
    async with await opened(tmp_path) as store:
        await store.append("s", [Deposited(1, 'q"\\\n\x00é')], causation=causation, correlation=correlation)
        await store.append("s", [Deposited(2)], metadata=metadata)
        await store.submit("s", [Deposited(3)], context=make_context(causation, None, {})).answer
        first, second, third = [recorded async for recorded in store.read_all()]
    assert first.event == Deposited(1, 'q"\\\n\x00é')
    assert (first.causation, first.correlation, first.metadata) == (causation, correlation, {})
    assert (second.causation, second.correlation, second.metadata) == (None, None, metadata)
    assert (third.causation, third.correlation, third.stored.metadata_json) == (causation, None, "{}")
    assert first.type == "Deposited"
    assert first.id.version == 7
    assert first.id < second.id < third.id
    assert first.recorded_at <= second.recorded_at <= third.recorded_at


@pytest.mark.parametrize(
    "name", ["å/ß.ж-漢字", "👩‍👩‍👧", "with space", "\u00a0", "x" * 255, "漢" * 255, "'; DROP TABLE events; --"]
)
def test_stream_names(tmp_path: Path, name: str) -> None:
    @scenario
    async def run() -> None:
        async with await opened(tmp_path) as store:
            await store.append(name, [Deposited(1)])
        async with await opened(tmp_path) as store:
            await store.append(name, [Deposited(2)], expected=1)
            assert [e.event async for e in store.read_stream(name)] == [Deposited(1), Deposited(2)]
            assert [info.name async for info in store.streams()] == [name]

    run()


@pytest.mark.parametrize("name", ["", "x" * 256, "a\nb", "a\x00", "\x7f", "\x85", "\ud800"])
def test_names_that_no_stream_has(tmp_path: Path, name: str) -> None:
    @scenario
    async def run() -> None:
        async with await opened(tmp_path) as store:
            with pytest.raises(InvalidStreamName):
                await store.append(name, [Deposited(1)])
            with pytest.raises(InvalidStreamName):
                store.submit(name, [Deposited(1)])
            assert await store.head() == 0

    run()


@scenario
async def test_what_cannot_be_encoded_is_refused_before_it_is_queued(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        with pytest.raises(ValueError, match="at least one event"):
            await store.append("s", [])
        with pytest.raises(UnknownType):
            await store.append("s", [Deposited(1), object()])
        with pytest.raises(CodecError):
            await store.append("s", [Deposited(1)], metadata={"no": object()})
        assert await store.head() == 0


@scenario
async def test_a_failed_condition_fails_only_its_own_append_of_a_group(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        group = [store.submit("s", [Deposited(n)], expected=999 if n == 1 else Expected.ANY) for n in range(3)]
        first, second, third = await outcomes(group)
        assert isinstance(first, Appended)
        assert isinstance(second, WrongExpectedVersion)
        assert second.actual == 1
        assert isinstance(third, Appended)
        assert (third.position, third.version) == (2, 2)
        await check_log(store)


@scenario
async def test_a_new_stream_and_a_new_type_of_a_refused_group_leave_no_trace(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        await outcomes([submit_raw(store, "taken", [twice := new_id()])])
        group = [
            submit_raw(store, "new", [new_id()]),
            submit_raw(store, "guilty", [new_id(), twice]),
            store.submit("new", [Withdrawn(1)], expected=1),
            store.submit("guilty", [Withdrawn(1)], expected=0),
        ]
        first, guilty, third, fourth = await outcomes(group)
        assert isinstance(guilty, DuplicateEvent)
        assert (first, third, fourth) == (
            Appended("new", Version(1), Position(2), 1),
            Appended("new", Version(2), Position(3), 1),
            Appended("guilty", Version(1), Position(4), 1),
        )
        assert [(e.stream, e.type) async for e in store.read_all()] == [
            ("taken", "Deposited"),
            ("new", "Deposited"),
            ("new", "Withdrawn"),
            ("guilty", "Withdrawn"),
        ]
        await check_log(store)


@scenario
async def test_the_same_identifier_twice_in_one_append(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        twice = new_id()
        [found] = await outcomes([submit_raw(store, "s", [twice, twice])])
        assert isinstance(found, DuplicateEvent)
        assert await store.stream_info("s") is None
        [found] = await outcomes([submit_raw(store, "s", [twice])])
        assert isinstance(found, Appended)


@scenario
async def test_what_follows_a_failed_append_fails_even_if_the_version_fits_by_accident(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        speculative = store.submit("s", [Deposited(1)], expected=7)
        # Another writer appends as many events as the failed append had ...
        intruder = store.submit("s", [Deposited(2)])
        # ... so this one's version fits, though what it was decided upon never happened.
        behind = store.submit("s", [Deposited(3)], expected=1, follows=speculative)
        further = store.submit("s", [Deposited(4)], expected=2, follows=behind)
        found = await outcomes([speculative, intruder, behind, further])
        kinds = [type(outcome) for outcome in found]
        assert kinds == [WrongExpectedVersion, Appended, PipelineBroken, PipelineBroken]
        # In a later group too.
        late = store.submit("s", [Deposited(5)], expected=1, follows=speculative)
        assert isinstance((await outcomes([late]))[0], PipelineBroken)
        assert await store.head() == 1


@scenario
async def test_a_pipeline_on_a_duplicate_breaks_and_one_on_a_success_goes_on(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        taken = new_id()
        await outcomes([submit_raw(store, "s", [taken])])
        duplicate = submit_raw(store, "s", [taken])
        intruder = store.submit("s", [Deposited(2)])
        behind = store.submit("s", [Deposited(3)], expected=2, follows=duplicate)
        good = store.submit("s", [Deposited(4)], expected=2, follows=intruder)
        found = await outcomes([duplicate, intruder, behind, good])
        assert [type(outcome) for outcome in found] == [DuplicateEvent, Appended, PipelineBroken, Appended]
        assert [append.follows for append in (duplicate, intruder, behind, good)] == [None] * 4


class UnsteadyClock(SystemClock):
    """Its wall clock is set by hand, and back too."""

    seconds = 0

    def wall(self) -> int:
        return self.seconds * 1_000_000_000


@scenario
async def test_the_time_never_falls_even_if_the_clock_is_set_back(tmp_path: Path) -> None:
    clock = UnsteadyClock()
    for reading, recorded in ((1_000, 1_000), (2_000, 2_000), (500, 2_000), (3_000, 3_000)):
        clock.seconds = reading
        async with await opened(tmp_path, clock=clock) as store:  # it remembers across reopening, and in between
            for _ in range(2):
                await store.append("s", [Deposited(1)])
                last = await store.last("s")
                assert last is not None
                assert last.microseconds == recorded * 1_000_000
            clock.seconds -= 100
            await store.append("s", [Deposited(1)])
            assert await check_log(store)


@scenario
async def test_a_cancelled_caller_does_not_hurt_the_others(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        tasks = [asyncio.ensure_future(store.append("s", [Deposited(n)])) for n in range(10)]
        for _ in range(2):
            await asyncio.sleep(0)  # all are queued now, and wait
        tasks[3].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(outcome) for outcome in found].count(asyncio.CancelledError) <= 1
        assert {outcome.version for outcome in found if isinstance(outcome, Appended)} >= set(range(5, 11))
        assert await check_log(store) == 10  # the cancelled one was in the queue: it is in the log
