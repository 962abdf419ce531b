"""Tables that processes own: names, rights, heirs, and the end."""

from collections.abc import Callable
from typing import Any

import pytest

from headwater import (
    BagReader,
    BagTable,
    Down,
    GenServer,
    OrderedReader,
    OrderedTable,
    Pid,
    System,
    Table,
    TableReader,
    Tables,
    TableTransfer,
    where,
)
from headwater.errors import ProcessDown, TableGone, TableNameTaken, TablePrivate, TableUnknown
from headwater.tables.owned import Access
from headwater.tables.reader import Reader
from tests.runtime.driving import Probe, run
from tests.tables.rows import Item, Open, items


class Owner(GenServer):
    """A process with a table of its own."""

    def init(
        self,
        tables: Tables,
        name: str | None = "items",
        access: Access = "protected",
        heir: Pid[object] | None = None,
    ) -> None:
        self.tables = tables
        table = Table(Item, "key")
        self.items = tables.own(self.pid, table, name=name, access=access, heir=heir, heir_data="inherited")

    def put(self, key: int) -> None:
        self.items.insert(Item(key, "v"))

    def table(self) -> Table[Item]:
        return self.items

    def give(self, to: Pid[object]) -> None:
        self.tables.give_away(self.items, to, "a present")


# --- names ---------------------------------------------------------------------------------------------------


@pytest.mark.row("ET-04")
def test_a_table_is_found_by_its_name() -> None:
    async def scenario(system: System) -> None:
        tables = Tables()
        owner = await system.start(Owner, tables)
        await owner.call(Owner.put, 1)
        assert tables.named(TableReader[Item], "items").lookup(1) == Item(1, "v")
        assert tables.named(TableReader, "items").name == "items"
        assert tables.whereis("items") == owner
        assert tables.whereis("others") is None
        assert tables.names() == ["items"]
        with pytest.raises(TableUnknown, match="no table is called 'others'; named: items"):
            tables.named(TableReader[Item], "others")

    run(scenario)


@pytest.mark.row("ET-04")
def test_a_name_belongs_to_one_table_which_may_change_it() -> None:
    async def scenario(system: System) -> None:
        tables = Tables()
        owner = await system.start(Owner, tables)
        other = tables.own(owner, BagTable(Item, "key"), name="bag")
        table = await owner.call(Owner.table)
        with pytest.raises(TableNameTaken, match="'items' is <Table 'items' of Item> already"):
            tables.own(owner, Table(Item, "key"), name="items")
        with pytest.raises(TableNameTaken):
            tables.rename(other, "items")
        reader = tables.named(TableReader[Item], "items")
        tables.rename(table, "things")
        tables.rename(table, "things")
        assert tables.names() == ["bag", "things"]
        assert reader.name == table.info().name == "things"
        tables.rename(other, None)
        assert tables.names() == ["things"]
        with pytest.raises(TableUnknown):
            tables.named(TableReader[Item], "items")

    run(scenario)


@pytest.mark.row("ET-04")
def test_a_handle_is_of_the_kind_and_the_rows_that_were_asked_for() -> None:
    async def scenario(system: System) -> None:
        tables = Tables()
        owner = await system.start(Probe)
        tables.own(owner, OrderedTable(Item, "key"), name="ordered", access="public")
        tables.own(owner, BagTable(tuple[int, str], 0), name="bag", access="public")
        assert type(tables.named(OrderedReader[Item], "ordered")) is OrderedReader
        assert type(tables.named(OrderedTable[Item], "ordered")) is OrderedTable
        assert type(tables.named(TableReader[Item], "ordered")) is TableReader
        assert type(tables.named(BagReader[tuple[int, str]], "bag")) is BagReader
        assert type(tables.named(Reader, "bag")) is Reader
        for kind, name in ((Table[Item], "ordered"), (BagReader[Item], "ordered"), (TableReader[Open], "ordered")):
            with pytest.raises(TableUnknown, match=r"'ordered' is OrderedTable\[Item\], not "):
                tables.named(kind, name)

    run(scenario)


# --- rights --------------------------------------------------------------------------------------------------


