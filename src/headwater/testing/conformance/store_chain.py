"""The hash chain that every backend keeps."""

from __future__ import annotations

import pytest

from headwater.store.chain import ChainHead, hash_of
from headwater.store.store import EventStore
from headwater.store.verification import verify
from headwater.testing.conformance.store import Deposited, Enrolled, StoreSuite, on_store


class ChainSuite(StoreSuite):
    """What every backend promises about its hash chain."""

    @pytest.mark.row("BS-06")
    @on_store
    async def test_every_event_is_chained_to_the_one_before(self, store: EventStore) -> None:
        assert await store.adapter.chain_head() == ChainHead()
        heads = []
        for number in range(20):
            await store.append(f"s-{number % 3}", [Deposited(number), Enrolled("ü", str(number))], metadata={"n": 1})
            heads.append(await store.adapter.chain_head())
        links = await store.adapter.read_chain(0, 100)
        previous = ChainHead().hash
        for link in links:
            assert link.hash == hash_of(link.event, previous)
            previous = link.hash or b""
        assert [event async for event in store.raw_all()] == [link.event for link in links]
        assert [head.hash for head in heads] == [link.hash for link in links[1::2]]
        assert [link.event.position for link in await store.adapter.read_chain(7, 3)] == [8, 9, 10]
        found = await verify(store, [head.hash for head in heads])
        assert (found.broken, found.head) == (None, ChainHead(40, previous))

    @pytest.mark.row("BS-06")
    @on_store
    async def test_a_head_that_was_kept_elsewhere_must_be_there(self, store: EventStore) -> None:
        await store.append("s", [Deposited(1)])
        found = await verify(store, [b"\x01" * 32])
        assert found.broken is not None
        assert "01" * 32 in found.broken.reason

    @on_store
    async def test_links_and_marks_do_not_touch_it(self, store: EventStore) -> None:
        await store.append("s", [Deposited(1), Deposited(2)])
        head = await store.adapter.chain_head()
        await store.link("l", [1])
        await store.tombstone_stream("s")
        assert await store.adapter.chain_head() == head
        assert (await verify(store)).broken is None
