"""Snapshots: a shortcut into a history, which may be missing, old or broken at any time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import (
    Aggregate,
    Application,
    Command,
    Event,
    EventStore,
    Position,
    Recorded,
    Snapshot,
    Version,
    decide,
    evolve,
)
from headwater.errors import DefinitionError
from headwater.sourcing.repository import Repository
from tests.bank import Account, Deposit, Deposited, store_in

from .test_pipeline import Saboteur


class Put(Command):
    shelf: str
    item: str
    count: int = 1


class Stored(Event, name="shelf.stored"):
    item: str


class Shelf(Aggregate, identity="shelf", snapshot_every=10):
    items: dict[str, int]
    last: str | None = None
    _seen: set[str]

    def __init__(self, id: str) -> None:  # noqa: A002
        super().__init__(id)
        self.items, self._seen = {}, set()

    @decide
    def put(self, command: Put) -> Iterator[Event]:
        for _ in range(command.count):
            yield Stored(command.item)

    @evolve
    def stored(self, event: Stored) -> None:
        self.items[event.item] = self.items.get(event.item, 0) + 1
        self.last = event.item
        self._seen.add(event.item)


class ShelfV2(Shelf, identity="shelf", category="shelf", snapshot_every=10, version=2):
    @evolve
    def stored(self, event: Stored) -> None:
        self.items[event.item] = self.items.get(event.item, 0) + 100


class Tally(Aggregate, identity="shelf", category="shelf", snapshot_every=5):
    """Encodes its state itself."""

    def __init__(self, id: str) -> None:  # noqa: A002
        super().__init__(id)
        self.total = 0

    @evolve
    def stored(self, event: Stored) -> None:
        self.total += 1

    @decide
    def put(self, command: Put) -> list[Event]:
        return [Stored(command.item)] * command.count

    def dump_state(self) -> bytes:
        return str(self.total).encode()

    def load_state(self, data: bytes) -> None:
        self.total = int(data)


def application(folder: Path, kind: type[Aggregate] = Shelf) -> Application:
    return Application("shelves", store=store_in(folder), aggregates=[kind])


async def _snapshot(app: Application, kind: type[Aggregate]) -> Snapshot | None:
    return await app.store.load_snapshot("shelf-s", kind.snapshot_key())


@pytest.mark.row("CM-16")
def test_a_snapshot_is_taken_every_ten_events_and_reading_begins_there(tmp_path: Path) -> None:
    async def main() -> None:
        async with application(tmp_path) as app:
            for number in range(25):
                await app.dispatch(Put("s", f"i-{number % 3}"))
        async with application(tmp_path) as app:
            found = await _snapshot(app, Shelf)
            assert found is not None
            assert found.version == 20
            loaded = await Repository(app.store).load(Shelf, "s")
            assert (loaded.version, loaded.position, loaded.snapshot) == (25, 25, 20)
            assert loaded.aggregate.items == {"i-0": 9, "i-1": 8, "i-2": 8}
            assert (await app.dispatch(Put("s", "x"))).version == 26
            # that the snapshot is what is read: one that lies shows
            await app.store.save_snapshot(Snapshot("shelf-s", Shelf.snapshot_key(), 26, _dumped({"lie": 1})))
            assert (await app.state(Shelf, "s")).items == {"lie": 1}

    asyncio.run(main())


def _dumped(items: dict[str, int]) -> bytes:
    return msgspec.msgpack.encode({"items": items})


@pytest.mark.row("CM-16")
def test_a_snapshot_of_other_code_is_ignored_and_made_anew(tmp_path: Path) -> None:
    async def main() -> None:
        async with application(tmp_path) as app:
            await app.dispatch(Put("s", "a", 12))
        async with application(tmp_path, ShelfV2) as app:
            assert (await app.state(ShelfV2, "s")).items == {"a": 1200}
            await app.dispatch(Put("s", "a"))
        async with application(tmp_path, ShelfV2) as app:
            found = await _snapshot(app, ShelfV2)
            assert found is not None
            assert found.version == 12, "made when the aggregate was read"
            assert (await app.state(ShelfV2, "s")).items == {"a": 1300}

    asyncio.run(main())
    assert Shelf.snapshot_key() != ShelfV2.snapshot_key()


@pytest.mark.row("CM-16")
def test_a_broken_snapshot_is_ignored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with application(tmp_path) as app:
            await app.dispatch(Put("s", "a", 3))
            for version, data in ((3, b"nonsense"), (3, msgspec.msgpack.encode({"items": 5})), (9, _dumped({"x": 1}))):
                await app.store.delete_snapshots("shelf-s")
                await app.store.save_snapshot(Snapshot("shelf-s", Shelf.snapshot_key(), version, data))
                assert (await app.state(Shelf, "s")).items == {"a": 3}

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert "is ignored" in caplog.text


def test_a_class_may_encode_its_state_itself(tmp_path: Path) -> None:
    async def main() -> None:
        async with application(tmp_path, Tally) as app:
            await app.dispatch(Put("s", "a", 7))
        async with application(tmp_path, Tally) as app:
            found = await _snapshot(app, Tally)
            assert found is not None
            assert (found.version, found.data) == (7, b"7")
            assert (await app.dispatch(Put("s", "a"))).version == 8
            assert (await app.state(Tally, "s")).total == 8

    asyncio.run(main())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 13)), max_size=12))
def test_the_state_at_every_moment_is_a_fold_from_scratch(history: list[tuple[str, int]]) -> None:
    async def main() -> None:
        async with Application("x", store="memory://", aggregates=[Shelf]) as app:
            for item, count in history:
                await app.dispatch(Put("s", item, count))
                await app.dispatch(Put("other", item, 1))
            log = [recorded async for recorded in app.store.read_stream("shelf-s")]
            for recorded in log:
                expected = _folded(log[: recorded.version])
                assert await app.state(Shelf, "s", at=Version(recorded.version)) == expected
                assert await app.state(Shelf, "s", at=Position(recorded.position)) == expected
            if log:
                assert await app.state(Shelf, "s") == await app.live_state(Shelf, "s") == _folded(log)

    asyncio.run(main())


class Saving(Account, identity="account", category="account", snapshot_every=2):
    pass


@pytest.mark.row("CM-16")
@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 3), min_size=4, max_size=30), st.integers())
def test_a_snapshot_is_never_of_a_state_that_did_not_come_true(amounts: list[int], seed: int) -> None:
    """Decided states are spoilt by conflicts and failures of the storage; none of those may be kept."""

    async def main() -> None:
        saboteur = Saboteur(Random(seed), 0.3, 0.3)
        async with Application("x", store="memory://", aggregates=[Saving]) as app:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(
                    EventStore, "submit", lambda store, *given, **more: saboteur.submit(store, *given, **more)
                )
                async for _ in app.dispatch_all(Deposit("a", amount) for amount in amounts):
                    pass
            await app.dispatch(Deposit("a", 1))
            found = await app.store.load_snapshot("account-a", Saving.snapshot_key())
            log = [recorded.event async for recorded in app.store.read_stream("account-a")]
            if found is not None:
                kept = Saving("a")
                kept.load_state(found.data)
                assert kept.balance == sum(
                    event.amount for event in log[: found.version] if isinstance(event, Deposited)
                )

    asyncio.run(main())


def _folded(log: list[Recorded]) -> Shelf:
    shelf = Shelf("s")
    for recorded in log:
        shelf.apply(recorded.event)
    return shelf


def test_state_that_cannot_be_encoded_is_refused_or_leaves_the_aggregate_without_snapshots(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Opaque:
        pass

    class Dark(Aggregate, identity="shelf", snapshot_every=5):
        pass

    Dark.__annotations__ = {"thing": Opaque}

    class Unannotated(Shelf, identity="shelf", category="shelf", snapshot_every=5):
        def __init__(self, id: str) -> None:  # noqa: A002
            super().__init__(id)
            self.surprise = 1

    async def main() -> None:
        async with application(tmp_path, Unannotated) as app:
            for _ in range(3):
                await app.dispatch(Put("s", "a", 4))
            assert await _snapshot(app, Unannotated) is None

    with pytest.raises(DefinitionError, match=r"Dark\.thing.*dump_state"):
        application(tmp_path, Dark)
    with pytest.raises(DefinitionError, match="start at 1"):

        class Never(Aggregate, identity="shelf", snapshot_every=0):
            pass

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert "Unannotated.surprise has no annotation" in caplog.text
