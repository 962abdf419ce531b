"""Reads: directions, bounds, queries, pages, snapshots, what cannot be decoded; following."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from headwater.codec import Codec, TypeName, TypeRegistry
from headwater.errors import StoreClosed, Undecodable, UnknownType
from headwater.store.model import Recorded, StoredEvent, Undecoded
from headwater.store.page import Selection
from headwater.store.query import EventQuery
from headwater.store.store import EventStore
from headwater.testing.conformance.store import (
    Deposited,
    Enrolled,
    SteadyClock,
    StoreSuite,
    Withdrawn,
    check_log,
    on_store,
    outcomes,
    raw,
    submit_raw,
)


class ReadSuite(StoreSuite):
    """What every backend promises about reads."""

    @pytest.mark.row("ES-07")
    @pytest.mark.parametrize("count", [0, 1, 999, 1_000, 1_001, 2_000, 3_500])
    @on_store
    async def test_every_event_comes_once_whatever_the_page_borders(self, store: EventStore, count: int) -> None:
        if count:
            await store.append("s", [Deposited(n) for n in range(count)])
        await store.append("t", [Deposited(-1)])
        assert [e.event async for e in store.read_stream("s")] == [Deposited(n) for n in range(count)]
        assert [e.position async for e in store.raw_all()] == list(range(1, count + 2))
        assert [e.position async for e in store.raw_all(backwards=True)] == list(range(count + 1, 0, -1))
        for after, limit in ((0, 0), (0, 1), (5, 1_000), (998, 1_001), (count, 5)):
            wanted = list(range(1, count + 1))[after : after + limit]
            assert [e.version async for e in store.raw_stream("s", after, limit)] == wanted
        pages = [len(page) async for page in store.pages_stream("s")]
        assert pages == [1_000] * (count // 1_000) + [count % 1_000] * bool(count % 1_000)

    @pytest.mark.row("ES-07")
    @pytest.mark.parametrize("seed", range(4))
    @on_store
    async def test_any_selection_is_what_a_filter_over_the_log_gives(self, store: EventStore, seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(40):
            events = [
                rng.choice([Deposited(1), Withdrawn(1), Enrolled(rng.choice("ab"), rng.choice("xy"))])
                for _ in range(rng.randint(1, 4))
            ]
            await store.append(rng.choice("st"), events, tags=rng.sample(["p", "q"], rng.randint(0, 2)))
        log = [event async for event in store.raw_all()]
        for _ in range(80):
            selection = _random_selection(store, rng, len(log))
            limit = rng.choice((1, 3, 1_000))
            page = await store.page(selection, limit)
            assert page.head == len(log)
            assert page.events == _filtered(selection, log)[:limit], selection

    @pytest.mark.row("ES-07")
    @on_store
    async def test_a_limit_is_not_negative(self, store: EventStore) -> None:
        await store.append("s", [Deposited(1)])
        for read in (store.read_all, store.raw_all, partial(store.read_stream, "s"), partial(store.raw_stream, "s")):
            with pytest.raises(ValueError, match="a limit is 0 or more, not -1"):
                read(limit=-1)
        assert [event async for event in store.read_all(limit=0)] == []

    @pytest.mark.row("ES-07")
    @on_store
    async def test_reads_with_queries_go_on_over_page_borders(self, store: EventStore) -> None:
        await store.append("s", [Enrolled("even" if n % 2 else "odd", str(n)) for n in range(5_000)])
        even = store.query(tags=["course:even"])
        for query in (even, even | store.query(Withdrawn), store.query(Enrolled, tags=["course:even"])):
            wanted = list(range(2, 5_001, 2))
            assert [e.position async for e in store.read_all(query=query)] == wanted
            assert [e.version async for e in store.read_stream("s", backwards=True, query=query)] == wanted[::-1]
            assert [e.position async for e in store.raw_all(query=query, after=10, before=16)] == [12, 14]
        assert [e.position async for e in store.raw_all(1_000, 1_500, query=store.query(Enrolled))] == list(
            range(1_001, 2_501)
        )

    @pytest.mark.row("BS-14")
    @on_store
    async def test_a_read_is_of_one_moment_and_tells_its_head(self, store: EventStore) -> None:
        await store.append("s", [Deposited(n) for n in range(2_500)])
        for reading in (store.read_all(), store.read_stream("s"), store.read_all(query=store.query(Deposited))):
            head = await reading.head()
            seen = 0
            async with reading as events:
                async for _ in events:
                    if seen % 500 == 0:
                        await store.append("s", [Deposited(-1)])
                    seen += 1
            assert seen == head == await reading.head()
        assert await store.read_all(query=store.query(Withdrawn)).head() == await store.head()
        assert await store.read_stream("none").head() == await store.head()

    @pytest.mark.row("BS-14")
    @on_store
    async def test_an_empty_log_has_head_zero(self, store: EventStore) -> None:
        assert await store.read_all().head() == 0
        assert await store.head() == 0
        assert await store.last("b") is None
        assert await store.page_stream("b") == []
        assert [e async for e in store.read_all(backwards=True)] == []

    @pytest.mark.row("BS-01", "ES-05")
    @on_store
    async def test_a_reader_never_later_sees_an_event_at_or_below_its_position(self, store: EventStore) -> None:
        """Readers poll beside appenders: each page continues exactly where the one before ended."""

        async def appender(client: int) -> None:
            for number in range(20):
                await store.append(f"s-{client % 5}", [Deposited(number)])

        writing = asyncio.ensure_future(asyncio.gather(*(appender(n) for n in range(50))))

        async def reader() -> int:
            seen = 0
            while not writing.done() or seen < await store.head():
                for event in await store.page_all(seen):
                    assert event.position == seen + 1
                    seen += 1
            return seen

        assert list(await asyncio.gather(reader(), reader())) == [1_000, 1_000]
        await writing
        assert await check_log(store) == 1_000

    @on_store
    async def test_a_type_that_nobody_registered(self, store: EventStore) -> None:
        await store.append("s", [Deposited(1), Withdrawn(2)])
        known = TypeRegistry([(Deposited, TypeName("Deposited", 1))])
        stranger = EventStore(store.adapter, Codec(known))
        assert [e.type async for e in stranger.raw_all()] == ["Deposited", "Withdrawn"]
        with pytest.raises(UnknownType, match="position 2, stream 's', version 2") as caught:
            [e async for e in stranger.read_all()]
        assert (caught.value.name, caught.value.version, caught.value.position) == ("Withdrawn", 2, 2)

    @on_store
    async def test_what_does_not_fit_its_class_names_its_position_or_is_kept_raw(self, store: EventStore) -> None:
        await store.append("s", [Deposited(1)])
        await outcomes([submit_raw(store, [("s", [raw(b'{"amount":"x"}'), raw()])])])
        with pytest.raises(Undecodable, match=r"position 2, stream 's', version 2: a Deposited v1.*amount") as caught:
            [e async for e in store.read_all()]
        assert (caught.value.name, caught.value.position) == ("Deposited", 2)
        assert caught.value.__cause__ is not None
        kept: list[Recorded] = [e async for e in store.read_stream("s", undecodable="keep")]
        assert [type(e.event) for e in kept] == [Deposited, Undecoded, Deposited]
        broken = kept[1]
        assert isinstance(broken.event, Undecoded)
        assert "position 2" in str(broken.event.error)
        assert broken.stored.data == '{"amount":"x"}'

    def test_the_position_at_a_moment(self, tmp_path: Path) -> None:
        async def main() -> None:
            clock = SteadyClock(0)
            async with await self.open(tmp_path, clock) as store:
                for seconds in (100, 200, 200, 300):
                    clock.seconds = seconds
                    await store.append("s", [Deposited(1)])
                start = datetime(1970, 1, 1, tzinfo=UTC)
                found = [
                    await store.position_at(start + timedelta(seconds=seconds)) for seconds in (99, 100, 200, 299, 400)
                ]
                assert found == [0, 1, 3, 3, 4]
                with pytest.raises(ValueError, match="time zone"):
                    await store.position_at(datetime(2020, 1, 1))  # noqa: DTZ001 - the mistake itself

        asyncio.run(main())

    @on_store
    async def test_a_read_that_is_given_up_and_a_store_that_is_closed_in_between(self, store: EventStore) -> None:
        await store.append("s", [Deposited(n) for n in range(5_000)])
        before = asyncio.all_tasks()
        async with store.read_all() as events:
            await anext(events)  # the next page is on its way now
        await asyncio.sleep(0)
        assert asyncio.all_tasks() <= before
        seen = 0

        async def read() -> None:
            nonlocal seen
            async for _ in store.read_all():
                seen += 1
                if seen == 10:
                    await store.close()

        with pytest.raises(StoreClosed):
            await read()
        assert seen in (1_000, 2_000)  # the page that was there, and perhaps the one that was on its way

    # --- following -------------------------------------------------------------------------------------------------

    @on_store
    async def test_catch_up_then_live(self, store: EventStore) -> None:
        await store.append("s", [Deposited(n) for n in range(2_500)])

        async def positions(until: int, after: int = 0, stream: str | None = None) -> list[int]:
            seen: list[int] = []
            async with aclosing(store.follow(after, stream)) as pages:
                async for page in pages:
                    assert page
                    seen += [event.position for event in page]
                    if seen[-1] >= until:
                        break
            return seen

        followers = [
            asyncio.ensure_future(positions(2_600)),
            asyncio.ensure_future(positions(2_600, after=2_500)),
            asyncio.ensure_future(positions(2_510, stream="t")),
        ]
        for n in range(100):
            await store.append("t" if n < 10 else "s", [Deposited(n)])
        early, late, one = await asyncio.gather(*followers)
        assert early == list(range(1, 2_601))
        assert late == list(range(2_501, 2_601))
        assert one == list(range(2_501, 2_511))

    @on_store
    async def test_following_a_query_passes_over_the_rest_of_the_log(self, store: EventStore) -> None:
        query = store.query(Withdrawn, tags=["t"])
        seen: list[int] = []

        async def follow() -> None:
            async with aclosing(store.follow_events(query=query)) as events:
                async for event in events:
                    seen.append(event.position)
                    if len(seen) == 5:
                        break

        following = asyncio.ensure_future(follow())
        for n in range(1, 51):
            await store.append("s", [Withdrawn(n) if n % 10 == 0 else Deposited(n)], tags=["t"])
        await following
        assert seen == [10, 20, 30, 40, 50]

    @on_store
    async def test_a_follower_ends_when_the_store_is_closed(self, store: EventStore) -> None:
        await store.append("s", [Deposited(1)])

        async def follow() -> int:
            return len([event async for event in store.follow_events()])

        following = asyncio.ensure_future(follow())
        for _ in range(3):
            await asyncio.sleep(0)
        await store.close()
        assert await following in (0, 1)
        with pytest.raises(StoreClosed):
            await follow()


def _random_selection(store: EventStore, rng: random.Random, head: int) -> Selection:
    query = None
    for _ in range(rng.randint(0, 3)):
        types = rng.choice(((), (Deposited,), (Withdrawn, Enrolled)))
        tags = rng.choice(((), ("p",), ("q", "p"), ("course:a",), ("student:x", "q"), ("nobody",)))
        item = store.query(*types, tags=tags)
        query = item if query is None else query | item
    return Selection(
        stream=rng.choice((None, None, "s", "t", "none")),
        query=query,
        after=rng.choice((0, 0, rng.randint(0, head))),
        before=rng.choice((None, rng.randint(0, head + 2))),
        backwards=rng.random() < 0.5,
        until=rng.choice((None, None, rng.randint(0, head))),
    )


def _filtered(selection: Selection, log: list[StoredEvent]) -> list[StoredEvent]:
    query = selection.query or EventQuery()
    found = [
        event
        for event in log
        if selection.stream in (None, event.stream)
        and selection.place(event) > selection.after
        and (selection.before is None or selection.place(event) < selection.before)
        and (selection.until is None or event.position <= selection.until)
        and query.matches(event.type, event.tags)
    ]
    return found[::-1] if selection.backwards else found
