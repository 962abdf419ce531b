"""Exports: what their lines look like; and imports: what they refuse, and with which line."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import EventStore
from headwater.errors import BrokenExport, ForeignLog, NotExportable, StoreReadOnly
from headwater.store.chain import GENESIS, ChainLink, hash_of
from headwater.store.line import End, Key, Links, Mark, control_line, event_line, parse
from headwater.store.model import StoredEvent
from headwater.testing.conformance.store import SteadyClock, raw, submit_raw
from headwater.testing.conformance.store_transfer import contents, exported
from tests.store.driving import Deposited, codec, opened, scenario

from . import people


async def _memory(clock: SteadyClock | None = None) -> EventStore:
    return await EventStore.open("memory://", codec(), clock=clock)


@pytest.mark.row("BS-12")
@scenario
async def test_a_line_is_a_cloud_event() -> None:
    async with await _memory(SteadyClock(1_700_000_000)) as store:
        cause = UUID(int=5)
        ids = [UUID(int=1), UUID(int=2)]
        await store.append(
            "s", [Deposited(1), Deposited(2)], ids=ids, tags=["b", "a"], causation=cause, metadata={"user": "u"}
        )
        first, _, end = [msgspec.json.decode(line, type=dict[str, Any]) for line in await exported(store)]
        chain = [link.hash.hex() for link in await store.adapter.read_chain(0, 2) if link.hash]
    assert first == {
        "specversion": "1.0",
        "id": str(ids[0]),
        "source": "headwater",
        "type": "Deposited",
        "time": "2023-11-14T22:13:20Z",
        "subject": "s",
        "position": 1,
        "version": 1,
        "schema": 1,
        "remaining": 1,
        "causation": str(cause),
        "tags": '["a","b"]',
        "metadata": '{"user":"u"}',
        "hash": chain[0],
        "datacontenttype": "application/json",
        "data": {"amount": 1, "note": ""},
    }
    assert end["data"] == {"position": 2, "hash": chain[1]}
    assert (end["type"], end["control"]) == ("headwater.end", True)


@pytest.mark.row("BS-12")
@scenario
async def test_data_keeps_its_very_bytes() -> None:
    odd = [b'{"amount": 1 }', b' {"amount":\r\n1}\n', b'{"amount":1.0e0,"note":"\\u00e9\xc3\xa9"}', b"null", b'"x"']
    async with await _memory() as store, await _memory() as copy:
        await submit_raw(store, [("s", [raw(data) for data in odd])]).answer
        await copy.import_log(await exported(store))
        assert [event.data.encode() async for event in copy.raw_all()] == odd
        assert await contents(copy) == await contents(store)


@pytest.mark.row("BS-12")
@scenario
async def test_an_export_can_go_on_after_an_earlier_one(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store, await _memory() as copy:
        await store.append("s", [Deposited(n) for n in range(5)])
        await store.link("t", [1, 2])
        await copy.import_log(await exported(store))
        await store.append("s", [Deposited(n) for n in range(5)])
        await store.append("t", [Deposited(1)])
        await store.link("t", [3])
        more = await exported(store, after=5)
        assert len([line for line in more if b'"control"' not in line]) == 6
        done = await copy.import_log(more)
        assert (done.position, done.events) == (11, 6)
        assert await contents(copy) == await contents(store)
        assert await copy.import_log(more) == msgspec.structs.replace(done, events=0, known=6)
        async with await _memory() as empty:
            with pytest.raises(BrokenExport, match="line 1: the export begins at position 6, this log ends at 0"):
                await empty.import_log(more)
        with pytest.raises(NotExportable, match="no event at position 12"):
            await exported(store, after=12)


@scenario
async def test_a_long_log_is_exported_while_it_grows_and_comes_in_again(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    read: list[tuple[int, int]] = []
    async with await opened(tmp_path) as store:
        for _ in range(3):
            await store.append("s", [Deposited(n) for n in range(1_500)])
        await asyncio.gather(*(store.append(f"s-{n % 70}", [Deposited(n)]) for n in range(2_000)))
        lines = []
        async for chunk in store.export(progress=lambda *at: seen.append(at)):
            lines += chunk.splitlines(keepends=True)
            await store.append("later", [Deposited(1)])
        assert seen[0] == (1_000, 6_500)
        assert seen[-1] == (6_500, 6_500)
        (there := tmp_path / "there").mkdir()
        async with await opened(there) as copy:
            assert (await copy.import_log(lines, progress=lambda *at: read.append(at))).position == 6_500
            assert [e async for e in copy.raw_all()] == [e async for e in store.raw_all(before=6_501)]
        assert len(read) > 2
        assert read[-1][0] == 6_500


Change = Callable[[list[bytes]], list[bytes]]


def _altered(number: int, old: bytes, new: bytes) -> Change:
    def change(lines: list[bytes]) -> list[bytes]:
        assert old in lines[number - 1]
        return [*lines[: number - 1], lines[number - 1].replace(old, new), *lines[number:]]

    return change


BROKEN: list[tuple[Change, int, str]] = [
    (lambda lines: lines[:-1], 7, "cut off"),
    (lambda lines: lines[:5], 6, "cut off"),
    (lambda lines: lines[:-2] + lines[-1:], 6, "1 more events"),
    (lambda lines: [*lines[:2], lines[2][:50]], 3, "no line of an export"),
    (lambda lines: [*lines[:2], b"\n", *lines[2:]], 3, "no line of an export"),
    (lambda lines: [*lines[:2], b"\xff\n", *lines[2:]], 3, "no line of an export"),
    (lambda lines: [*lines[:1], *lines[2:]], 2, "position 2 should come here, not 3"),
    (lambda lines: [lines[1], lines[0], *lines[2:]], 1, "begins at position 2, this log ends at 0"),
    (lambda lines: [*lines[:2], *lines[1:]], 3, "position 3 should come here, not 2"),
    (lambda lines: lines[1:], 1, "begins at position 2"),
    (_altered(2, b'"amount":1', b'"amount":9'), 2, "altered"),
    (_altered(2, b'"version":2', b'"version":3'), 2, "altered"),
    (_altered(3, b'"remaining":1', b'"remaining":2'), 3, "altered"),
    (_altered(2, b'"time":"2023', b'"time":"2022'), 2, "before the one in front of it"),
    (_altered(2, b'"subject":"s"', b'"subject":""'), 2, "empty"),
    (_altered(2, b'"subject":"s",', b""), 2, "its stream"),
    (_altered(2, b'"specversion":"1.0"', b'"specversion":"2.0"'), 2, "no line of an export"),
    (_altered(7, b"headwater.end", b"headwater.more"), 7, "newer Headwater"),
    (_altered(7, b'"position":6', b'"position":7'), 7, "should end at position 7"),
]


@pytest.mark.row("BS-12")
@pytest.mark.parametrize(("change", "line", "reason"), BROKEN)
def test_a_broken_file_is_refused_with_its_line(change: Change, line: int, reason: str) -> None:
    @scenario
    async def run() -> None:
        async with await _memory(SteadyClock(1_700_000_000)) as store, await _memory() as copy:
            await store.append("s", [Deposited(0)])
            await store.append("s", [Deposited(1)])
            await store.append("s", [Deposited(2), Deposited(3)])
            await store.append("s", [Deposited(4), Deposited(5)])
            lines = await exported(store)
            with pytest.raises(BrokenExport, match=reason) as raised:
                await copy.import_log(change(lines))
            assert raised.value.line == line
            before = [e async for e in copy.raw_all()]
            assert before == [e async for e in store.raw_all(before=len(before) + 1)]
            assert not before or before[-1].remaining == 0

    run()


@pytest.mark.row("BS-12")
@scenario
async def test_another_log_is_not_mixed_with_what_is_there(tmp_path: Path) -> None:
    async with await _memory() as store, await _memory() as other, await opened(tmp_path) as target:
        await store.append("s", [Deposited(1), Deposited(2)])
        await other.append("s", [Deposited(1)])
        await other.append("s", [Deposited(2)])
        await other.append("s", [Deposited(3)])
        await target.import_log(await exported(other))
        before = await contents(target)
        with pytest.raises(ForeignLog, match="first 2 events"):
            await target.import_log(await exported(store))
        await store.append("s", [Deposited(3), Deposited(4)])
        with pytest.raises(ForeignLog, match="3 events are not those"):
            await target.import_log(await exported(store))
        assert await contents(target) == before
        async with await opened(tmp_path, read_only=True) as reader:
            await other.append("s", [Deposited(4)])
            with pytest.raises(StoreReadOnly):
                await reader.import_log(await exported(other))


@scenario
async def test_links_that_are_hidden_can_not_be_exported(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        await store.append("s", [Deposited(1)])
        await store.link("t", [1])
        await store.append("t", [Deposited(2)])
        await store.truncate_stream("t", 2)
        with pytest.raises(NotExportable, match="'t' has links in versions 1 to 1"):
            await exported(store)
        await store.truncate_stream("t", 1)
        await exported(store)
        await store.link("u", [1])
        await store.delete_stream("u")
        with pytest.raises(NotExportable, match="'u'"):
            await exported(store)


@pytest.mark.row("BS-12", "BS-07")
@pytest.mark.parametrize("keys", [False, True])
def test_personal_fields_stay_encrypted_and_keys_go_only_when_asked_for(tmp_path: Path, keys: bool) -> None:
    ann, ben = people.Registered("p-1", "Ann Example"), people.Registered("p-2", "Ben Example")

    @scenario
    async def run() -> None:
        (there := tmp_path / "there").mkdir()
        async with await people.opened(tmp_path) as store, await people.opened(there) as copy:
            await store.append("s", [ann, ben, people.Registered("p-3", "Cy")])
            await store.forget("p-3")
            lines = await exported(store, keys=keys)
            assert not [line for line in lines if b"Example" in line]
            await copy.import_log(lines)
            gone = [people.Registered(one, None) for one in ("p-1", "p-2", "p-3")]
            assert await people.events_of(copy) == ([ann, ben, gone[2]] if keys else gone)
            kept = {key.subject: key.wrapped is None for key in await copy.adapter.keys.list("", 10)}
            assert kept == ({"p-1": False, "p-2": False, "p-3": True} if keys else {"p-3": True})

    run()


names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
ids = st.none() | st.binary(min_size=16, max_size=16)
events = st.builds(
    StoredEvent,
    position=st.integers(1, 2**53),
    stream=names,
    version=st.integers(1, 2**53),
    type=names,
    schema=st.integers(1, 1_000),
    data=st.recursive(st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)).map(
        lambda value: msgspec.json.encode(value).decode() if not isinstance(value, int) else "[1,\n2]"
    ),
    id_bytes=st.binary(min_size=16, max_size=16),
    microseconds=st.integers(0, 10**17),
    causation_bytes=ids,
    correlation_bytes=ids,
    metadata_json=st.none() | st.dictionaries(st.text(), st.text()).map(lambda one: msgspec.json.encode(one).decode()),
    tags=st.sets(names, max_size=3).map(lambda tags: tuple(sorted(tags))),
    remaining=st.integers(0, 100),
)


@given(events)
def test_a_line_says_all_of_an_event(event: StoredEvent) -> None:
    line = event_line(event, b"\x01" * 32, "source")
    assert line.count(b"\n") == 1
    assert parse(line) == ChainLink(event, b"\x01" * 32)


@pytest.mark.parametrize(
    "control", [Links("s", 3, [1, 2]), Mark("s", 4, True), Key("p", b"x", "m"), Key("p", None, ""), End(0, "00")]
)
def test_a_line_says_what_else_there_is(control: Links | Mark | Key | End) -> None:
    assert parse(control_line(control, 1, "source")) == control


@pytest.mark.row("BS-12")
@scenario
async def test_nothing_behind_an_append_that_was_refused_is_imported() -> None:
    lines, previous = [], GENESIS
    for position, number in enumerate([1, 1, 2], start=1):
        event = StoredEvent(position, f"s-{position}", 1, "T", 1, "{}", bytes([number]) * 16, 5, None, None, None)
        previous = hash_of(event, previous)
        lines.append(event_line(event, previous, "forged"))
    async with await _memory() as store:
        with pytest.raises(BrokenExport, match="identifier") as raised:
            await store.import_log([*lines, control_line(End(3, previous.hex()), 1, "forged")])
        assert raised.value.line == 2
        assert [event.stream async for event in store.raw_all()] == ["s-1"]
