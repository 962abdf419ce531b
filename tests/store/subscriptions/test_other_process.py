"""Subscriptions beside a process that writes."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from headwater.errors import StoreReadOnly
from headwater.store.store import EventStore
from headwater.store.subscription_start import Start

from ..driving import Child, Deposited, codec, scenario


@pytest.mark.row("BS-11", "ES-20", "ES-11")
@scenario
async def test_a_reader_in_another_process_is_woken(tmp_path: Path) -> None:
    with Child("demand", tmp_path / "events.db") as child:
        assert child.line() == "open"
        async with await EventStore.open(f"sqlite:///{tmp_path}/events.db", codec(), read_only=True) as store:
            first = await _begun(store, child)
            async with aclosing(store.subscribe(first, query=store.query(Deposited))) as events:
                for number in range(first + 1, first + 20):
                    coming = asyncio.ensure_future(anext(events))
                    if number % 2:
                        await asyncio.sleep(0)  # so that the reader waits already, every other time
                    child.tell("go on")
                    assert (await coming).position == number == int(child.line())


async def _begun(store: EventStore, child: Child) -> int:
    """Subscribe at the head, and have the other process append until something comes."""
    async with aclosing(store.subscribe(Start.HEAD)) as events:
        coming = asyncio.ensure_future(anext(events))
        while True:
            child.tell("go on")
            position = int(child.line())
            await asyncio.wait([coming], timeout=0.05)
            if coming.done():
                assert coming.result().position <= position
                return position


@scenario
async def test_a_named_subscription_needs_a_store_that_writes(tmp_path: Path) -> None:
    async with await EventStore.open(f"sqlite:///{tmp_path}/events.db", codec()) as store:
        await store.append("s", [Deposited(1)])
        async with store.subscription("mailer") as events:
            await events.ack(await anext(events))
            async with await EventStore.open(f"sqlite:///{tmp_path}/events.db", codec(), read_only=True) as reader:
                info = await reader.subscription_info("mailer")
                assert info is not None
                assert info.owner is not None
                assert [one.name async for one in reader.subscriptions()] == ["mailer"]
                with pytest.raises(StoreReadOnly, match=r"with SQLite that is one process.*subscribe\(after="):
                    await reader.subscription("mailer").__aenter__()
