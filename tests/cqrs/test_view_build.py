"""The protocol of builds, by a projection whose rows lie outside of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from headwater import EventStore, Position, Projection, Recorded, StoredEvent, ViewBuild, answer, project
from headwater.cqrs.active_versions import ActiveVersions
from headwater.cqrs.stored_views import StoredViews
from headwater.cqrs.view_build import MemoryBuild
from headwater.cqrs.view_places import ViewPlaces
from headwater.errors import StartFailed, StorageFailed, ViewFailed
from tests.bank import BalanceOf, Deposited

from .views import application, fill

Rows = dict[str, int]


class Outside(Projection, name="Outside"):
    """Keeps its rows in a shop of rows, by table."""

    tables: ClassVar[dict[str, Rows]] = {}

    def __init__(self, table: str | None = None) -> None:
        self.rows = self.tables.setdefault(table or self.view, {})

    @project
    def deposited(self, event: Deposited, recorded: Recorded) -> None:
        account = recorded.stream.removeprefix("account-")
        self.rows[account] = self.rows.get(account, 0) + 100 // event.amount

    @answer
    def balance_of(self, query: BalanceOf) -> int:
        return self.rows.get(query.account, 0)

    @classmethod
    async def begin_build(cls, store: EventStore, places: ViewPlaces) -> ViewBuild:
        return OutsideBuild(cls, store)


class OutsideV2(Outside, name="Outside", version=2):
    pass


class OutsideBuild:
    def __init__(self, kind: type[Outside], store: EventStore) -> None:
        self._name = f"{kind.view} (building)"
        Outside.tables.pop(self._name, None)  # of one that was killed
        self._projection = kind(self._name)
        self._types = kind.type_names()
        self._store = store
        self._position = 0

    @property
    def position(self) -> Position:
        return Position(self._position)

    async def follow(self, page: Sequence[StoredEvent]) -> None:
        for stored in page:
            if (stored.type, stored.schema) in self._types:
                try:
                    self._projection.follow(Recorded(self._store.decode(stored), stored))
                except ZeroDivisionError as error:
                    raise ViewFailed(self._projection.view, stored.position, str(error)) from error
            self._position = stored.position

    async def finish(self) -> Projection:
        Outside.tables[self._projection.view] = Outside.tables.pop(self._name)
        return self._projection

    async def discard(self) -> None:
        Outside.tables.pop(self._name, None)

    async def close(self) -> None:
        pass


@pytest.mark.row("BC-03")
def test_rows_that_lie_elsewhere_are_built_beside_and_swapped(tmp_path: Path) -> None:
    Outside.tables.clear()

    async def main() -> None:
        async with application(tmp_path, Outside) as app:
            await fill(app, [("a", 1), ("b", 50)])
            await app.wait_for(Outside, 2)
            Outside.tables["Outside v1"]["a"] = 7  # something was wrong
            assert await app.rebuild(Outside) == 2
            assert await app.query(BalanceOf("a")) == 100
            assert await app.rebuild(OutsideV2) == 2
            await fill(app, [("a", 10)])
            await app.wait_for(Outside, 3)
            assert Outside.tables == {"Outside v1": {"a": 100, "b": 2}, "Outside v2": {"a": 110, "b": 2}}
            await app.store.append("account-a", [Deposited(0)])
            with pytest.raises(ViewFailed, match="position 4"):
                await app.rebuild(Outside)
            assert set(Outside.tables) == {"Outside v1", "Outside v2"}, "the failed one left nothing behind"

    asyncio.run(main())


def test_a_build_that_cannot_be_noted_as_the_active_one_does_not_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(self: ActiveVersions, name: str, version: int) -> None:
        raise StorageFailed("the disk is gone")

    async def main() -> None:
        async with application(tmp_path, Outside) as app:
            await fill(app, [("a", 1)])
            monkeypatch.setattr(ActiveVersions, "write", failing)
            with pytest.raises(StorageFailed):
                await app.rebuild(OutsideV2)
            assert [one.view for one in await app.views()] == ["Outside v1"]
            await app.rebuild(Outside)

    Outside.tables.clear()
    asyncio.run(main())


def test_a_build_is_not_begun_when_the_log_can_t_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing(self: EventStore) -> Position:
        raise StorageFailed("the disk is gone")

    async def main() -> None:
        async with application(tmp_path, Outside) as app:
            await fill(app, [("a", 1)])
            with monkeypatch.context() as broken:
                broken.setattr(EventStore, "head", failing)
                with pytest.raises(StartFailed, match="the disk is gone"):
                    await app.rebuild(Outside)
            assert set(Outside.tables) == {"Outside v1"}, "nobody would remove what it has begun"
            await app.rebuild(Outside)

    Outside.tables.clear()
    asyncio.run(main())


class Unfinished(Outside, name="Outside", version=3):
    @classmethod
    async def begin_build(cls, store: EventStore, places: ViewPlaces) -> ViewBuild:
        return UnfinishedBuild(cls, store)


class UnfinishedBuild(OutsideBuild):
    async def finish(self) -> Projection:
        raise ConnectionError("the shop is closed")


def test_a_build_that_can_t_be_finished_leaves_nothing_behind(tmp_path: Path) -> None:
    async def main() -> None:
        async with application(tmp_path, Outside) as app:
            await fill(app, [("a", 1)])
            with pytest.raises(ConnectionError):
                await app.rebuild(Unfinished)
            assert set(Outside.tables) == {"Outside v1"}
            stored = StoredViews([Outside, Unfinished], app.store, app.system.clock, app.view_places)
            with pytest.raises(ConnectionError):
                await stored.rebuild(Unfinished, lambda position, head: None)
            assert set(Outside.tables) == {"Outside v1"}

    Outside.tables.clear()
    asyncio.run(main())


def test_a_build_in_memory_tells_where_it_stopped(tmp_path: Path) -> None:
    async def main() -> None:
        async with application(tmp_path, Outside) as app:
            await app.store.append("account-a", [Deposited(1), Deposited(0), Deposited(1)])
            build = MemoryBuild(OutsideV2, app.store, app.system.clock)
            with pytest.raises(ViewFailed) as caught:
                await build.follow(await app.store.page_all())
            assert (build.position, caught.value.position) == (1, 2)
            assert isinstance(caught.value.__cause__, ZeroDivisionError)
            await build.discard()

    Outside.tables.clear()
    asyncio.run(main())
