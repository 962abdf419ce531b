"""Views in a database, as an application has them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import BigInteger, Column, ForeignKey, Index, String, insert, text

from headwater import Application, Position, Projection, Query, Recorded, answer, project
from headwater.cqrs.sql_address import view_address
from headwater.cqrs.sql_checkpoints import Checkpoints
from headwater.cqrs.sql_view import SqlView
from headwater.errors import (
    DefinitionError,
    ViewFailed,
    ViewPartitionsChanged,
    ViewTablesChanged,
    ViewTablesTaken,
    ViewUnavailable,
)
from headwater.sql import SQLProjection, Statement, ViewTable

from ..bank import Account, Audited, BalanceOf, Deposit, Deposited, Withdraw, Withdrawn
from ..postgres_server import own_schema, with_options
from ..sql_bank import Entries, Entry, Ledger, picture


def bank(folder: Path, *views: type[Projection], database: str | None = None) -> Application:
    return Application(
        "bank",
        store=f"sqlite:///{folder}/bank.db",
        aggregates=[Account],
        projections=views,
        view_database=database,
        events=[Audited],
    )


async def trade(application: Application, *views: type[Projection]) -> None:
    await application.dispatch(Deposit("a", 10))
    await application.dispatch(Deposit("b", 5))
    await application.dispatch(Withdraw("a", 3), wait_for=views)


async def look(application: Application) -> None:
    assert await application.query(BalanceOf("a")) == 7
    assert await application.query(Entries()) == [Entry(1, 10), Entry(2, 5), Entry(3, -3)]


def test_a_view_is_still_there_after_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        async with bank(tmp_path, Ledger) as application:
            await trade(application, Ledger)
            await look(application)
            then = await application.project(Ledger, at=Position(1))
            assert (then.ask(BalanceOf("a")), then.ask(BalanceOf("b"))) == (10, 0)
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("headwater-view")]
        async with bank(tmp_path, Ledger) as application:
            await look(application)
            assert (await application.views())[0].position == 3
        assert (tmp_path / "bank.views.db").exists()

    asyncio.run(main())


def test_a_view_whose_process_is_killed_comes_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with bank(tmp_path, Ledger) as application:
            await trade(application, Ledger)
            old = application.system.whereis(f"view {Ledger.view_name}")
            assert old is not None
            old.kill()
            while application.system.whereis(f"view {Ledger.view_name}") in (None, old):
                await asyncio.sleep(0)
            await look(application)
            done = await application.dispatch(Deposit("a", 1))
            await application.wait_for(Ledger, done.position)
            assert await application.query(BalanceOf("a")) == 8

    asyncio.run(main())


@pytest.mark.row("BC-02")
def test_in_postgresql_it_survives_lost_connections(tmp_path: Path, postgres: str) -> None:
    class Parted(Ledger, name="Ledger", partitions=3):
        pass

    schema = own_schema(tmp_path)
    url = with_options(postgres, schema=schema)

    async def cut() -> None:
        connection = await asyncpg.connect(postgres)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND datname = current_database()"
        )
        await connection.close()

    async def main() -> None:
        async with bank(tmp_path, Parted, database=url) as application:
            await trade(application, Parted)
            await look(application)
            await cut()
            done = await application.dispatch(Deposit("c", 1))
            await application.wait_for(Parted, done.position)
            assert await application.query(BalanceOf("c")) == 1
        async with await SqlView.open(Parted, view_address(url, "memory://")) as view:
            assert await view.position() == 4
            await view.drop()
            assert await view.position() is None

    asyncio.run(main())


def test_queries_do_not_wait_for_a_batch(tmp_path: Path) -> None:
    written, release = threading.Event(), threading.Event()

    class Slow(Ledger, name="Slow"):
        def statements(self, recorded: Recorded) -> Iterator[Statement]:
            if recorded.position == 4:
                written.set()
                release.wait(30)
            yield from super().statements(recorded)

    async def main() -> None:
        async with bank(tmp_path, Slow) as application:
            await trade(application, Slow)
            done = await application.dispatch(Deposit("a", 100))
            await asyncio.to_thread(written.wait, 30)
            await look(application)
            release.set()
            await application.wait_for(Slow, done.position)
            assert await application.query(BalanceOf("a")) == 107

    asyncio.run(main())


class Fragile(Ledger, name="Fragile", batch=4):
    mended = False

    @project
    def audited(self, event: Audited, recorded: Recorded) -> Iterator[Statement]:
        if not self.mended:
            yield self.enter, {"position": int(recorded.position), "amount": 0}
            if event.note == "python":
                raise ZeroDivisionError("a bug")
            yield text("INSERT INTO nowhere VALUES (1)")


@pytest.mark.parametrize("note", ["python", "sql"])
def test_an_event_that_fails_stops_the_view_before_it(tmp_path: Path, note: str) -> None:
    async def main() -> None:
        async with bank(tmp_path) as application:
            await application.store.append("account-a", [Deposited(n) for n in range(1, 7)])
            await application.store.append("account-a", [Audited(note), Withdrawn(1), Deposited(1)])
        async with bank(tmp_path, Fragile) as application:
            for wait in (application.wait_for(Fragile, 9), application.query(BalanceOf("a"))):
                with pytest.raises(ViewFailed, match="position 7"):
                    await wait
            assert (await application.views())[0].position == 6
        async with await SqlView.open(Fragile, view_address(None, application.url)) as view:
            rows = await view.database.read(lambda connection: picture(connection, Fragile))
            assert rows == ({"a": 21}, [(n, n) for n in range(1, 7)])
        monkey.setattr(Fragile, "mended", True)
        async with bank(tmp_path, Fragile) as application:
            await application.wait_for(Fragile, 9)
            assert await application.query(BalanceOf("a")) == 21

    with pytest.MonkeyPatch.context() as monkey:
        asyncio.run(main())


def version(*columns: Column[object] | Index, number: int = 1, partitions: int = 1) -> type[SQLProjection]:
    class Rowed(SQLProjection, name="Rowed", version=number, partitions=partitions):
        rows = ViewTable(*columns)

    return Rowed


def test_other_tables_under_the_same_version_are_refused(tmp_path: Path) -> None:
    def key() -> Column[object]:
        return Column("id", String(10), primary_key=True)

    def number() -> Column[object]:
        return Column("number", BigInteger)

    async def start(view: type[Projection]) -> None:
        async with bank(tmp_path, view):
            pass

    async def refused(view: type[Projection], column: str | None, what: str) -> None:
        with pytest.raises(ViewTablesChanged, match=what) as caught:
            await start(view)
        assert (caught.value.table, caught.value.column) == ("rows_v1", column)

    async def main() -> None:
        for _ in range(2):
            await start(version(key(), number()))
        await refused(version(key(), Column("number", String(5))), "number", r"was .*BIGINT.* is .*VARCHAR\(5\)")
        await refused(version(key()), "number", "gone")
        await refused(version(key(), number(), Column("more", String(5))), "more", "new")
        await refused(version(key(), number(), Index("by_number", "number")), None, "index by_number_v1.* new")
        with pytest.raises(ViewPartitionsChanged, match="partitions=1, not 2"):
            await start(version(key(), number(), partitions=2))
        await start(version(key(), Column("number", String(5)), number=2))
        await start(version(key(), number()))

    asyncio.run(main())


def test_a_table_that_is_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    class Other(SQLProjection):
        balances = ViewTable(Column("id", String(10), primary_key=True))

    async def main() -> None:
        async with bank(tmp_path, Other):
            pass
        with pytest.raises(ViewTablesTaken, match="balances_v1"):
            async with bank(tmp_path, Ledger):
                pass
        address = view_address(None, f"sqlite:///{tmp_path}/bank.db")
        async with await SqlView.open(Ledger, address) as view:
            await view.drop()
        async with await SqlView.open(Other, address) as other:
            assert await other.position() == 0
            assert len(await other.database.read(Checkpoints(Other).read)) == 1

    asyncio.run(main())


def test_a_database_that_cannot_be_reached_is_a_typed_error(tmp_path: Path) -> None:
    async def main(url: str) -> None:
        with pytest.raises(ViewUnavailable, match="can't be reached"):
            async with bank(tmp_path, Ledger, database=url):
                pass

    asyncio.run(main(f"sqlite:///{tmp_path}/missing/views.db"))
    asyncio.run(main("postgresql://nobody@127.0.0.1:1/nothing"))


Define = Callable[[], object]


def _no_tables() -> object:
    class Bare(SQLProjection):
        pass

    return Bare


def _partitions() -> object:
    class Many(Ledger, partitions=0):
        pass

    return Many


def _batch() -> object:
    class Big(Ledger, batch=0):
        pass

    return Big


def _foreign() -> object:
    return version(Column("id", String(3), ForeignKey("others.id"), primary_key=True))


class Anything(Query[int]):
    pass


def _answer() -> object:
    class Short(SQLProjection):
        rows = ViewTable(Column("id", String(3), primary_key=True))

        @answer
        def anything(self, query: Anything) -> int:
            return 1

    return Short


@pytest.mark.parametrize(
    ("define", "what"),
    [
        (_no_tables, "Bare has no tables"),
        (_partitions, "between 1 and 64, not 0"),
        (_batch, "between 1 and 100,000 events, not 0"),
        (_foreign, "table rows: .*foreign keys"),
        (_answer, "Short.anything takes the Anything and the rows"),
        (lambda: bank(Path("/tmp"), Ledger, database="mysql://x"), "Ledger: .*mysql"),
        (
            lambda: bank(Path("/tmp"), Ledger, database="sqlite:////tmp/bank.db"),
            "Ledger: /tmp/bank.db is the event store's",
        ),
    ],
)
def test_a_class_that_makes_no_sense_is_refused(define: Define, what: str) -> None:
    with pytest.raises(DefinitionError, match=what):
        define()


def test_what_is_no_statement_is_refused() -> None:
    class Wrong(SQLProjection):
        rows = ViewTable(Column("id", String(3), primary_key=True))

        @project
        def deposited(self, event: Deposited) -> Iterator[object]:
            yield "INSERT"

        @project
        def withdrawn(self, event: Withdrawn) -> object:
            return insert(self.rows)

    async def main() -> None:
        async with Application("bank", store="memory://", aggregates=[Account], projections=[Wrong]) as application:
            await application.store.append("account-a", [Deposited(1)])
            await application.store.append("account-a", [Withdrawn(1)])
            first, second = [stored async for stored in application.store.read_all()]
            for recorded, why in ((first, "not 'INSERT'"), (second, "must yield statements")):
                with pytest.raises(TypeError, match=why):
                    Wrong().follow(recorded)
            with pytest.raises(ViewFailed, match="position 1: TypeError"):
                await application.wait_for(Wrong, 1)

    asyncio.run(main())
