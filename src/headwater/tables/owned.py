"""Tables that live and die with a process, and are found by name."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias, TypeVar, cast, get_args, get_origin

import msgspec

from headwater.errors import TableNameTaken, TablePrivate, TableUnknown, one_of
from headwater.runtime.pid import Pid
from headwater.tables.bag import BagReader, BagTable, DuplicateBagTable
from headwater.tables.content import TableKind
from headwater.tables.ordered import OrderedReader, OrderedTable
from headwater.tables.reader import Reader
from headwater.tables.table import Table
from headwater.tables.table_reader import TableReader
from headwater.tables.tenure import AnyTable, Tenure

TableT = TypeVar("TableT", bound=AnyTable)
ReaderT = TypeVar("ReaderT", bound=Reader[Any])

Access: TypeAlias = Literal["public", "protected", "private"]
"""Who gets a table by its name: to read and write it, to read it, or nobody."""

_TABLES: Final[dict[TableKind, type[AnyTable]]] = {
    "set": Table,
    "ordered_set": OrderedTable,
    "bag": BagTable,
    "duplicate_bag": DuplicateBagTable,
}
_READERS: Final = (TableReader, OrderedReader, BagReader, Reader)


class TableTransfer(msgspec.Struct, frozen=True):
    """A message to the process that a table belongs to now: it was given to it, or it inherited it.

    Attributes:
        table: the table. It is the new owner's; the old owner's handle is of no use any more.
        sender: the owner before.
        data: what was said with the gift, or when the heir was named.
    """

    table: AnyTable
    sender: Pid[object]
    data: object = None


class Tables:
    """Who owns which table, and what it is called. Give it to the processes that own tables or look for them.

        class Quotes(GenServer):
            def init(self, tables: Tables) -> None:
                self.quotes = tables.own(self.pid, Table(Quote, key="instrument"), name="quotes")

        quotes = tables.named(TableReader[Quote], "quotes")        # in any other process
        quotes.lookup("BTC")

    An owned table ends with its owner, before anybody hears of the owner's end; every use of it then raises
    `TableGone`. If it has an heir that lives, the heir gets it instead, with a `TableTransfer`.

    What somebody may do with a table depends on the handle that he holds. The owner's is the table itself. Others get
    theirs by name: a reader of a protected table, a reader or the table of a public one, nothing of a private one. A
    handle can be passed on like any object, and a type checker knows what it can do.
    """

    __slots__ = ("_named", "_tenures")

    def __init__(self) -> None:
        self._tenures: dict[int, Tenure] = {}
        self._named: dict[str, Tenure] = {}

    def own(
        self,
        owner: Pid[object],
        table: TableT,
        *,
        name: str | None = None,
        access: Access = "protected",
        heir: Pid[object] | None = None,
        heir_data: object = None,
    ) -> TableT:
        """Let a table live as long as a process, and return it.

        Args:
            owner: the process.
            table: the table; nobody owns it yet.
            name: what it is called; unique here.
            access: who gets it by its name.
            heir: who gets it when the owner has ended; None for nobody.
            heir_data: what the heir is told then.

        Raises:
            TableNameTaken: another table has the name.
            TablePrivate: a process owns the table already.
            ProcessDown: the process has ended.
        """
        content = table.content
        if not owner.alive:
            raise owner.process.down()
        if content.owner is not None:
            raise TablePrivate(f"{table!r} belongs to {cast('Pid[object]', content.owner).label} already")
        if name is not None:
            self._check_free(name)
        tenure = Tenure(table, owner, access, self._ended)
        tenure.heir, tenure.heir_data = heir, heir_data
        self._tenures[id(content)] = tenure
        self._call(tenure, name)
        return table

    # --- by name ---------------------------------------------------------------------------------------------

    def named(self, kind: type[ReaderT], name: str) -> ReaderT:
        """A handle of the table of this name.

        Args:
            kind: what is wanted: `TableReader[Quote]`, `OrderedReader[Quote]`, `BagReader[Quote]`, or, of a public
                table, the table itself: `Table[Quote]` and so on.
            name: the name.

        Raises:
            TableUnknown: no table has the name, or it is of another kind, or has other rows.
            TablePrivate: its access doesn't allow it.
        """
        tenure = self._named.get(name)
        if tenure is None:
            raise TableUnknown(f"no table is called {name!r}; named: {one_of(sorted(self._named))}")
        wanted, content = get_origin(kind) or kind, tenure.table.content
        table = _TABLES[content.kind]
        rows = tuple(get_origin(row) or row for row in get_args(kind))
        if not (issubclass(table, wanted) and (wanted is table or wanted in _READERS)) or rows not in (
            (),
            (content.shape.row,),
        ):
            raise TableUnknown(f"{name!r} is {table.__name__}[{content.shape.name}], not {kind}")
        if tenure.access == "private" or (tenure.access == "protected" and wanted is table):
            raise TablePrivate(f"table {name!r} is {tenure.access}: only {tenure.owner.label} may do that")
        return cast("ReaderT", wanted.of(content))

    def whereis(self, name: str) -> Pid[object] | None:
        """The process that owns the table of this name; None if there is none."""
        tenure = self._named.get(name)
        return None if tenure is None else tenure.owner

    def names(self) -> list[str]:
        """The names of all tables that have one, sorted."""
        return sorted(self._named)

    # --- what the owner does with it ---------------------------------------------------------------------------

    def rename(self, table: AnyTable, name: str | None) -> None:
        """Call a table otherwise; None takes its name.

        Raises:
            TableNameTaken: another table has the name.
            TablePrivate: it isn't the owner's handle.
        """
        tenure = self._of(table)
        if name is not None and self._named.get(name) is not tenure:
            self._check_free(name)
        self._call(tenure, name)

    def give_away(self, table: AnyTable, to: Pid[object], data: object = None) -> None:
        """Give a table to another process, which gets a `TableTransfer`. From now on this handle raises `TableGone`.

        Raises:
            TablePrivate: it isn't the owner's handle.
            ProcessDown: the other process has ended. Nothing has changed.
        """
        tenure = self._of(table)
        if not to.alive:
            raise to.process.down()
        self._transfer(tenure, to, data)

    def set_heir(self, table: AnyTable, heir: Pid[object] | None, data: object = None) -> None:
        """Say who gets a table when its owner has ended; None for nobody.

        Raises:
            TablePrivate: it isn't the owner's handle.
        """
        tenure = self._of(table)
        tenure.heir, tenure.heir_data = heir, data

    def delete(self, table: AnyTable) -> None:
        """End a table: every use of it raises `TableGone`, and its name is free.

        Raises:
            TablePrivate: it isn't the owner's handle.
        """
        tenure = self._of(table)
        tenure.release()
        self._drop(tenure, f"{table!r} was deleted")

    # --- within ----------------------------------------------------------------------------------------------

    def _of(self, table: AnyTable) -> Tenure:
        tenure = self._tenures.get(id(table.content))
        if tenure is None or tenure.table is not table:
            raise TablePrivate(f"only the owner of {table!r}, with the owner's handle, may do that")
        return tenure

    def _check_free(self, name: str) -> None:
        if name in self._named:
            raise TableNameTaken(f"{name!r} is {self._named[name].table!r} already")

    def _call(self, tenure: Tenure, name: str | None) -> None:
        content = tenure.table.content
        if content.name is not None:
            del self._named[content.name]
        content.name = content.watch.name = name
        if name is not None:
            self._named[name] = tenure

    def _ended(self, tenure: Tenure) -> None:
        """The owner has ended."""
        heir = tenure.heir
        if heir is not None and heir.alive:
            tenure.heir = None
            self._transfer(tenure, heir, tenure.heir_data)
        else:
            self._drop(tenure, f"{tenure.table!r} ended with its owner, {tenure.owner.label}")

    def _drop(self, tenure: Tenure, why: str) -> None:
        content = tenure.table.content
        del self._tenures[id(content)]
        self._call(tenure, None)
        content.drop(why)

    def _transfer(self, tenure: Tenure, to: Pid[object], data: object) -> None:
        sender = tenure.owner
        tenure.pass_to(to)
        to.process.inform(TableTransfer(tenure.table, sender, data))
