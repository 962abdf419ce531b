"""The keys of subjects on PostgreSQL: what is destroyed, who is faster, and answers that get lost."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

import pytest

from headwater.errors import StoreReadOnly, SubjectForgotten
from headwater.store.key_adapter import KeyAdapter, SubjectKey
from headwater.store.postgres.connection import Limits
from headwater.store.store import EventStore
from headwater.store.verification import verify

from ..trust.people import MASTER, OTHER, Registered, codec, events_of
from .driving import Database, on_database
from .relay import Relay

T = TypeVar("T")

_SUBJECT = "the subject"


async def _opened(database: Database, master: str | None = MASTER) -> EventStore:
    return await EventStore.open(database.url, codec(), master_key=master)


def _keys(wrapped: bytes, master: str, *subjects: str) -> list[SubjectKey]:
    return [SubjectKey(subject, wrapped, master) for subject in subjects]


@pytest.mark.row("BS-07")
@on_database
async def test_who_is_forgotten_can_not_be_read_any_more(database: Database) -> None:
    async with await _opened(database) as store, await _opened(database) as other:
        await store.append("people", [Registered("p-1", "Ann"), Registered("p-2", "Ben")])
        assert await events_of(other) == [Registered("p-1", "Ann"), Registered("p-2", "Ben")]
        async with database.sql() as connection:
            assert await connection.fetchval("SELECT count(*) FROM events WHERE data LIKE '%Ann%'") == 0
            assert await store.forget("p-1")
            kept = await connection.fetch("SELECT subject FROM subjects WHERE wrapped IS NOT NULL")
            assert [subject for (subject,) in kept] == ["p-2"]
        assert await events_of(store) == [Registered("p-1", None), Registered("p-2", "Ben")]
        with pytest.raises(SubjectForgotten):
            await store.append("people", [Registered("p-1", "Ann")])
        assert (await verify(store)).broken is None
    async with await _opened(database, f"{OTHER},{MASTER}") as store:
        assert await store.rewrap_keys() == 1
    async with await _opened(database, OTHER) as store:
        assert await events_of(store) == [Registered("p-1", None), Registered("p-2", "Ben")]


@pytest.mark.row("BS-07")
@on_database
async def test_of_two_stores_that_make_a_key_at_once_one_is_faster_and_none_after_a_forgetting(
    database: Database,
) -> None:
    names = [str(number) for number in range(20)]
    async with await database.open() as one, await database.open() as other:
        for turn in range(10):
            subjects = [f"{turn} {name}" for name in names]
            rivals = [(one, other)[n % 2].adapter.keys for n in range(6)]
            orders = (subjects, subjects[::-1])
            making = asyncio.gather(
                *(keys.create(_keys(bytes([n]), "m", *orders[n % 2])) for n, keys in enumerate(rivals))
            )
            forgetting = asyncio.gather(*(keys.forget(subject) for keys in rivals for subject in subjects[:2]))
            made, had = await making, await forgetting
            assert sum(had) <= 2
            kept = {key.subject: key for key in await one.adapter.keys.find(subjects)}
            assert {subject for subject, key in kept.items() if key.wrapped is None} == set(subjects[:2])
            for found in made:
                assert {key.subject for key in found} == set(subjects)
                assert all(key == kept[key.subject] for key in found if key.subject not in subjects[:2])


@pytest.mark.row("BS-07")
@on_database
async def test_of_two_stores_that_wrap_keys_anew_one_is_faster(database: Database) -> None:
    subjects = [str(number) for number in range(100)]
    async with await database.open() as one, await database.open() as other:
        await one.adapter.keys.create(_keys(b"0", "0", *subjects))
        for turn in range(10):
            counts = await asyncio.gather(
                one.adapter.keys.rewrap(_keys(b"a%d" % turn, str(turn + 1), *subjects), str(turn)),
                other.adapter.keys.rewrap(_keys(b"b%d" % turn, str(turn + 1), *subjects[::-1]), str(turn)),
            )
            assert sorted(counts) == [0, 100]


async def _losing(relay: Relay, marker: bytes, other: KeyAdapter, change: Coroutine[object, object, T]) -> T:
    """What a change of the subject is answered in the end, whose first answer gets lost."""
    before = await other.find([_SUBJECT])
    relay.swallow_answers_to(marker)
    changing = asyncio.ensure_future(change)
    while await other.find([_SUBJECT]) == before:
        assert not changing.done()
    relay.cut()
    return await changing


@pytest.mark.row("BS-07")
@on_database
async def test_a_change_whose_answer_was_lost_is_made_once(database: Database) -> None:
    limits = Limits(patience=5.0)
    async with (
        Relay(database.server) as relay,
        await database.open() as store,
        await database.open(url=relay.url(database.url), limits=limits) as relayed,
    ):
        kept, other = relayed.adapter.keys, store.adapter.keys
        first, second = SubjectKey(_SUBJECT, b"wrapped once", "m1"), SubjectKey(_SUBJECT, b"wrapped twice", "m2")
        assert await _losing(relay, b"wrapped once", other, kept.create([first])) == [first]
        assert await _losing(relay, b"wrapped twice", other, kept.rewrap([second], "m1")) == 1
        assert await other.find([_SUBJECT]) == [second]
        await _losing(relay, _SUBJECT.encode(), other, kept.forget(_SUBJECT))
        assert await other.find([_SUBJECT]) == [SubjectKey(_SUBJECT, None, "")]


@on_database
async def test_a_store_for_reading_gives_keys_and_takes_none(database: Database) -> None:
    async with await database.open() as store:
        await store.adapter.keys.create(_keys(b"1", "m", "a"))
    async with await database.open(read_only=True) as store:
        keys = store.adapter.keys
        assert await keys.find(["a"]) == await keys.list("", 10) == _keys(b"1", "m", "a")
        for change in (keys.create(_keys(b"1", "m", "b")), keys.forget("a"), keys.rewrap([], "m")):
            with pytest.raises(StoreReadOnly):
                await change
