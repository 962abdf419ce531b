"""Change events: who hears what, in which order, and until when."""

import logging
import threading

import pytest

from headwater import BagTable, GenServer, OrderedTable, System, Table, TableChanged, where
from headwater.testing.clock import VirtualClock
from tests.runtime.driving import Probe, run, settle
from tests.tables.rows import Item, items


def told(table: Table[Item] | BagTable[Item]) -> list[TableChanged]:
    heard: list[TableChanged] = []
    table.subscribe(heard.append)
    return heard


@pytest.mark.row("BT-03")
@pytest.mark.parametrize("kind", [Table, OrderedTable])
def test_each_write_is_told_once_with_the_old_row_and_the_new(kind: type[Table[Item]]) -> None:
    table = kind(Item, "key")
    table.insert(Item(1, "before"))
    heard = told(table)
    a, b = Item(1, "a"), Item(1, "b")
    table.insert(a)
    table.replace_if(a, b)
    table.update_counter(1, "count", 5)
    table.delete(1)
    table.delete(1)
    table.insert_new(Item(2, "c"))
    table.clear()
    assert heard == [
        TableChanged(None, "replaced", 1, Item(1, "before"), a),
        TableChanged(None, "replaced", 1, a, b),
        TableChanged(None, "replaced", 1, b, Item(1, "b", 5)),
        TableChanged(None, "deleted", 1, Item(1, "b", 5)),
        TableChanged(None, "inserted", 2, None, Item(2, "c")),
        TableChanged(None, "cleared"),
    ]
    assert table.rows() == []


@pytest.mark.row("BT-03")
def test_bags_tell_of_each_row() -> None:
    table = BagTable(Item, "key")
    heard = told(table)
    table.insert_many([Item(1, "a"), Item(1, "b"), Item(1, "a")])
    table.insert(Item(1, "b"))
    table.delete_row(Item(1, "a"))
    table.take(1)
    assert [(change.kind, change.old, change.new) for change in heard] == [
        ("inserted", None, Item(1, "a")),
        ("inserted", None, Item(1, "b")),
        ("deleted", Item(1, "a"), None),
        ("deleted", Item(1, "b"), None),
    ]


@pytest.mark.row("BT-03")
def test_a_list_is_told_when_all_of_it_is_there_and_in_order() -> None:
    table = Table(Item, "key")
    sizes: list[int] = []
    table.subscribe(lambda _: sizes.append(len(table)))
    heard = told(table)
    table.insert_many(items(1, 2, 3))
    assert sizes == [3, 3, 3]
    assert [change.key for change in heard] == [1, 2, 3]


def test_what_a_listener_changes_is_told_after_what_it_heard() -> None:
    table = Table(Item, "key")
    table.subscribe(lambda change: table.delete(change.key) if change.kind == "inserted" else None)
    heard = told(table)
    table.insert_many(items(1, 2))
    assert [(change.kind, change.key) for change in heard] == [
        ("inserted", 1),
        ("inserted", 2),
        ("deleted", 1),
        ("deleted", 2),
    ]


def test_a_listener_that_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    table = Table(Item, "key")
    table.subscribe(lambda _: 1 / 0)
    heard = told(table)
    with caplog.at_level(logging.ERROR):
        table.insert(Item(1, "v"))
    assert len(heard) == len(table) == 1
    assert "a listener of table None raised" in caplog.text


def test_a_subscription_ends() -> None:
    table = Table(Item, "key")
    heard: list[TableChanged] = []
    subscription = table.subscribe(heard.append)
    table.insert(Item(1, "v"))
    subscription.end()
    subscription.end()
    table.insert(Item(2, "v"))
    assert [change.key for change in heard] == [1]


@pytest.mark.row("BT-03")
def test_a_process_hears_of_changes_until_it_ends() -> None:
    async def scenario(system: System) -> None:
        table = Table(Item, "key", max_rows=2)
        probe = await system.start(Probe)
        subscription = table.subscribe(probe)
        table.insert_many(items(1, 2, 3))
        history = await probe.call(Probe.history)
        assert [getattr(change, "kind", None) for change in history] == ["inserted"] * 3 + ["evicted"]
        subscription.end()
        assert not probe.process.cleanups
        table.insert(Item(4, "v"))
        table.subscribe(probe)
        assert table.content.watch.changes
        probe.kill()
        assert not table.content.watch.changes
        table.insert(Item(5, "v"))
        table.subscribe(probe)
        assert not table.content.watch.changes

    run(scenario)


class Slow(GenServer):
    capacity = 3
    overflow = "drop_oldest"

    def init(self) -> None:
        self.keys: list[object] = []

    def handle_info(self, message: object) -> None:
        assert isinstance(message, TableChanged)
        self.keys.append(message.key)

    def heard(self) -> list[object]:
        return self.keys


@pytest.mark.row("BT-03")
def test_a_slow_process_hears_as_many_as_its_mailbox_holds() -> None:
    async def scenario(system: System) -> None:
        table = Table(Item, "key")
        slow = await system.start(Slow)
        table.subscribe(slow)
        table.insert_many(items(*range(10)))
        await settle()
        assert await slow.call(Slow.heard) == [7, 8, 9]

    run(scenario)


def test_a_process_hears_of_what_a_reader_in_a_thread_found_expired() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        table = Table(Item, "key", time_to_live=5, clock=clock)
        probe = await system.start(Probe)
        table.insert(Item(1, "v"))
        table.subscribe(probe)
        clock.advance(5)
        reader = threading.Thread(target=lambda: table.lookup(1))
        reader.start()
        reader.join()
        await settle()
        assert await probe.call(Probe.history) == [TableChanged(None, "expired", 1, Item(1, "v"))]

    run(scenario)


def test_rows_that_are_deleted_where_they_are_meant_are_told_one_by_one() -> None:
    table = Table(Item, "key", indexes=["value"])
    table.insert_many(items(1, 2, 3))
    heard = told(table)
    table.delete_where(where(value="v"))
    assert [change.key for change in heard] == [1, 2, 3]
