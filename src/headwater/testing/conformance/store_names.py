"""Names that no backend can hold, as they are no text or have a NUL character: refused by all in the same way."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from typing import cast

import pytest

from headwater.errors import CodecError, InvalidStreamName, InvalidSubscription, InvalidTag, UnknownType
from headwater.personal import PersonalFields
from headwater.store.envelope import split, subject_of
from headwater.store.query import EventQuery
from headwater.store.store import EventStore
from headwater.store.stream import Snapshot
from headwater.testing.conformance.store import Deposited, StoreSuite, check_log, on_store

NAME = "a\0b"

Use = Callable[[EventStore], Awaitable[object]]

USES: dict[type[Exception], list[Use]] = {
    InvalidStreamName: [
        lambda store: store.append(NAME, [Deposited(1)]),
        lambda store: _all(store.read_stream(NAME)),
        lambda store: store.page_stream(NAME),
        lambda store: store.last(NAME),
        lambda store: store.stream_info(NAME),
        lambda store: _all(store.streams(NAME)),
        lambda store: _all(store.streams(prefix=NAME)),
        lambda store: store.link(NAME, [1]),
        lambda store: store.truncate_stream(NAME, 1),
        lambda store: store.delete_stream(NAME),
        lambda store: store.tombstone_stream(NAME),
        lambda store: store.save_snapshot(Snapshot(NAME, "k", 1, b"")),
        lambda store: store.load_snapshot(NAME, "k"),
        lambda store: store.delete_snapshots(NAME),
        lambda store: anext(store.subscribe(stream=NAME)),
    ],
    InvalidTag: [
        lambda store: store.append("s", [Deposited(1)], tags=[NAME]),
        lambda store: _all(store.read_all(query=store.query(tags=[NAME]))),
    ],
    UnknownType: [lambda store: _all(store.read_all(query=EventQuery.of(NAME)))],
    InvalidSubscription: [
        lambda store: store.subscription(NAME).__aenter__(),
        lambda store: store.subscription("s", stream=NAME).__aenter__(),
        lambda store: store.subscription_info(NAME),
        lambda store: store.reset_subscription(NAME),
        lambda store: store.delete_subscription(NAME),
    ],
    ValueError: [
        lambda store: store.forget(NAME),
        lambda store: store.save_snapshot(Snapshot("s", NAME, 1, b"")),
        lambda store: store.load_snapshot("s", NAME),
        lambda store: store.delete_snapshots("s", NAME),
    ],
}


class NamesSuite(StoreSuite):
    """What every backend promises about names that it can't hold."""

    @on_store
    async def test_a_name_with_a_nul_character_is_refused_before_the_backend_sees_it(self, store: EventStore) -> None:
        for error, uses in USES.items():
            for use in uses:
                with pytest.raises(error, match=r"NUL|x00|printed"):
                    await use(store)
        await store.append("s", [Deposited(1)], metadata={"text": NAME})  # in JSON it is escaped
        assert [event.metadata async for event in store.raw_all()] == [{"text": NAME}]
        assert await check_log(store) == 1

    @pytest.mark.row("ES-03")
    @on_store
    async def test_a_name_that_is_no_string_is_refused_before_the_backend_sees_it(self, store: EventStore) -> None:
        for name in cast("list[str]", [None, 5, b"s"]):
            for use in (
                store.append(name, [Deposited(1)]),
                store.stream_info(name),
                store.link(name, [1]),
                store.tombstone_stream(name),
            ):
                with pytest.raises(InvalidStreamName, match="a string, not "):
                    await use
            with pytest.raises(InvalidSubscription, match="a string, not "):
                await store.subscription(name).__aenter__()
        assert await check_log(store) == 0

    def test_nobody_is_called_so(self) -> None:
        with pytest.raises(CodecError, match="NUL"):
            subject_of(split(b'{"person":"a\\u0000b"}'), PersonalFields("person", ("name",)))


async def _all(events: AsyncIterable[object]) -> list[object]:
    return [event async for event in events]
