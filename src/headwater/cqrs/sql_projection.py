"""Projections whose rows lie in a database: what applications subclass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Table

from headwater.cqrs.sql_build import SqlBuild
from headwater.cqrs.sql_definition import SQLDefinition
from headwater.cqrs.sql_tables import ViewTable, make_tables
from headwater.cqrs.sql_view import SqlView
from headwater.cqrs.view_build import ViewBuild
from headwater.cqrs.view_places import ViewPlaces
from headwater.errors import DefinitionError
from headwater.sourcing.signatures import takes
from headwater.store.store import EventStore
from headwater.types import Position

MAX_PARTITIONS: Final = 64
MAX_BATCH: Final = 100_000
_ANSWER_TAKES: Final = 2


class SQLProjection(SQLDefinition):
    """A view whose rows lie in tables of a database, SQLite or PostgreSQL, and are still there after a restart.

        class Balances(SQLProjection, version=1):
            balances = ViewTable(
                Column("account", String, primary_key=True),
                Column("amount", BigInteger, nullable=False),
            )

            @cached_property
            def add(self) -> Insert:
                insert = self.insert(self.balances)
                total = self.balances.c.amount + insert.excluded.amount
                return insert.on_conflict_do_update(index_elements=["account"], set_={"amount": total})

            @project
            def deposited(self, event: Deposited, recorded: Recorded) -> Iterator[Statement]:
                yield self.add, {"account": recorded.stream, "amount": event.amount}

            @answer
            def balance_of(self, query: BalanceOf, rows: Rows) -> int:
                balance = select(self.balances.c.amount).where(self.balances.c.account == query.account)
                return rows.value(balance, int) or 0

    A `@project` method yields statements of SQLAlchemy Core, alone or with a dict of parameters. It reads nothing: a
    statement that depends on what is there says so in SQL, as `add` does. Many events are one transaction, and in it,
    neighbours that yield the same statement *object* become one `executemany`: make statements once, as above.

    Each event has its effect exactly once: how far the view has come is written in the transaction of the rows, on the
    condition that nobody else has gone on from there meanwhile.

    An object of the class keeps nothing but statements; its methods may run in any thread. By itself, outside an
    application, it keeps its rows in a private database in memory: `follow` some events, then `ask`.

    Args of a class statement:
        version: raise it when the view is built differently: it is part of the names of the view and of its tables.
        name: what the view is called; the class's name if not given.
        database: where its tables are: `sqlite:///relative.db`, `sqlite:////absolute/path.db`,
            `postgresql://user:password@host:port/database?schema=name`, or `memory://` for tables that are gone when
            the application ends. If not given, the application says.
        partitions: into how many parts the view is split by `partition_key`; each is written in transactions of its
            own, in PostgreSQL at the same time. In SQLite more than one has no advantage: a file has one writer.
        batch: how many events of the log lie between two commits, at most.

    Attributes:
        tables: its tables, by the names of the attributes.
        database: see above.
        partitions: see above.
        batch: see above.
        dialect: `sqlite` or `postgresql`.
    """

    def __init_subclass__(
        cls,
        *,
        version: int = 1,
        name: str | None = None,
        database: str | None = None,
        partitions: int = 1,
        batch: int = 1_000,
    ) -> None:
        """Make the tables.

        Raises:
            DefinitionError: it has none, or one makes no sense; the partitions are not between 1 and 64, or the batch
                not between 1 and 100,000; or a method has other parameters than it should.
        """
        super().__init_subclass__(version=version, name=name)
        if not 1 <= partitions <= MAX_PARTITIONS:
            raise DefinitionError(
                f"{cls.__qualname__}: partitions are between 1 and {MAX_PARTITIONS}, not {partitions}"
            )
        if not 1 <= batch <= MAX_BATCH:
            raise DefinitionError(f"{cls.__qualname__}: a batch is between 1 and {MAX_BATCH:,} events, not {batch}")
        cls.partitions, cls.batch = partitions, batch
        cls.database = cls.database if database is None else database
        cls.tables = _tables_of(cls, version)
        for query, function in cls._answers.items():
            if takes(function) != _ANSWER_TAKES:
                raise DefinitionError(
                    f"{function.__qualname__} takes the {query.__qualname__} and the rows to read from"
                )

    @classmethod
    async def begin_build(cls, store: EventStore, places: ViewPlaces) -> ViewBuild:
        """Begin a build in tables of this version, which must not be the one that serves. See `Buildable`."""
        return await SqlBuild.begin(cls, store, places.address(cls))

    @classmethod
    async def stored_position(cls, places: ViewPlaces) -> Position:
        """Up to where the tables follow the log. See `StoresPosition`."""
        address = places.address(cls)
        if address.postgres is None and (address.path is None or not address.path.exists()):
            return Position(0)
        async with await SqlView.open(cls, address) as view:
            return await view.position() or Position(0)


def _tables_of(cls: type[SQLProjection], version: int) -> dict[str, Table]:
    try:
        tables = make_tables({table.name: table.template for table in _declared(cls)}, version)
    except DefinitionError as error:
        raise DefinitionError(f"{cls.__qualname__}: {error}") from error
    if not tables:
        raise DefinitionError(f"{cls.__qualname__} has no tables; give it one: rows = ViewTable(Column(…), …)")
    return tables


def _declared(cls: type) -> Iterator[ViewTable]:
    found = {name: one for parent in reversed(cls.__mro__) for name, one in vars(parent).items()}
    return (one for one in found.values() if isinstance(one, ViewTable))
