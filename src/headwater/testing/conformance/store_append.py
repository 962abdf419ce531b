"""Appends: places, expectations, several streams, repetition, what is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from headwater.errors import (
    CodecError,
    DuplicateEvent,
    InvalidStreamName,
    InvalidTag,
    PipelineBroken,
    StoreClosed,
    StoreError,
    UnknownType,
    WrongExpectedVersion,
)
from headwater.store.appending import StreamAppend
from headwater.store.model import Appended, Expected, ExpectedVersion
from headwater.store.store import EventStore
from headwater.testing.conformance.store import (
    Deposited,
    Enrolled,
    SteadyClock,
    StoreSuite,
    Withdrawn,
    check_log,
    new_id,
    on_store,
    outcomes,
    raw,
    submit_raw,
)
from headwater.types import Position, Version


class AppendSuite(StoreSuite):
    """What every backend promises about appends."""

    @pytest.mark.row("ES-01", "ES-05", "BS-01")
    @on_store
    async def test_positions_are_gapless_and_versions_dense(self, store: EventStore) -> None:
        assert await store.append("a", [Deposited(1), Deposited(2)]) == Appended("a", Version(2), Position(2), 2)
        assert await store.append("b", [Deposited(3)]) == Appended("b", Version(1), Position(3), 1)
        done = await store.append("a", [Withdrawn(4)])
        assert (done.version, done.position, done.first_position) == (3, 4, 4)
        found = [(e.position, e.stream, e.version, e.event) async for e in store.read_all()]
        assert found == [
            (1, "a", 1, Deposited(1)),
            (2, "a", 2, Deposited(2)),
            (3, "b", 1, Deposited(3)),
            (4, "a", 3, Withdrawn(4)),
        ]

    @pytest.mark.row("ES-01")
    @on_store
    async def test_a_batch_of_any_size_is_one_append(self, store: EventStore) -> None:
        done = await store.append("a", [Deposited(n) for n in range(25_000)], tags=["all"])
        assert done == Appended("a", Version(25_000), Position(25_000), 25_000)
        with pytest.raises(WrongExpectedVersion):
            await store.append("a", [Deposited(n) for n in range(12_000)], expected=7)
        assert await check_log(store) == 25_000

    def test_places_go_on_after_reopening(self, tmp_path: Path) -> None:
        async def main() -> None:
            for number in range(3):
                async with await self.open(tmp_path) as store:
                    before = 5 * number if self.capabilities.durable else 0
                    done = await store.append("a", [Enrolled("c", "s")] * 5, expected=before)
                    assert (done.position, done.version) == (before + 5, before + 5)
                    assert await check_log(store) == done.position

        asyncio.run(main())

    @pytest.mark.row("ES-02", "ES-03")
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
    @on_store
    async def test_expected_version(
        self, store: EventStore, expected: ExpectedVersion, on_missing: bool, on_two_events: bool
    ) -> None:
        await store.append("two", [Deposited(1), Deposited(2)])
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

    @pytest.mark.row("BS-05")
    @on_store
    async def test_several_streams_in_one_append(self, store: EventStore) -> None:
        await store.append("a", [Deposited(1)])
        parts = [StreamAppend("a", [Withdrawn(1), Withdrawn(2)], 1), StreamAppend("b", [Deposited(3)], 0)]
        done = await store.append_streams(parts, tags=["transfer:1"])
        assert (done.position, done.first_position, done.count) == (4, 2, 3)
        assert done.parts == (Appended("a", Version(3), Position(3), 2), Appended("b", Version(1), Position(4), 1))
        assert (done.version_of("a"), done.version_of("b")) == (3, 1)
        with pytest.raises(KeyError):
            done.version_of("c")
        found = [(e.stream, e.version, e.tags, e.stored.remaining) async for e in store.read_all(after=1)]
        tags = ("transfer:1",)
        assert found == [("a", 2, tags, 2), ("a", 3, tags, 1), ("b", 1, tags, 0)]

    @pytest.mark.row("BS-05")
    @on_store
    async def test_one_stream_that_does_not_fit_keeps_all_from_being_appended(self, store: EventStore) -> None:
        await store.append("b", [Deposited(1)])
        for wrong in (0, 2, Expected.NO_STREAM):
            parts = [StreamAppend("a", [Deposited(1)], 0), StreamAppend("b", [Enrolled("new", "new")], wrong)]
            with pytest.raises(WrongExpectedVersion) as caught:
                await store.append_streams(parts)
            assert (caught.value.stream, caught.value.actual) == ("b", 1)
            assert await store.head() == 1
            assert await store.stream_info("a") is None
        assert (await store.append("a", [Enrolled("new", "new")], expected=0)).position == 2
        await check_log(store)

    @on_store
    async def test_what_an_append_to_several_streams_must_look_like(self, store: EventStore) -> None:
        with pytest.raises(ValueError, match="at least one part"):
            await store.append_streams([])
        with pytest.raises(ValueError, match="named once"):
            await store.append_streams([StreamAppend("a", [Deposited(1)])] * 2)
        with pytest.raises(ValueError, match="all parts of an append have ids, or none"):
            await store.append_streams(
                [StreamAppend("a", [Deposited(1)]), StreamAppend("b", [Deposited(1)], ids=[uuid4()])]
            )
        assert await store.head() == 0

    @pytest.mark.row("ES-04", "ES-22")
    @on_store
    async def test_everything_that_is_stored_comes_back(self, store: EventStore) -> None:
        causation, correlation = uuid4(), uuid4()
        metadata = {"user": "ünïcode \u2028 \x00 \U0001f600", "long": "x" * 4_000, "nested": {"list": [1, None, True]}}
        text = 'q"\\\n\x00é'
        await store.append("s", [Deposited(1, text)], causation=causation, correlation=correlation)
        await store.append("s", [Enrolled("c", "s")], metadata=metadata, tags=["é", "more"], ids=[fixed := uuid4()])
        first, second = [recorded async for recorded in store.read_all()]
        assert first.event == Deposited(1, text)
        assert (first.causation, first.correlation, first.metadata) == (causation, correlation, {})
        assert (second.causation, second.correlation, second.metadata) == (None, None, metadata)
        assert (first.tags, second.tags) == ((), ("course:c", "more", "student:s", "é"))
        assert (first.type, first.stored.schema, first.id.version) == ("Deposited", 1, 7)
        assert (second.id, second.type) == (fixed, "Enrolled")
        assert first.recorded_at <= second.recorded_at

    def test_the_time_never_falls_even_if_the_clock_is_set_back(self, tmp_path: Path) -> None:
        async def main() -> None:
            clock = SteadyClock(2_000)
            async with await self.open(tmp_path, clock) as store:
                for seconds, recorded in ((2_000, 2_000), (500, 2_000), (3_000, 3_000)):
                    clock.seconds = seconds
                    await store.append("s", [Deposited(1)])
                    last = await store.last("s")
                    assert last is not None
                    assert last.microseconds == recorded * 1_000_000

        asyncio.run(main())

    def test_what_was_refused_has_no_time(self, tmp_path: Path) -> None:
        async def main() -> None:
            clock = SteadyClock(9_000)
            async with await self.open(tmp_path, clock) as store:
                with pytest.raises(WrongExpectedVersion):
                    await store.append("s", [Deposited(1)], expected=7)
                clock.seconds = 1_000
                await store.append("s", [Deposited(1)])
                last = await store.last("s")
                assert last is not None
                assert last.microseconds == 1_000 * 1_000_000

        asyncio.run(main())

    # --- repetition ------------------------------------------------------------------------------------------------

    @pytest.mark.row("BS-02")
    @on_store
    async def test_the_same_append_again_gives_the_first_result(self, store: EventStore) -> None:
        ids = [uuid4(), uuid4()]
        await store.append("s", [Deposited(0)])
        first = await store.append("s", [Deposited(1), Enrolled("c", "s")], expected=1, ids=ids)
        await store.append("s", [Deposited(2)])
        again = await store.append("s", [Deposited(1), Enrolled("c", "s")], expected=1, ids=ids)
        assert again == first
        assert await store.head() == 4

    @pytest.mark.row("BS-02")
    @on_store
    async def test_an_append_whose_answer_was_lost_can_be_repeated(self, store: EventStore) -> None:
        parts = [StreamAppend("a", [Deposited(1)], 0, [uuid4()]), StreamAppend("b", [Deposited(2)], 0, [uuid4()])]
        caller = asyncio.ensure_future(store.append_streams(parts))
        await asyncio.sleep(0)  # it is queued now
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        done = await store.append_streams(parts)
        assert done.parts == (Appended("a", Version(1), Position(1), 1), Appended("b", Version(1), Position(2), 1))
        assert await check_log(store) == 2

    @pytest.mark.row("BS-02")
    @on_store
    async def test_repetitions_at_the_same_time_are_all_answered_alike(self, store: EventStore) -> None:
        events = [raw(tags=["t"]), raw()]
        group = [submit_raw(store, [("s", events)], expected=0, idempotent=True) for _ in range(5)]
        found = await outcomes(group)
        assert found == [Appended("s", Version(2), Position(2), 2)] * 5
        assert await store.head() == 2

    @pytest.mark.row("BS-02", "ES-03")
    @on_store
    async def test_an_id_that_is_used_otherwise_is_named(self, store: EventStore) -> None:
        a, b, c = (uuid4() for _ in range(3))
        await store.append("s", [Deposited(1), Deposited(2), Deposited(3)], ids=[a, b, c])
        four: list[object] = [Deposited(1), Deposited(2), Deposited(3), Deposited(4)]
        attempts: list[tuple[str, list[object], list[UUID], tuple[str, ...], UUID]] = [
            ("s", [Deposited(9)], [a], (), a),  # other content, and a part of a batch
            ("s", [Deposited(1), Deposited(2), Deposited(9)], [a, b, c], (), c),  # other content alone
            ("s", [Deposited(1)], [a], (), a),  # a batch's beginning
            ("s", [Deposited(3)], [c], (), c),  # its end
            ("s", [Deposited(1), Deposited(3)], [a, c], (), a),  # not all of it
            ("s", [Deposited(2), Deposited(1), Deposited(3)], [b, a, c], (), b),  # another order
            ("t", four[:3], [a, b, c], (), a),  # another stream
            ("s", four[:3], [a, b, c], ("tag",), a),  # other tags
            ("s", [Deposited(1), Deposited(2), Withdrawn(3)], [a, b, c], (), c),  # another type
            ("s", four, [a, b, c, uuid4()], (), a),  # more of it
            ("s", [Deposited(5), Deposited(1)], [uuid4(), a], (), a),  # among others
        ]
        for stream, events, ids, tags, named in attempts:
            with pytest.raises(DuplicateEvent, match=str(named)) as caught:
                await store.append(stream, events, ids=ids, tags=tags)
            assert caught.value.id == named
        assert await store.head() == 3

    @pytest.mark.row("BS-02")
    @on_store
    async def test_the_end_of_a_batch_is_not_the_batch(self, store: EventStore) -> None:
        events = [Deposited(1), Deposited(2), Deposited(3)]
        ids = [uuid4() for _ in events]
        await store.append("s", events, ids=ids)
        with pytest.raises(DuplicateEvent):
            await store.append("s", events[1:], ids=ids[1:])

    @pytest.mark.row("ES-03")
    @on_store
    async def test_the_same_identifier_twice_in_one_append(self, store: EventStore) -> None:
        twice = new_id()
        for idempotent in (False, True):
            append = submit_raw(store, [("s", [raw(id=twice), raw(id=twice)])], idempotent=idempotent)
            [found] = await outcomes([append])
            assert isinstance(found, DuplicateEvent)
            assert found.id == UUID(bytes=twice)
            assert "two events" in str(found)
            assert await store.stream_info("s") is None
        [found] = await outcomes([submit_raw(store, [("s", [raw(id=twice)])])])
        assert isinstance(found, Appended)

    @pytest.mark.row("ES-03")
    @on_store
    async def test_an_identifier_that_was_made_up_is_never_taken_for_a_repetition(self, store: EventStore) -> None:
        event = raw()
        first, second = await outcomes([submit_raw(store, [("s", [event])]) for _ in range(2)])
        assert isinstance(first, Appended)
        assert isinstance(second, DuplicateEvent)
        assert second.id == UUID(bytes=event.id)

    # --- groups ----------------------------------------------------------------------------------------------------

    @pytest.mark.row("BS-04")
    @on_store
    async def test_a_conflict_fails_only_its_own_append(self, store: EventStore) -> None:
        clients = [store.append(f"s-{n}", [Deposited(n)], expected=1 if n == 150 else 0) for n in range(300)]
        found = await asyncio.gather(*clients, return_exceptions=True)
        assert [n for n, outcome in enumerate(found) if not isinstance(outcome, Appended)] == [150]
        assert isinstance(found[150], WrongExpectedVersion)
        assert await check_log(store) == 299

    @on_store
    async def test_answers_come_in_the_order_of_the_appends(self, store: EventStore) -> None:
        appends = [store.submit(f"s-{n % 3}", [Deposited(n)]) for n in range(300)]
        found = await outcomes(appends)
        assert [outcome.position for outcome in found if isinstance(outcome, Appended)] == list(range(1, 301))

    @on_store
    async def test_what_follows_a_failed_append_fails_even_if_the_version_fits(self, store: EventStore) -> None:
        speculative = store.submit("s", [Deposited(1)], expected=7)
        # Another writer appends as many events as the failed append had ...
        intruder = store.submit("s", [Deposited(2)])
        # ... so this one's version fits, though what it was decided upon never happened.
        behind = store.submit("s", [Deposited(3)], expected=1, follows=speculative)
        further = store.submit("s", [Deposited(4)], expected=2, follows=behind)
        good = store.submit("s", [Deposited(5)], expected=1, follows=intruder)
        found = await outcomes([speculative, intruder, behind, further, good])
        kinds = [type(outcome) for outcome in found]
        assert kinds == [WrongExpectedVersion, Appended, PipelineBroken, PipelineBroken, Appended]
        late = store.submit("s", [Deposited(6)], expected=2, follows=speculative)
        assert isinstance((await outcomes([late]))[0], PipelineBroken)
        assert await store.head() == 2

    @on_store
    async def test_what_was_refused_leaves_no_trace(self, store: EventStore) -> None:
        taken = raw()
        await outcomes([submit_raw(store, [("taken", [taken])])])
        group = [
            submit_raw(store, [("new", [raw(tags=["t"])])]),
            submit_raw(store, [("guilty", [raw(tags=["u"]), taken])]),
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
        await check_log(store)

    # --- bad input -------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "name", ["å/ß.ж-漢字", "👩‍👩‍👧", "with space", "\u00a0", "x" * 255, "漢" * 255, "'; DROP TABLE events;"]
    )
    @on_store
    async def test_names_of_streams_and_tags(self, store: EventStore, name: str) -> None:
        await store.append(name, [Deposited(1)], tags=[name])
        await store.append(name, [Deposited(2)], expected=1)
        assert [e.event async for e in store.read_stream(name)] == [Deposited(1), Deposited(2)]
        assert [info.name async for info in store.streams()] == [name]
        assert [e.tags async for e in store.read_all(query=store.query(tags=[name]))] == [(name,)]

    @pytest.mark.row("ES-03")
    @pytest.mark.parametrize("name", ["", "x" * 256, "a\nb", "a\x00", "\x7f", "\x85", "\ud800", "$all"])
    @on_store
    async def test_names_that_no_stream_has(self, store: EventStore, name: str) -> None:
        with pytest.raises(InvalidStreamName):
            await store.append(name, [Deposited(1)])
        with pytest.raises(InvalidStreamName):
            store.submit(name, [Deposited(1)])
        if name != "$all":
            with pytest.raises(InvalidTag):
                await store.append("s", [Deposited(1)], tags=[name])
        assert await store.head() == 0

    @on_store
    async def test_what_cannot_be_encoded_is_refused_before_it_is_queued(self, store: EventStore) -> None:
        with pytest.raises(ValueError, match="at least one event"):
            await store.append("s", [])
        with pytest.raises(ValueError, match="2 events need as many ids, not 1"):
            await store.append("s", [Deposited(1), Deposited(2)], ids=[uuid4()])
        with pytest.raises(UnknownType):
            await store.append("s", [Deposited(1), object()])
        with pytest.raises(CodecError):
            await store.append("s", [Deposited(1)], metadata={"no": object()})
        with pytest.raises(InvalidTag, match="101 tags, 100 are allowed"):
            await store.append("s", [Deposited(1)], tags=[f"t-{n}" for n in range(101)])
        with pytest.raises(TypeError, match="not one string"):
            await store.append("s", [Deposited(1)], tags="tag")
        assert await store.head() == 0

    @on_store
    async def test_a_closed_store_takes_nothing(self, store: EventStore) -> None:
        appends = [store.submit("s", [Deposited(n)]) for n in range(50)]
        await store.close()
        assert [outcome for outcome in await outcomes(appends) if isinstance(outcome, StoreError)] == []
        await store.close()
        with pytest.raises(StoreClosed):
            await store.append("s", [Deposited(1)])
        with pytest.raises(StoreClosed):
            await store.page_all()
        with pytest.raises(StoreClosed):
            await store.link("s", [1])
        with pytest.raises(StoreClosed):
            store.watch(lambda: None)
