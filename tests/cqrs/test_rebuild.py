"""Rebuilding: another build of a view beside the one that serves, swapped at zero lag."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import Application, Exit, Position
from headwater.cqrs.view_build import MemoryBuild
from headwater.cqrs.view_builder import BuildingSpeed
from headwater.cqrs.view_process import ViewProcess
from headwater.cqrs.view_status import RebuildProgress
from headwater.errors import DefinitionError, RebuildRunning, StartFailed, StorageFailed, UnknownView, ViewFailed
from headwater.store.store import EventStore
from tests.bank import BalanceOf, Balances, Deposit, Deposited

from .views import (
    Deaf,
    Entry,
    EverythingIn,
    Stubborn,
    Sums,
    SumsV2,
    application,
    contents,
    fill,
    running,
    snapshot_settled,
    snapshots,
)

Swap = tuple[int, int, object, object]


def _watch_swaps(monkeypatch: pytest.MonkeyPatch) -> list[Swap]:
    """Note, at each swap, both positions and both contents."""
    swaps: list[Swap] = []
    serve = ViewProcess._serve

    def noting(self: ViewProcess, projection: Sums, position: int) -> None:
        if hasattr(self, "_projection"):
            assert isinstance(self._projection, Sums)
            swaps.append((self._position, position, self._projection.contents, projection.contents))
        serve(self, projection, position)

    monkeypatch.setattr(ViewProcess, "_serve", noting)
    return swaps


async def _under_load(folder: Path, events: int, clients: int, swaps: list[Swap]) -> None:
    """Rebuild a view with a long history while clients write and read."""
    async with application(folder) as app:
        for first in range(0, events, 1_000):
            account = f"account-old-{first // 1_000 % 50}"
            await app.store.append(account, [Deposited(1)] * min(1_000, events - first))
        await app.wait_for(Sums, events, timeout=None)
        done, seen, progress = asyncio.Event(), [0], list[RebuildProgress]()

        async def write(number: int) -> None:
            while not done.is_set():
                position = (await app.dispatch(Deposit(f"{number}", 1))).position
                await app.wait_for(Sums, position)

        async def read() -> None:
            while not done.is_set():
                for status in await app.views():
                    if status.rebuild is not None:
                        progress.append(status.rebuild)
                    assert status.state == "live"
                seen.append((await app.query(EverythingIn()))[1])

        async with asyncio.TaskGroup() as group:
            for task in (*map(write, range(clients)), read()):
                group.create_task(task)
            position = await app.rebuild(Sums)
            done.set()
        ((old, new, before, after),) = swaps
        assert (old, before) == (new, after), "both at one position, and equal there"
        assert position == new >= events
        assert seen == sorted(seen), "queries never see it go back"
        assert len({one.position for one in progress}) > 1
        assert all(one.position <= one.head for one in progress)
        assert await app.store.head() > events, "there were writes"
        head = await app.store.head()
        assert await app.wait_for(Sums, head) == head
        assert running(app)._projection.contents == await contents(app, Sums)  # type: ignore[attr-defined]


@pytest.mark.row("BC-03")
def test_a_view_is_rebuilt_under_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(_under_load(tmp_path, 60_000, 10, _watch_swaps(monkeypatch)))


@pytest.mark.soak
def test_a_view_of_a_million_events_is_rebuilt_under_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(_under_load(tmp_path, 1_000_000, 50, _watch_swaps(monkeypatch)))


@pytest.mark.row("BC-03")
@pytest.mark.parametrize("followed", [0, 4, 10, 13])
def test_the_two_change_places_at_one_position(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, followed: int) -> None:
    swaps = _watch_swaps(monkeypatch)

    async def main() -> None:
        async with application(tmp_path) as app:
            await fill(app, [("a", 1), ("b", 2)] * 5)
            await app.wait_for(Sums, 10)
            running(app)._unwatch()  # it hears of nothing more
            await app.views()  # and has done with what it had heard
            await fill(app, [("a", 1)] * 3)
            build = MemoryBuild(Sums, app.store, app.system.clock)
            if followed:
                await build.follow(await app.store.page_all(0, followed))
            view = app.system.named(ViewProcess, "view Sums")
            adoption = await view.call(ViewProcess.adopt, Sums, build)
            together = max(10, followed)
            assert (adoption.position, adoption.error) == (together, None)
            ((old, new, before, after),) = swaps
            assert (old, before) == (new, after) == (together, await contents(app, Sums, Position(together)))

    asyncio.run(main())


def test_a_build_that_is_a_page_behind_has_to_come_closer_first(tmp_path: Path) -> None:
    async def main() -> None:
        async with application(tmp_path) as app:
            await app.store.append("account-a", [Deposited(1)] * 1_000)
            await app.wait_for(Sums, 1_000)
            old = running(app)._projection
            build = MemoryBuild(Sums, app.store, app.system.clock)
            view = app.system.named(ViewProcess, "view Sums")
            assert await view.call(ViewProcess.adopt, Sums, build) == (None, None)
            assert running(app)._projection is old

    asyncio.run(main())


@pytest.mark.row("BC-03")
def test_a_new_version_takes_over_and_stays_the_active_one(tmp_path: Path) -> None:
    async def main() -> None:
        async with application(tmp_path) as app:
            await fill(app, [("a", 1), ("b", 2)])
            waiting = asyncio.create_task(app.wait_for(Sums, 4))
            assert await app.query(BalanceOf("b")) == 2
            assert await app.rebuild(SumsV2) == 2
            assert (await app.views())[0].view == "Sums v2"
            assert await app.query(BalanceOf("b")) == 200
            assert not waiting.done()
            await fill(app, [("a", 1), ("b", 1)])
            assert await waiting == 4, "who waited for the old one"
            assert await app.wait_for(SumsV2, 4) == await app.wait_for(Sums, 4) == 4
            assert await app.query(BalanceOf("b")) == 300
        async with application(tmp_path, Sums, SumsV2) as app:
            assert [status.view for status in await app.views()] == ["Sums v2"], (
                "one serves, the one that was swapped in"
            )
            assert await app.query(BalanceOf("b")) == 300
            await app.rebuild(Sums)
            assert await app.query(BalanceOf("b")) == 3, "and back"
        async with application(tmp_path, SumsV2, Sums) as app:
            assert await app.query(BalanceOf("b")) == 3
        async with application(tmp_path, SumsV2) as app:
            assert await app.query(BalanceOf("b")) == 300, "a version that is not there any more is not asked for"

    asyncio.run(main())


@pytest.mark.row("BC-03")
def test_a_rebuild_that_fails_leaves_the_old_one_serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with application(tmp_path) as app:
            await fill(app, [("a", 1), ("a", 13), ("a", 2)])
            await app.wait_for(Sums, 3)
            old = running(app)._projection
            with pytest.raises(ViewFailed, match="'Sums v3' stopped at position 2: ValueError: unlucky") as caught:
                await app.rebuild(Stubborn)
            assert (caught.value.position, type(caught.value.__cause__)) == (2, ValueError)
            with monkeypatch.context() as patch:
                patch.setattr(EventStore, "page", _failing)
                with pytest.raises(StorageFailed):
                    await app.rebuild(SumsV2)
            (status,) = await app.views()
            assert (status.view, status.state, status.position, status.rebuild) == ("Sums v1", "live", 3, None)
            assert running(app)._projection is old
            assert await app.query(BalanceOf("a")) == 16
        async with application(tmp_path, Sums, Stubborn) as app:
            assert await app.query(BalanceOf("a")) == 16

    asyncio.run(main())


async def _failing(self: EventStore, *given: object) -> None:
    raise StorageFailed("the disk is gone")


@pytest.mark.row("BC-03")
def test_a_view_that_stopped_serves_again_once_it_is_rebuilt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with application(tmp_path, Stubborn) as app:
            await fill(app, [("a", 1), ("a", 13), ("a", 2)])
            with pytest.raises(ViewFailed):
                await app.wait_for(Stubborn, 3)
            (status,) = await app.views()
            assert (status.state, status.position, status.lag, status.head) == ("failed", 1, 2, 3)
            assert status.failure is not None
            with pytest.raises(ViewFailed):
                await app.rebuild(Stubborn)
            with pytest.raises(ViewFailed):
                await app.query(BalanceOf("a"))
            assert await app.rebuild(Sums) == 3
            assert await app.query(BalanceOf("a")) == 16
            await fill(app, [("a", 13)])
            assert await app.wait_for(Stubborn, 4) == 4
            (status,) = await app.views()
            assert (status.state, status.failure, status.lag) == ("live", None, 0)

    asyncio.run(main())


def test_what_cannot_be_a_rebuild_is_refused(tmp_path: Path) -> None:
    class Unfounded(Sums, key="account", name="Sums", version=5):
        def __init__(self) -> None:
            raise RuntimeError("a bug")

    class Clash(Sums, key="account", name="Sums", version=1):
        pass

    async def main() -> None:
        async with application(tmp_path) as app:
            await fill(app, [("a", 1)] * 3)
            with pytest.raises(UnknownView, match=r"no view 'Balances'.*known: Sums"):
                await app.rebuild(Balances)
            with pytest.raises(DefinitionError, match=r"Deaf can't replace Sums.*BalanceOf, EverythingIn"):
                await app.rebuild(Deaf)
            with pytest.raises(DefinitionError, match="two projections are called 'Sums v1'"):
                await app.rebuild(Clash)
            with pytest.raises(StartFailed, match="a bug"):
                await app.rebuild(Unfounded)
            first = asyncio.create_task(app.rebuild(SumsV2))
            await asyncio.sleep(0)
            with pytest.raises(RebuildRunning):
                await app.rebuild(Sums)
            assert await first == 3
            assert await app.rebuild(Sums) == 3

    asyncio.run(main())


def test_a_rebuild_ends_with_its_caller(tmp_path: Path) -> None:
    async def main() -> None:
        async with application(tmp_path) as app:
            for number in range(25):  # more than is kept in memory
                await app.store.append(f"account-{number}", [Deposited(1)] * 1_000)
            rebuilding = asyncio.create_task(app.rebuild(SumsV2))
            while (await app.views())[0].rebuild is None and not rebuilding.done():
                await asyncio.sleep(0)
            rebuilding.cancel()
            with pytest.raises(asyncio.CancelledError):
                await rebuilding
            assert app.system.whereis("rebuild of view Sums") is None
            (status,) = await app.views()
            assert (status.view, status.rebuild) == ("Sums v1", None)

    asyncio.run(main())


def test_a_rebuild_makes_the_snapshot_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with application(tmp_path) as app:
            await fill(app, [("a", 1)] * 10)
            await app.wait_for(Sums, 10)
            running(app)._projection.table.insert(Entry("a", 1_000_000))  # type: ignore[attr-defined]  # as by a bug
            await fill(app, [("b", 1)] * 10)
            await app.wait_for(Sums, 20)
            await snapshot_settled(app)
        async with application(tmp_path) as app:
            assert await app.query(BalanceOf("a")) == 1_000_000, "the snapshot has it"
            await app.rebuild(Sums)
            assert await app.query(BalanceOf("a")) == 10
            await snapshot_settled(app)
            found = await snapshots(app.store, app, Sums).load()
            assert found is not None
            assert found.position == 20
            assert found.projection.contents == await contents(app, Sums)  # type: ignore[attr-defined]
        async with application(tmp_path) as app:
            assert await app.query(BalanceOf("a")) == 10

    asyncio.run(main())


def test_progress_is_told_as_data() -> None:
    speed = BuildingSpeed("Sums v2", 10.0, 0)
    assert speed.progress(0, 900, 10.0) == RebuildProgress("Sums v2", Position(0), Position(900), 0.0, None)
    assert speed.progress(300, 900, 12.0) == RebuildProgress("Sums v2", Position(300), Position(900), 150.0, 4.0)
    assert speed.progress(300, 900, 12.0).lag == 600


steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from("abc"), st.integers(1, 9)),
        st.sampled_from(["restart", "kill", "rebuild 1", "rebuild 2", "snapshot"]),
    ),
    max_size=30,
)


@pytest.mark.row("BC-03")
@settings(max_examples=40, deadline=None)
@given(steps)
def test_whatever_happens_a_view_is_at_each_position_what_a_fresh_one_is(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, int] | str]
) -> None:
    path = tmp_path_factory.mktemp("bank")

    left = list(history)
    while left:
        asyncio.run(_live(path, left))


async def _live(path: Path, steps: list[tuple[str, int] | str]) -> None:
    """Take steps until the application is to be started anew."""
    async with application(path, Sums, SumsV2) as app:
        await _check(app)
        while steps:
            step = steps.pop(0)
            if step == "restart":
                return
            await (app.dispatch(Deposit(*step)) if isinstance(step, tuple) else DONE[step](app))
            await _check(app)
            if step == "kill":
                return  # more of them would be too much for its supervisor


async def _check(app: Application) -> None:
    position = Position(await app.store.head())
    assert await app.wait_for(Sums, position) == position
    view = running(app)._projection
    assert isinstance(view, Sums)
    assert view.contents == await contents(app, type(view), position)


async def _kill(app: Application) -> None:
    pid = app.system.named(ViewProcess, "view Sums")
    pid.exit(Exit.KILL)
    await pid.wait()
    while app.system.whereis("view Sums") is None:
        await asyncio.sleep(0)


DONE: dict[str, Callable[[Application], Awaitable[object]]] = {
    "kill": _kill,
    "rebuild 1": lambda app: app.rebuild(Sums),
    "rebuild 2": lambda app: app.rebuild(SumsV2),
    "snapshot": snapshot_settled,
}
