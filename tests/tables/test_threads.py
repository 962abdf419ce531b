"""Reading while others write: iteration, and readers in other threads."""

import asyncio
import itertools
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from headwater import BagTable, DuplicateBagTable, OrderedTable, Table
from tests.tables.rows import Item, items

AnyTable = Table[Item] | BagTable[Item]
MAKERS: list[Callable[[], AnyTable]] = [
    lambda: Table(Item, "key"),
    lambda: Table(Item, "key", indexes=["value"]),
    lambda: OrderedTable(Item, "key"),
    lambda: OrderedTable(Item, "key", indexes=["value"]),
    lambda: BagTable(Item, "key"),
    lambda: DuplicateBagTable(Item, "key", indexes=["value"]),
]
SIZE = 50


@pytest.mark.row("ET-06")
@pytest.mark.parametrize("make", MAKERS)
def test_each_row_that_is_there_throughout_is_visited_once(make: Callable[[], AnyTable]) -> None:
    table = make()
    table.insert_many(items(*range(10)))
    seen = []
    for row in table:
        seen.append(row.key)
        table.delete(row.key)
        table.insert(Item(row.key + 100, "new"))
        table.insert(Item(9, "changed"))
    assert seen == list(range(10))


@pytest.fixture
def _hasty_threads() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def ways_to_read(table: AnyTable) -> list[Callable[[], list[Item]]]:
    """Each gives all rows, or all of a list, at one moment."""
    ways: list[Callable[[], list[Item]]] = [table.rows, lambda: table.match(value="0"), lambda: table.match(value="1")]
    if isinstance(table, OrderedTable):
        ways.append(lambda: table.range(0, SIZE))
    if isinstance(table, Table):
        ways.append(lambda: [row for row in table.lookup_many(range(SIZE)) if row is not None])
    return ways


class Witness(threading.Thread):
    """Reads in one way, over and over, and keeps what it should never see."""

    def __init__(self, read: Callable[[], list[Item]]) -> None:
        super().__init__()
        self.read = read
        self.rounds = 0
        self.wrong: list[object] = []
        self.stop = False

    def run(self) -> None:
        while not self.stop:
            rows = self.read()
            self.rounds += 1
            values = {row.value for row in rows}
            if len(rows) not in (0, SIZE) or len(values) > 1:
                self.wrong.append((len(rows), values))


@pytest.mark.row("ET-05")
@pytest.mark.usefixtures("_hasty_threads")
@pytest.mark.parametrize("make", MAKERS)
def test_no_thread_sees_half_a_list(make: Callable[[], AnyTable]) -> None:
    table = make()
    witnesses = [Witness(read) for read in ways_to_read(table)]
    for witness in witnesses:
        witness.start()
    lists = [items(*range(SIZE), value=value) for value in "012"]
    for number in itertools.count():
        table.insert_many(lists[number % 3])
        if number % 3 == 2 or isinstance(table, BagTable):
            table.clear()
        if number > 300 and min(witness.rounds for witness in witnesses) > 50:
            break
    for witness in witnesses:
        witness.stop = True
        witness.join()
        assert witness.wrong == []


@pytest.mark.row("ET-05")
@pytest.mark.usefixtures("_hasty_threads")
@pytest.mark.parametrize("make", MAKERS)
def test_who_has_seen_one_row_of_a_list_sees_the_others(make: Callable[[], AnyTable]) -> None:
    table = make()
    table.insert_many(items(*range(SIZE), value="0"))

    def newest(key: int) -> Item:
        found = table.lookup(key)
        row = found[-1] if isinstance(found, list) else found
        assert row is not None
        return row

    late: list[tuple[Item, Item]] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            first, last = newest(0), newest(SIZE - 1)
            if int(last.value) < int(first.value):
                late.append((first, last))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 400):
        table.insert_many(items(*range(SIZE), value=str(number)))
    stop.set()
    reader.join()
    assert late == []


@pytest.mark.row("ET-05")
@pytest.mark.usefixtures("_hasty_threads")
@pytest.mark.parametrize("make", MAKERS[:4])
def test_a_list_that_replaces_some_rows_and_adds_others_is_seen_whole(make: Callable[[], AnyTable]) -> None:
    table = make()
    partly: list[int] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            rows = table.range() if isinstance(table, OrderedTable) else table.rows()
            if len(rows) != SIZE and any(row.value == "list" for row in rows):
                partly.append(len(rows))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(500):
        table.clear()
        table.insert(Item(0, "alone"))
        table.insert_many(items(*range(SIZE), value="list"))
    stop.set()
    reader.join()
    assert partly == []


@pytest.mark.row("ET-06")
@pytest.mark.usefixtures("_hasty_threads")
def test_an_order_is_right_while_another_thread_inserts() -> None:
    table = OrderedTable(Item, "key")
    stop = threading.Event()
    wrong: list[list[int]] = []

    def read() -> None:
        while not stop.is_set():
            keys = [row.key for row in table]
            if keys != sorted(keys):
                wrong.append(keys)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(8_000):
        table.insert(Item(number * 7_919 % 1_009, "v"))
        if number % 50 == 0:
            table.delete(number % 1_009)
    stop.set()
    reader.join()
    assert wrong == []
    keys = [row.key for row in table]
    assert keys == sorted(keys)
    assert len(keys) == len(table)


def test_a_table_is_read_and_saved_in_a_thread_while_the_loop_writes() -> None:
    table = Table(Item, "key")
    table.insert_many(items(*range(1_000)))

    async def main() -> int:
        reading = asyncio.create_task(asyncio.to_thread(lambda: sum(row.count for row in table)))
        table.insert(Item(0, "v", 1))
        return await reading

    assert asyncio.run(main()) in (0, 1)
