"""Personal fields: unreadable in the storage, readable with the key, and gone for ever once the person is forgotten."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from uuid import uuid4

import apsw
import msgspec
import pytest

from headwater import EventStore
from headwater.errors import (
    CodecError,
    DuplicateEvent,
    MasterKeyMissing,
    PipelineBroken,
    StoreReadOnly,
    SubjectForgotten,
    Undecodable,
    UnknownType,
    WrongMasterKey,
)
from headwater.store.appending import StreamAppend
from headwater.store.key_adapter import SubjectKey
from headwater.store.master_key import MasterKeys
from headwater.store.memory import MemoryAdapter
from headwater.store.memory_keys import MemoryKeys
from headwater.store.model import NewEvent
from headwater.store.page import Selection
from headwater.store.vault import KEY_SECONDS
from headwater.store.verification import verify
from headwater.testing.clock import VirtualClock
from tests.store.driving import scenario

from .people import MASTER, OTHER, Address, Paid, Registered, codec, events_of, in_memory, opened

ANN = Registered("p-1", "Ann Example", Address("Elm Street", 5), newsletter=True)
BEN = Registered("p-2", "Ben Example")
Opening = Callable[[Path], Awaitable[EventStore]]
BACKENDS = pytest.mark.parametrize("open_store", [opened, in_memory], ids=["sqlite", "memory"])


@pytest.mark.row("BS-07")
@BACKENDS
def test_who_is_forgotten_can_not_be_read_any_more_and_nothing_else_changes(
    tmp_path: Path, open_store: Opening
) -> None:
    @scenario
    async def run() -> None:
        async with await open_store(tmp_path) as store:
            await store.append("people", [ANN, Paid(5), BEN])
            assert await events_of(store) == [ANN, Paid(5), BEN]
            before = [link.hash for link in await store.adapter.read_chain(0, 10)]
            assert await store.forget("p-1")
            assert await events_of(store) == [Registered("p-1", None, None, newsletter=True), Paid(5), BEN]
            assert [r.erased async for r in store.read_stream("people")] == [("name", "address"), (), ()]
            assert [r.position async for r in store.read_all()] == [1, 2, 3]
            assert [link.hash for link in await store.adapter.read_chain(0, 10)] == before
            assert (await verify(store)).broken is None
            last = await store.last("people")
            assert last is not None
            assert store.decode(last) == BEN
            assert not await store.forget("p-1")

    run()


@pytest.mark.row("BS-07")
@scenario
async def test_nothing_personal_is_in_the_file_and_no_key_once_it_is_destroyed(tmp_path: Path) -> None:
    def content() -> bytes:
        return b"".join(path.read_bytes() for path in tmp_path.iterdir())

    async with await opened(tmp_path) as store:
        await store.append("people", [ANN, BEN])
        [ann, ben] = await store.adapter.keys.find(["p-1", "p-2"])
        assert ann.wrapped is not None
        assert ben.wrapped is not None
        assert ann.wrapped in content()
        assert b"Example" not in content()
        assert b"Elm" not in content()
        await store.forget("p-1")
        assert ann.wrapped not in content()
        assert ben.wrapped in content()


@pytest.mark.row("BS-07")
@scenario
async def test_nothing_is_left_of_keys_that_shared_their_pages_with_others(tmp_path: Path) -> None:
    people = [f"p-{n * 7919 % 3_000}" for n in range(3_000)]
    async with await opened(tmp_path) as store:
        for start in range(0, 3_000, 300):
            await store.append("people", [Registered(one, "x") for one in people[start : start + 300]])
        kept = await store.adapter.keys.list("", 5_000)
        for key in kept[100:1_000:30]:
            await store.forget(key.subject)
        content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    forgotten = {key.subject for key in kept[100:1_000:30]}
    assert [key.subject for key in kept if key.wrapped and key.wrapped not in content] == sorted(forgotten)


@pytest.mark.row("BS-07")
@scenario
async def test_another_process_reads_until_it_drops_the_key_and_no_longer(tmp_path: Path) -> None:
    clock = VirtualClock()
    async with (
        await opened(tmp_path) as writer,
        await opened(tmp_path, read_only=True, clock=clock) as reader,
    ):
        await writer.append("people", [ANN])
        assert await events_of(reader) == [ANN]
        await writer.forget("p-1")
        clock.advance(KEY_SECONDS)
        assert await events_of(reader) == [Registered("p-1", None, None, newsletter=True)]
        assert reader.vault.remembered(["p-1"]) is None


class SlowKeys(MemoryKeys):
    """What is found, or forgotten, is told only when the test opens the gate."""

    def __init__(self) -> None:
        super().__init__(lambda: None)
        self.gate = asyncio.Event()
        self.gate.set()

    async def find(self, subjects: Sequence[str]) -> list[SubjectKey]:
        found = await super().find(subjects)
        await self.gate.wait()
        return found

    async def forget(self, subject: str) -> bool:
        await self.gate.wait()
        return await super().forget(subject)


class SlowAdapter(MemoryAdapter):
    """A backend with such keys."""

    def __init__(self) -> None:
        super().__init__()
        self.slow = SlowKeys()
        self.__dict__["keys"] = self.slow  # final for type checkers


@pytest.mark.row("BS-07")
@pytest.mark.parametrize("forgotten_first", [False, True])
def test_a_key_that_was_looked_up_while_its_subject_was_forgotten_is_not_remembered(forgotten_first: bool) -> None:
    @scenario
    async def run() -> None:
        adapter = SlowAdapter()
        async with EventStore(adapter, codec()) as store:
            store.vault.unlock(MasterKeys(MASTER))
            await store.append("people", [ANN])
            store.vault.drop()
            adapter.slow.gate.clear()
            work = [store.forget("p-1"), store.vault.ciphers(["p-1"])]
            tasks = [asyncio.ensure_future(one) for one in (work if forgotten_first else reversed(work))]
            await asyncio.sleep(0)
            adapter.slow.gate.set()
            await asyncio.gather(*tasks)
            assert store.vault.remembered(["p-1"]) is None
            assert await events_of(store) == [Registered("p-1", None, None, newsletter=True)]

    run()


@pytest.mark.row("BS-07")
@BACKENDS
def test_nothing_personal_is_stored_about_somebody_who_was_forgotten(tmp_path: Path, open_store: Opening) -> None:
    @scenario
    async def run() -> None:
        async with await open_store(tmp_path) as store:
            await store.forget("p-1")
            with pytest.raises(SubjectForgotten, match="p-1") as raised:
                await store.append("people", [BEN, ANN])
            assert raised.value.subject == "p-1"
            assert await store.head() == 0
            await store.append("people", [BEN])
            refused = store.submit("people", [ANN])
            with pytest.raises(PipelineBroken):
                await store.submit("people", [Paid(1)], follows=refused).answer
            with pytest.raises(SubjectForgotten):
                await refused.answer
            assert await store.head() == 1

    run()


@pytest.mark.row("BS-07", "BS-02")
@BACKENDS
def test_an_append_can_be_repeated(tmp_path: Path, open_store: Opening) -> None:
    @scenario
    async def run() -> None:
        async with await open_store(tmp_path) as store:
            ids = [uuid4(), uuid4()]
            first = await store.append("people", [ANN, BEN], ids=ids)
            store.vault.drop()
            assert await store.append("people", [ANN, BEN], ids=ids) == first
            with pytest.raises(DuplicateEvent):
                await store.append("people", [ANN, Registered("p-2", "Bea")], ids=ids)

    run()


@BACKENDS
def test_appends_keep_their_order_while_keys_are_made(tmp_path: Path, open_store: Opening) -> None:
    @scenario
    async def run() -> None:
        async with await open_store(tmp_path) as store:
            appends = [
                store.submit("s", [Registered(f"p-{n // 4}", "x") if n % 4 else Paid(n)], expected=n)
                for n in range(200)
            ]
            await store.close()
            results = [await append.answer for append in appends]
            assert [result.position for result in results] == list(range(1, 201))

    run()


@pytest.mark.row("BS-07")
@BACKENDS
def test_an_append_to_several_streams_is_sealed_and_what_is_asked_after_it_knows_of_it(
    tmp_path: Path, open_store: Opening
) -> None:
    @scenario
    async def run() -> None:
        async with await open_store(tmp_path) as store:
            event_id = uuid4()
            several = store.submit_streams([StreamAppend("a", [ANN]), StreamAppend("b", [BEN])])
            one = store.submit("c", [BEN], ids=[event_id])
            held = store.holds("c", event_id)
            assert await held
            assert (several.answer.result().position, one.answer.result().position) == (2, 3)
            stored = (await store.adapter.read(Selection(), 10)).events
            assert not [event for event in stored if "Example" in event.data]
            async with aclosing(store.subscribe()) as delivered:
                assert [(await anext(delivered)).event for _ in range(3)] == [ANN, BEN, BEN]

    run()


@pytest.mark.row("BS-07")
@scenario
async def test_a_value_is_bound_to_its_event_and_its_field(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        await store.append("people", [Registered("p-1", "a"), Registered("p-1", "b")])
    connection = apsw.Connection(str(tmp_path / "events.db"))
    connection.execute("DROP TRIGGER events_are_never_updated")
    connection.execute("UPDATE events SET data = (SELECT data FROM events WHERE position = 1) WHERE position = 2")
    connection.close()
    async with await opened(tmp_path) as store:
        with pytest.raises(Undecodable, match=r"position 2.*altered"):
            await events_of(store)


@scenario
async def test_without_a_master_key_nothing_personal_is_written_or_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HEADWATER_MASTER_KEY", raising=False)
    async with await opened(tmp_path, master=None) as store:
        with pytest.raises(MasterKeyMissing, match="HEADWATER_MASTER_KEY"):
            await store.append("people", [ANN])
        with pytest.raises(MasterKeyMissing):
            store.submit("people", [ANN])
        await store.append("people", [Paid(1)])
        assert await store.head() == 1
    async with await opened(tmp_path) as store:
        await store.append("people", [ANN])
    async with await opened(tmp_path, master=None) as store:
        with pytest.raises(Undecodable, match="there is no master key"):
            await events_of(store)
        assert await store.forget("p-1")


@scenario
async def test_a_wrong_master_key_is_told_from_a_forgotten_subject(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        await store.append("people", [ANN])
    async with await opened(tmp_path, master=OTHER) as store:
        with pytest.raises(WrongMasterKey, match="p-1"):
            await events_of(store)
        with pytest.raises(WrongMasterKey):
            await store.append("people", [ANN])
        assert await store.head() == 1


@scenario
async def test_a_reading_store_makes_no_keys(tmp_path: Path) -> None:
    async with await opened(tmp_path), await opened(tmp_path, read_only=True) as reader:
        with pytest.raises(StoreReadOnly):
            await reader.append("people", [ANN])


@scenario
async def test_a_value_of_another_key_of_the_same_subject_counts_as_erased(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        await store.append("people", [ANN])
    connection = apsw.Connection(str(tmp_path / "events.db"))
    connection.execute("DELETE FROM subjects")  # as in a log that was imported without keys
    connection.close()
    async with await opened(tmp_path) as store:
        await store.append("people", [ANN])
        assert await events_of(store) == [Registered("p-1", None, None, newsletter=True), ANN]


@scenario
async def test_what_looks_sealed_is_left_alone_or_refused(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        event = Registered("p-1", "Ann")
        [(name, data)] = [codec().encode(event)]
        fake = {**msgspec.json.decode(data), "note": {"$sealed": {"subject": "p-1", "key": "00", "value": "AA=="}}}

        class Codec(type(codec())):  # type: ignore[misc]  # writes what no class of events could
            def encode(self, value: object) -> object:
                return name, msgspec.json.encode(fake)

        async with await EventStore.open("memory://", Codec.of(Registered), master_key=OTHER) as other:
            with pytest.raises(CodecError, match="sealed"):
                await other.append("people", [event])
            assert await other.head() == 0
        texts = ['["$sealed"]', '{"a":{"$sealed":7}}', '{"a":"\\"$sealed\\""}', '"\\"$sealed\\""', "null"]
        await store.append_encoded("s", [NewEvent("Odd", 1, text.encode(), uuid4().bytes) for text in texts])
        assert [event.data async for event in store.raw_all()] == texts
        with pytest.raises(UnknownType):
            await events_of(store)
