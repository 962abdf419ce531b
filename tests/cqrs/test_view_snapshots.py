"""Snapshots of table projections: a start doesn't replay everything, and never trusts what it can't."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import Application, Event, Personal, Position, Recorded, Snapshot, TableProjection, project
from headwater.cqrs import view_picture
from headwater.cqrs.projection import Projection
from headwater.errors import DefinitionError
from tests.bank import BalanceOf, Deposit, Deposited, Withdrawn
from tests.postgres_server import SHARED, wipe, with_options

from .views import Entry, Sums, SumsV2, application, contents, fill, running, snapshot_settled, snapshots

SEEN: list[int] = []
PROGRAM = Path(__file__).with_name("killed_view.py")


class Known(Event, subject="person"):
    person: str
    name: Personal[str]


class Counting(Sums, key="account", name="Sums", snapshot_every=7):
    """Notes which events it has followed in this process."""

    @project
    def moved(self, event: Deposited | Withdrawn, recorded: Recorded) -> None:
        SEEN.append(recorded.position)
        self.table.insert(Entry(recorded.stream, recorded.position))


def test_a_start_begins_at_the_snapshot(tmp_path: Path) -> None:
    async def main() -> None:
        async with application(tmp_path, Counting) as app:
            await fill(app, [(f"a-{number % 3}", number) for number in range(1, 24)])
            await app.wait_for(Counting, 23)
            await snapshot_settled(app)
            taken = (await app.views())[0].snapshot
            assert taken is not None
            assert 16 < taken <= 23, "at most 7 events behind"
        SEEN.clear()
        async with application(tmp_path, Counting) as app:
            assert len(SEEN) == 23 - taken, "only what came after it was followed"
            status = (await app.views())[0]
            assert (status.position, status.snapshot) == (23, taken)
            assert running(app)._projection.table.rows() == (await app.project(Counting)).table.rows()  # type: ignore[attr-defined]

    asyncio.run(main())


@pytest.mark.row("BC-03")
def test_a_snapshot_of_other_code_is_ignored(tmp_path: Path) -> None:
    class Row(msgspec.Struct, frozen=True):
        account: str
        amount: int = 0

    class Other(TableProjection[Row], key="account", name="Sums", snapshot_every=7):
        @project
        def moved(self, event: Deposited, recorded: Recorded) -> None:
            self.table.insert(Row(recorded.stream, 5))

    class OtherCode(Other, key="account", name="Sums", snapshot_every=7):
        @project
        def moved(self, event: Deposited, recorded: Recorded) -> None:
            self.table.insert(Row(recorded.stream, 6))

    async def rows(kind: type[TableProjection[Any]]) -> object:
        async with application(tmp_path, kind) as app:
            found: object = running(app)._projection.table.rows()  # type: ignore[attr-defined]
            await fill(app, [("a", 1)] * 8)
            await snapshot_settled(app)
        return found

    async def main() -> None:
        assert await rows(Other) == []
        assert await rows(Other) == [Row("account-a", 5)]
        assert await rows(OtherCode) == [Row("account-a", 6)], "another method"
        assert await rows(Sums) == [Entry("a", 24, (1, 1, 1))], "another class of rows"
        assert await rows(Other) == [Row("account-a", 5)]

    asyncio.run(main())
    prints = [one.fingerprint() for one in (Other, OtherCode, Sums, SumsV2)]
    assert len(set(prints)) == 4
    assert Sums.fingerprint() == Sums.fingerprint()


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@settings(max_examples=12, deadline=None)
@given(st.integers(), st.sampled_from(["manifest", "part", "missing part", "other log", "cut"]))
def test_a_broken_snapshot_is_ignored(tmp_path_factory: pytest.TempPathFactory, seed: int, damage: str) -> None:
    rng = Random(seed)
    path = tmp_path_factory.mktemp("bank")

    async def main() -> None:
        async with application(path) as app:
            await fill(app, [(f"a-{rng.randrange(5)}", rng.randint(1, 9)) for _ in range(20)])
            await app.wait_for(Sums, 20)
            await snapshot_settled(app)
            expected = await contents(app, Sums)
            await _damage(app, damage, rng)
            assert await snapshots(app.store, app, Sums).load() is None
        async with application(path) as app:
            assert running(app)._projection.contents == expected  # type: ignore[attr-defined]
            await fill(app, [("a-0", 1)] * 7)
            await app.wait_for(Sums, 27)
            await snapshot_settled(app)
            again = await snapshots(app.store, app, Sums).load()
            assert again is not None, "made anew"
            assert again.projection.contents == await contents(app, Sums, again.position)  # type: ignore[attr-defined]

    asyncio.run(main())


async def _damage(app: Application, damage: str, rng: Random) -> None:
    store, stream = app.store, f"view {Sums.view}"
    found = await snapshots(store, app, Sums).manifest()
    assert found is not None
    slot = f"{stream} {found.slot}"
    manifest = msgspec.msgpack.encode(found)
    part = await store.load_snapshot(slot, str(rng.randrange(found.parts)))
    assert part is not None
    match damage:
        case "manifest":
            place = manifest.index(found.digest) + rng.randrange(32)
            await store.save_snapshot(Snapshot(stream, "manifest", found.position, _flip(manifest, place)))
        case "cut":
            short = manifest[: rng.randrange(len(manifest))]
            await store.save_snapshot(Snapshot(stream, "manifest", found.position, short))
        case "part":
            data = _flip(part.data, rng.randrange(len(part.data)))
            await store.save_snapshot(Snapshot(slot, part.key, part.version, data))
        case "missing part":
            await store.delete_snapshots(slot, part.key)
        case _:
            other = msgspec.structs.replace(found, event=bytes(16))
            await store.save_snapshot(Snapshot(stream, "manifest", found.position, msgspec.msgpack.encode(other)))


def test_a_snapshot_is_in_many_parts_and_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_picture, "ROWS_A_PART", 3)

    async def main() -> None:
        async with application(tmp_path) as app:
            await fill(app, [(f"a-{number}", number) for number in range(1, 31)])
            await app.wait_for(Sums, 30)
            await snapshot_settled(app)
            kept = snapshots(app.store, app, Sums)
            found = await kept.manifest()
            assert found is not None
            assert found.parts == 1 + -(-found.rows // 3)
            loaded = await kept.load()
            assert loaded is not None
            assert loaded.projection.contents == await contents(app, Sums, loaded.position)  # type: ignore[attr-defined]
            other = f"view {Sums.view} {1 - found.slot}"
            assert await app.store.load_snapshot(other, "0") is None, "the old one's parts are gone"

    asyncio.run(main())


def test_snapshots_work_in_memory_too() -> None:
    async def main() -> None:
        async with application("memory://") as app:
            await fill(app, [("a", 1)] * 10)
            await app.wait_for(Sums, 10)
            await snapshot_settled(app)
            assert await snapshots(app.store, app, Sums).load() is not None

    asyncio.run(main())


@pytest.mark.row("BC-03")
def test_snapshots_and_the_active_version_are_kept_in_postgres(postgres: str) -> None:
    url = with_options(postgres, schema=SHARED)

    async def main() -> None:
        await wipe(postgres, SHARED)
        async with application(url, Sums, SumsV2) as app:
            await fill(app, [("a", 1)] * 10)
            await app.wait_for(Sums, 10)
            await snapshot_settled(app)
            assert await app.rebuild(SumsV2) == 10
            await snapshot_settled(app)
            await fill(app, [("a", 1)] * 2)
        async with application(url, Sums, SumsV2) as app:
            (status,) = await app.views()
            assert (status.view, status.snapshot, status.position) == ("Sums v2", 10, 12)
            assert await app.query(BalanceOf("a")) == 1_200
            assert await snapshots(app.store, app, Sums).load() is not None, "the other version's is there too"

    asyncio.run(main())


def test_what_cannot_be_kept_is_refused_at_definition() -> None:
    class Loose(msgspec.Struct, frozen=True):
        key: str
        value: object

    with pytest.raises(DefinitionError, match=r"Secret.*personal fields of .*Known"):

        class Secret(TableProjection[Entry], key="account", snapshot_every=10):
            @project
            def known(self, event: Known) -> None: ...

    with pytest.raises(DefinitionError, match=r"Vague.*Loose can't be put into a snapshot"):

        class Vague(TableProjection[Loose], key="key", snapshot_every=10):
            pass

    with pytest.raises(DefinitionError, match="starts at 1"):

        class Never(TableProjection[Entry], key="account", snapshot_every=0):
            pass

    class Unannotated(TableProjection[Entry], key="account", snapshot_every=10):
        def __init__(self) -> None:
            super().__init__()
            self.surprise = 1

    class Opaque(TableProjection[Entry], key="account", snapshot_every=10):
        lock: asyncio.Lock

    for kind, fault in ((Unannotated, "surprise has no annotation"), (Opaque, r"Opaque\.lock")):
        with pytest.raises(DefinitionError, match=fault):
            application("memory://", kind)

    class Same(Projection, name="Sums"):
        pass

    with pytest.raises(DefinitionError, match=r"two projections are called 'Sums v1'.*raise its version"):
        application("memory://", Sums, Same)


class Growing(TableProjection[Entry], key="account", snapshot_every=3):
    @project
    def moved(self, event: Deposited, recorded: Recorded) -> None:
        self.table.insert(Entry(recorded.stream, event.amount))
        self.late = 1


class Lying(TableProjection[Entry], key="account", snapshot_every=3):
    @project
    def moved(self, event: Deposited, recorded: Recorded) -> None:
        self.table.insert(Entry(recorded.stream, "much"))  # type: ignore[arg-type]  # that is the point


class Failing(TableProjection[Entry], key="account", snapshot_every=3):
    @project
    def moved(self, event: Deposited, recorded: Recorded) -> None:
        self.table.insert(Entry(recorded.stream, event.amount))

    def dump_state(self) -> bytes:
        return bytes(1 // (3 - len(self.table)))


@pytest.mark.parametrize(
    ("kind", "fault"),
    [(Growing, "late has no annotation"), (Lying, "Expected `int`, got `str`"), (Failing, "ZeroDivisionError")],
)
def test_state_that_turns_out_not_to_fit_leaves_the_view_without_snapshots(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: type[TableProjection[Entry]], fault: str
) -> None:
    async def main() -> None:
        async with application(tmp_path, kind) as app:
            await app.store.append("account-a", [Deposited(1)])
            await app.store.append("account-b", [Deposited(1)])
            await app.store.append("account-c", [Deposited(1)])
            await app.wait_for(kind, 3)
            await running(app, kind.view_name)._keeper.settled()
            await fill(app, [("a", 1)] * 3)
            assert await app.wait_for(kind, 6) == 6
            await running(app, kind.view_name)._keeper.settled()
            assert (await app.views())[0].snapshot is None

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert fault in caplog.text


def test_a_view_that_is_killed_at_any_moment_is_right_after_the_next_start(tmp_path: Path) -> None:
    environment: Mapping[str, str] = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    rng = Random(5)
    for _ in range(3):
        with subprocess.Popen([sys.executable, PROGRAM, tmp_path], stdout=subprocess.PIPE, env=environment) as process:
            assert process.stdout is not None
            for _ in range(rng.randint(1, 60)):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)

    async def main() -> None:
        async with application(tmp_path) as app:
            view = running(app)
            assert view._keeper.position is not None
            assert view._projection.contents == await contents(app, Sums)  # type: ignore[attr-defined]
            assert (await app.views())[0].lag == 0
            end = Position(view._position)
            assert await app.dispatch(Deposit("a-0", 1), returning="position") == end + 1

    asyncio.run(main())