@pytest.mark.row("ET-02")
def test_others_get_what_the_access_allows() -> None:
    async def scenario(system: System) -> None:
        tables = Tables()
        rights = {"public": (True, True), "protected": (True, False), "private": (False, False)}
        accesses: tuple[Access, ...] = ("public", "protected", "private")
        for access in accesses:
            owner = await system.start(Owner, tables, access, access)
            await owner.call(Owner.put, 1)
            assert (may(tables, TableReader[Item], access), may(tables, Table[Item], access)) == rights[access]
        tables.named(Table[Item], "public").insert(Item(2, "mine"))
        assert tables.named(TableReader[Item], "public").lookup(2) == Item(2, "mine")
        with pytest.raises(TablePrivate, match="table 'protected' is protected: only Owner #"):
            tables.named(Table[Item], "protected")

    run(scenario)


def may(tables: Tables, kind: type[Reader[Any]], name: str) -> bool:
    try:
        tables.named(kind, name)
    except TablePrivate:
        return False
    return True


@pytest.mark.row("ET-02")
def test_a_reader_can_not_write() -> None:
    for table in (Table(Item, "key"), OrderedTable(Item, "key"), BagTable(Item, "key")):
        reader = table.reader()
        table.insert(Item(1, "v"))
        assert reader.rows() == items(1)
        assert reader == table
        for write in ("insert", "insert_many", "delete", "take", "clear", "delete_where", "load"):
            assert hasattr(table, write)
            assert not hasattr(reader, write)


# --- the end -------------------------------------------------------------------------------------------------


@pytest.mark.row("ET-03")
def test_a_table_ends_with_its_owner_before_anybody_hears_of_that() -> None:
    async def scenario(system: System) -> None:
        tables = Tables()
        owner = await system.start(Owner, tables)
        await owner.call(Owner.put, 1)
        table, reader = await owner.call(Owner.table), tables.named(TableReader[Item], "items")
        seen: list[object] = []

        class Watcher(Probe):
            def handle_info(self, message: object) -> None:
                if isinstance(message, Down):
                    seen.append((tables.names(), gone(reader)))

        watcher = await system.start(Watcher)
        await watcher.call(Probe.watch, owner, "owner")
        owner.kill()
        await watcher.call(Probe.history)
        assert seen == [([], True)]
        assert gone(table)
        with pytest.raises(TableGone, match="<Table 'items' of Item> ended with its owner, Owner #"):
            reader.lookup(1)

    run(scenario)


def gone(table: Reader[Any]) -> bool:
    try:
        len(table)
    except TableGone:
        return True
    return False


@pytest.mark.row("ET-03")
@pytest.mark.parametrize("kind", [Table, OrderedTable, BagTable])
@pytest.mark.parametrize("time_to_live", [None, 60.0])
def test_nothing_can_be_done_with_a_table_that_is_no_more(kind: Callable[..., Any], time_to_live: float | None) -> None:
    async def scenario(system: System) -> None:
        owner = await system.start(Probe)
        table = Tables().own(owner, kind(Item, "key", time_to_live=time_to_live, indexes=["value"]))
        table.insert_many(items(1, 2))
        owner.kill()
        uses: list[Callable[[], object]] = [
            lambda: table.insert(Item(1, "v")),
            lambda: table.insert_many(items(1)),
            lambda: table.insert_new(Item(1, "v")),
            lambda: table.lookup(1),
            lambda: table.lookup_many([1]),
            lambda: table.delete(1),
            lambda: table.take(1),
            lambda: table.clear(),
            lambda: table.rows(),
            lambda: list(table),
            lambda: 1 in table,
            lambda: table.match(key=1),
            lambda: table.match(value="v"),
            lambda: table.select(where(), limit=1),
            lambda: table.page(where(), limit=1),
            lambda: table.info(),
            lambda: table.memory(),
            lambda: table.save("nowhere"),
        ]
        for use in uses:
            with pytest.raises(TableGone):
                use()
        if kind is not BagTable:
            with pytest.raises(TableGone):
                table.update_counter(1, "count")

    run(scenario)


