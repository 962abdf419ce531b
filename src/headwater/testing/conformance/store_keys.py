"""The keys of subjects: one for each, first come first served, and never again one for who was forgotten."""

from __future__ import annotations

import asyncio

import pytest

from headwater.errors import StoreClosed
from headwater.store.key_adapter import SubjectKey
from headwater.store.store import EventStore
from headwater.testing.conformance.store import StoreSuite, on_store


def _key(subject: str, wrapped: bytes = b"wrapped", master: str = "m1") -> SubjectKey:
    return SubjectKey(subject, wrapped, master)


class KeysSuite(StoreSuite):
    """What every backend promises about the keys of subjects."""

    @pytest.mark.row("BS-07")
    @on_store
    async def test_the_first_key_of_a_subject_stays(self, store: EventStore) -> None:
        keys = store.adapter.keys
        assert await keys.find(["a"]) == []
        assert await keys.create([_key("a", b"1"), _key("b", b"2")]) == [_key("a", b"1"), _key("b", b"2")]
        found = await keys.create([_key("a", b"3"), _key("c", b"4")])
        assert sorted(found, key=lambda key: key.subject) == [_key("a", b"1"), _key("c", b"4")]
        rivals = await asyncio.gather(*(keys.create([_key("d", bytes([n]))]) for n in range(10)))
        assert len({one.wrapped for [one] in rivals}) == 1

    @pytest.mark.row("BS-07")
    @on_store
    async def test_who_was_forgotten_never_gets_a_key_again(self, store: EventStore) -> None:
        keys = store.adapter.keys
        await keys.create([_key("a"), _key("b")])
        gone = SubjectKey("a", None, "")
        assert await keys.forget("a")
        assert not await keys.forget("a")
        assert not await keys.forget("never seen")
        assert await keys.create([_key("a", b"new")]) == [gone]
        assert await keys.create([_key("never seen")]) == [SubjectKey("never seen", None, "")]
        assert await keys.rewrap([_key("a", b"new", "m2")], "m1") == 0
        assert await keys.rewrap([_key("a", b"new", "m2")], "") == 0
        assert await keys.find(["a"]) == [gone]
        assert await keys.find(["b"]) == [_key("b")]

    @on_store
    async def test_subjects_are_listed_by_their_bytes(self, store: EventStore) -> None:
        keys = store.adapter.keys
        names = ["b", "a", "é", "Z", "\U0001f600", "\uffee", "it's"]
        await keys.create([_key(name) for name in names])
        await keys.forget("b")
        listed = await keys.list("", 100)
        assert [key.subject for key in listed] == sorted(names, key=str.encode)
        assert [key.subject for key in listed if key.wrapped is None] == ["b"]
        assert await keys.list("a", 2) == listed[2:4]
        assert await keys.list("\U0001f600", 2) == []

    @on_store
    async def test_only_keys_of_one_master_are_wrapped_anew(self, store: EventStore) -> None:
        keys = store.adapter.keys
        await keys.create([_key("a"), _key("b", b"2", "m2"), _key("c")])
        new = [_key("a", b"new", "m3"), _key("b", b"new", "m3"), _key("unknown", b"new", "m3")]
        assert await keys.rewrap(new, "m1") == 1
        assert await keys.list("", 10) == [_key("a", b"new", "m3"), _key("b", b"2", "m2"), _key("c")]

    @on_store
    async def test_a_closed_store_has_no_keys(self, store: EventStore) -> None:
        await store.close()
        with pytest.raises(StoreClosed):
            await store.adapter.keys.find(["a"])
        with pytest.raises(StoreClosed):
            await store.adapter.keys.forget("a")
