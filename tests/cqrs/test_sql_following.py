"""A view in a database holds at every position what a fresh one would hold there, whatever breaks on the way."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event

from headwater import Codec, Event, EventStore
from headwater.cqrs.sql_address import view_address
from headwater.cqrs.sql_checkpoints import Checkpoint, Checkpoints
from headwater.cqrs.sql_database import ViewDatabase
from headwater.cqrs.sql_following import SqlFollowing
from headwater.cqrs.sql_partitions import partition_of
from headwater.cqrs.sql_view import SqlView
from headwater.errors import ViewOfOtherLog
from headwater.store.model import StoredEvent

from ..bank import Audited, Deposited, Withdrawn
from ..postgres_server import own_schema, with_options
from ..sql_bank import Ledger, fold, picture

EVENTS = st.one_of(
    st.builds(Deposited, st.integers(1, 9)), st.builds(Withdrawn, st.integers(1, 9)), st.builds(Audited, st.just("x"))
)
HISTORIES = st.lists(st.tuples(st.sampled_from("abcdef"), st.lists(EVENTS, min_size=1, max_size=3)), max_size=12)


class Killed(BaseException):
    """Ends what is under way, as a kill would, as far as the database sees it."""


class Killer:
    """Ends everything before or after some statements, and before some commits, while it is armed.

    Args:
        points: which of them, counted from 1.
    """

    names = ("before_cursor_execute", "after_cursor_execute", "commit")

    def __init__(self, points: set[int]) -> None:
        self.points = points
        self.passed = 0
        self.kills = 0

    def __enter__(self) -> None:
        for name in self.names:
            event.listen(Engine, name, self.pass_point)

    def __exit__(self, *_: object) -> None:
        for name in self.names:
            event.remove(Engine, name, self.pass_point)

    def pass_point(self, *_: object) -> None:
        self.passed += 1
        if self.passed in self.points:
            self.kills += 1
            raise Killed


def ledger(batch: int, partitions: int, version: int = 1) -> type[Ledger]:
    class Books(Ledger, name="Ledger", batch=batch, partitions=partitions, version=version):
        pass

    return Books


Appends = list[tuple[str, list[Event]]]


class Log:
    """A log that grows.

    Args:
        store: where it is.
        appends: what is appended, first a half of it.
    """

    def __init__(self, store: EventStore, appends: Appends) -> None:
        self.store = store
        self.pending = list(appends)
        self.events: list[tuple[StoredEvent, object]] = []

    async def grow(self, count: int = 1) -> None:
        for account, events in self.pending[:count]:
            await self.store.append(f"account-{account}", events)
        del self.pending[:count]
        self.events = [(recorded.stored, recorded.event) async for recorded in self.store.read_all()]


async def check(kind: type[Ledger], database: ViewDatabase, log: Log) -> None:
    """Each partition's rows are those of a fold of its own events up to its own checkpoint."""
    checkpoints: list[Checkpoint] = await database.read(Checkpoints(kind).read)

    def followed(stored: StoredEvent) -> bool:
        return stored.position <= checkpoints[partition_of(stored.stream, kind.partitions)].position

    found = await database.read(lambda connection: picture(connection, kind))
    assert found == fold((stored, event) for stored, event in log.events if followed(stored))


async def start(kind: type[Ledger], database: ViewDatabase, store: EventStore) -> SqlFollowing:
    await SqlView(kind, database).create()
    projection = kind()
    projection.dialect = database.dialect.name
    following = SqlFollowing(store, projection, database)
    await following.begin()
    return following


async def follow(kind: type[Ledger], database: ViewDatabase, log: Log, killer: Killer) -> None:
    """Follow the log with as many new writers as it takes. With each kill it grows, and the batches become longer."""
    following = None
    more = True
    while more:
        try:
            with killer:
                following = following or await start(kind, database, log.store)
                more = await following.follow_page()
        except Killed:
            following = None
            kind.batch += 1
            await log.grow()
        else:
            await check(kind, database, log)
    assert following is not None
    assert following.failure is None
    assert following.position == len(log.events)


async def scenario(url: str, appends: Appends, kind: type[Ledger], killer: Killer) -> None:
    async with await EventStore.open("memory://", Codec.of(Deposited, Withdrawn, Audited)) as store:
        log = Log(store, appends)
        async with await SqlView.open(kind, view_address(url, "memory://")) as view:
            await view.drop()
            for _ in range(2):
                await log.grow(len(appends) // 2 + 1)
                await follow(kind, view.database, log, killer)
            assert await view.position() == len(log.events)
            await view.drop()


@pytest.mark.row("BC-02")
@pytest.mark.row("CM-26")
@settings(max_examples=30, deadline=None)
@given(HISTORIES, st.integers(1, 5), st.integers(1, 4), st.sets(st.integers(1, 150), max_size=12))
def test_rows_at_every_position_are_those_of_a_fold(
    appends: Appends, batch: int, partitions: int, points: set[int]
) -> None:
    with TemporaryDirectory() as folder:
        asyncio.run(scenario(f"sqlite:///{folder}/views.db", appends, ledger(batch, partitions), Killer(points)))


def test_a_kill_at_every_point_between_two_statements(tmp_path: Path) -> None:
    """One kill in each run, at each point in turn, until a run has fewer points than that."""
    appends: Appends = [
        ("a", [Deposited(1)]),
        ("b", [Deposited(2), Audited("x")]),
        ("a", [Withdrawn(1)] * 2),
    ]
    number, killed = 0, 1
    while killed:
        number += 1
        killer = Killer({number})
        asyncio.run(scenario(f"sqlite:///{tmp_path}/views.db", appends, ledger(batch=3, partitions=2), killer))
        killed = killer.kills
    assert number > 30


@pytest.mark.row("BC-02")
@pytest.mark.row("CM-26")
def test_it_is_so_in_postgresql(postgres: str, tmp_path: Path) -> None:
    url = with_options(postgres, schema=own_schema(tmp_path))
    appends: Appends = [(account, [Deposited(3), Audited("x"), Withdrawn(1)]) for account in "abcabc"]
    killer = Killer(set(range(3, 400, 29)))
    asyncio.run(scenario(url, appends, ledger(batch=2, partitions=3), killer))
    assert killer.kills > 5


def test_a_second_writer_goes_on_from_where_the_first_is() -> None:
    async def main() -> None:
        kind = ledger(batch=2, partitions=1)
        async with await EventStore.open("memory://", Codec.of(Deposited, Withdrawn, Audited)) as store:
            log = Log(store, [("a", [Deposited(n) for n in range(1, 11)])])
            await log.grow()
            async with await SqlView.open(kind, view_address("memory://", "memory://")) as view:
                first = await start(kind, view.database, store)
                second = await start(kind, view.database, store)
                while await first.follow_page():
                    await second.follow_page()
                    await check(kind, view.database, log)
                assert await view.position() == 10

    asyncio.run(main())


def test_the_tables_of_another_log_are_refused() -> None:
    async def main() -> None:
        kind = ledger(batch=100, partitions=1)
        async with await SqlView.open(kind, view_address("memory://", "memory://")) as view:
            for events, refused in ((3, False), (5, True), (2, True)):
                async with await EventStore.open("memory://", Codec.of(Deposited, Withdrawn, Audited)) as store:
                    await store.append("account-a", [Deposited(1)] * events)
                    if refused:
                        with pytest.raises(ViewOfOtherLog, match="position 3"):
                            await start(kind, view.database, store)
                    else:
                        await (await start(kind, view.database, store)).follow_page()

    asyncio.run(main())
