"""Following: catch-up, then live, on one path; in this process and from another one."""

import asyncio
import random
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.errors import StoreClosed, StoreReadOnly
from headwater.store.reader import READ
from headwater.store.store import EventStore
from headwater.telemetry import SpanEvent, Telemetry

from .driving import Child, Deposited, opened, scenario, sqlite


async def _positions(store: EventStore, until: int, after: int = 0, stream: str | None = None) -> list[int]:
    seen: list[int] = []
    async for page in store.follow(after, stream):
        assert page
        seen += [event.position for event in page]
        if seen[-1] >= until:
            break
    return seen


@scenario
async def test_catch_up_then_live(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        await store.append("s", [Deposited(n) for n in range(2_500)])
        early = asyncio.ensure_future(_positions(store, 2_600))
        late = asyncio.ensure_future(_positions(store, 2_600, after=2_500))
        one = asyncio.ensure_future(_positions(store, 2_510, stream="t"))
        for n in range(100):
            await store.append("t" if n < 10 else "s", [Deposited(n)])
        assert await early == list(range(1, 2_601))
        assert await late == list(range(2_501, 2_601))
        assert await one == list(range(2_501, 2_511))
        async with aclosing(store.follow_events(after=3, stream="t")) as events:
            assert [(await anext(events)).version for _ in range(5)] == [4, 5, 6, 7, 8]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), pauses=st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_no_event_is_missed_or_doubled_whatever_the_interleaving(
    tmp_path_factory: pytest.TempPathFactory, seed: int, pauses: list[int]
) -> None:
    """Appenders and followers give way to each other at random places; followers come at random times."""

    @scenario
    async def run() -> None:
        rng = random.Random(seed)
        async with await opened(tmp_path_factory.mktemp("follow")) as store:
            total = sum(1 + pause for pause in pauses)
            followers: list[asyncio.Future[list[int]]] = []
            for pause in pauses:
                if rng.random() < 0.2 or not followers:
                    followers.append(asyncio.ensure_future(_positions(store, total)))
                for _ in range(pause):
                    await asyncio.sleep(0)
                append = store.submit("s", [Deposited(1)] * (1 + pause))
                if rng.random() < 0.5:
                    await append.answer
            for seen in await asyncio.gather(*followers):
                assert seen == list(range(1, total + 1))

    run()


@scenario
async def test_a_follower_ends_when_the_store_is_closed(tmp_path: Path) -> None:
    telemetry = Telemetry()
    store = await opened(tmp_path, telemetry=telemetry)
    await store.append("s", [Deposited(1)])
    caught_up = asyncio.Event()

    def seen(span: SpanEvent) -> None:
        if span.metadata.get("events") == 0:
            caught_up.set()

    telemetry.attach(READ, seen)

    async def follow() -> int:
        return len([event async for event in store.follow_events()])

    waiting = asyncio.ensure_future(follow())
    await caught_up.wait()
    starting = asyncio.ensure_future(follow())
    await asyncio.sleep(0)
    await store.close()
    assert await waiting == 1
    assert await starting in (0, 1)
    with pytest.raises(StoreClosed):
        await follow()


@scenario
async def test_a_follower_that_leaves_watches_no_more(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        await store.append("s", [Deposited(1)])
        async with aclosing(store.follow()) as pages:
            await anext(pages)
            assert len(sqlite(store)._watchers) == 1
        assert len(sqlite(store)._watchers) == 0


@scenario
async def test_watchers(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        rung: list[str] = []

        def broken() -> None:
            rung.append("broken")
            raise RuntimeError("on purpose")

        stop_broken = store.watch(broken)
        stop = store.watch(lambda: rung.append("whole"))
        await store.append("s", [Deposited(1)])
        assert rung == ["broken", "whole"]
        stop_broken()
        stop_broken()
        await store.append("s", [Deposited(1)])
        assert rung == ["broken", "whole", "whole"]
        stop()
        await store.append("s", [Deposited(1)])
        assert len(rung) == 3


@scenario
async def test_a_reader_in_another_process_sees_new_events(tmp_path: Path) -> None:
    with Child("demand", tmp_path / "events.db") as child:
        assert child.line() == "open"
        async with await opened(tmp_path, read_only=True) as store, aclosing(store.follow_events()) as events:
            for number in range(1, 20):
                coming = asyncio.ensure_future(anext(events))
                if number % 2:
                    await asyncio.sleep(0)  # so that the reader waits already, every other time
                child.tell("go on")
                assert (await coming).position == number == int(child.line())
            with pytest.raises(StoreReadOnly, match="for reading only"):
                await store.append("s", [Deposited(1)])