@pytest.mark.row("ET-03")
def test_an_heir_gets_the_table_when_the_owner_ends() -> None:
    async def scenario(system: System) -> None:
        tables = Tables()
        heir = await system.start(Probe)
        owner = await system.start(Owner, tables, heir=heir)
        await owner.call(Owner.put, 1)
        old, reader = await owner.call(Owner.table), tables.named(TableReader[Item], "items")
        owner.kill()
        (message,) = await heir.call(Probe.history)
        assert isinstance(message, TableTransfer)
        assert (message.sender, message.data, message.table.info().owner) == (owner, "inherited", heir)
        assert isinstance(message.table, Table)
        message.table.insert(Item(2, "v"))
        assert reader.rows() == items(1, 2)
        assert tables.whereis("items") == heir
        with pytest.raises(TableGone, match="<Table 'items' of Item> belongs to Probe #"):
            old.insert(Item(3, "v"))
        heir.kill()
        assert gone(reader)
        assert tables.names() == []

    run(scenario)


@pytest.mark.row("ET-03")
def test_a_table_whose_heir_is_dead_ends() -> None:
    async def scenario(system: System) -> None:
        tables = Tables()
        heir = await system.start(Probe)
        owner = await system.start(Owner, tables)
        table = await owner.call(Owner.table)
        reader = tables.named(TableReader[Item], "items")
        tables.set_heir(table, heir)
        heir.kill()
        owner.kill()
        assert gone(table)
        assert gone(reader)
        assert tables.names() == []

    run(scenario)


@pytest.mark.row("ET-03")
def test_a_table_is_given_away_and_lives_on_with_its_new_owner() -> None:
    async def scenario(system: System) -> None:
        tables = Tables()
        owner, friend = await system.start(Owner, tables), await system.start(Probe)
        await owner.call(Owner.put, 1)
        old = await owner.call(Owner.table)
        await owner.call(Owner.give, friend)
        (message,) = await friend.call(Probe.history)
        assert isinstance(message, TableTransfer)
        assert (message.sender, message.data) == (owner, "a present")
        assert message.table.rows() == items(1)
        assert gone(old)
        owner.kill()
        assert message.table.rows() == items(1)
        assert tables.whereis("items") == friend
        friend.kill()
        assert gone(message.table)

    run(scenario)


@pytest.mark.row("ET-02", "ET-03")
def test_only_the_owner_decides_about_a_table() -> None:
    async def scenario(system: System) -> None:
        tables = Tables()
        owner = await system.start(Owner, tables, access="public")
        mine = await owner.call(Owner.table)
        other = tables.named(Table[Item], "items")
        attempts: list[Callable[[], None]] = [
            lambda: tables.give_away(other, owner),
            lambda: tables.set_heir(other, owner),
            lambda: tables.rename(other, "mine"),
            lambda: tables.delete(other),
            lambda: tables.delete(Table(Item, "key")),
        ]
        for attempt in attempts:
            with pytest.raises(TablePrivate, match="only the owner of"):
                attempt()
        with pytest.raises(TablePrivate, match="belongs to Owner"):
            tables.own(owner, mine)
        tables.delete(mine)
        assert gone(mine)
        assert gone(other)
        assert tables.names() == []
        assert owner.process.cleanups == []
        assert owner.alive

    run(scenario)


@pytest.mark.row("ET-03")
def test_a_dead_process_gets_nothing() -> None:
    async def scenario(system: System) -> None:
        tables = Tables()
        owner, dead = await system.start(Owner, tables), await system.start(Probe)
        dead.kill()
        table, free = await owner.call(Owner.table), Table(Item, "key")
        with pytest.raises(ProcessDown):
            tables.give_away(table, dead)
        with pytest.raises(ProcessDown):
            tables.own(dead, free, name="free")
        assert table.rows() == free.rows() == []
        assert tables.names() == ["items"]

    run(scenario)


@pytest.mark.row("ET-03")
def test_the_system_ends_its_tables() -> None:
    kept: list[Table[Item]] = []

    async def scenario(system: System) -> None:
        owner = await system.start(Owner, Tables())
        kept.append(await owner.call(Owner.table))

    run(scenario)
    assert gone(kept[0])
