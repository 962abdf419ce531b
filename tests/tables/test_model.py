"""P5: tables of all kinds against lists and dicts, under random operations, with iterations under way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from headwater import BagTable, Between, DuplicateBagTable, OrderedTable, Table, where
from headwater.tables.match import Where
from tests.tables.rows import Item

keys = st.integers(0, 7)
rows = st.builds(Item, keys, st.sampled_from("abc"), st.integers(0, 2))
lists = st.lists(rows, max_size=6)
values = st.sampled_from("abc")

SETS: list[Callable[[], Table[Item]]] = [
    lambda: Table(Item, "key"),
    lambda: Table(Item, "key", indexes=["value", "count"]),
    lambda: OrderedTable(Item, "key"),
    lambda: OrderedTable(Item, "key", indexes=["value"]),
]
BAGS: list[Callable[[], BagTable[Item]]] = [
    lambda: BagTable(Item, "key"),
    lambda: BagTable(Item, "key", indexes=["value"]),
    lambda: DuplicateBagTable(Item, "key"),
    lambda: DuplicateBagTable(Item, "key", indexes=["value"]),
]


class Walk:
    """An iteration under way: which rows were there all the time, and which ones it gave."""

    def __init__(self, rows: list[Item], iterator: Iterator[Item]) -> None:
        self.throughout = Counter(rows)
        self.given: Counter[Item] = Counter()
        self.iterator = iterator

    def note(self, rows: list[Item]) -> None:
        self.throughout &= Counter(rows)

    def step(self) -> bool:
        row = next(self.iterator, None)
        if row is not None:
            self.given[row] += 1
        return row is not None


class TableMachine(RuleBasedStateMachine):
    """What tables of all kinds have in common."""

    table: Any
    walk: Walk | None = None

    def model_rows(self) -> list[Item]:
        raise NotImplementedError

    @precondition(lambda self: self.walk is None)
    @rule()
    def begin_walk(self) -> None:
        self.walk = Walk(self.model_rows(), iter(self.table))

    @precondition(lambda self: self.walk is None)
    @rule(limit=st.integers(1, 3), value=values)
    def begin_pages(self, limit: int, value: str) -> None:
        meant: Where[Item] = where(value=value)
        self.walk = Walk([row for row in self.model_rows() if row.value == value], self.pages(meant, limit))

    def pages(self, meant: Where[Item], limit: int) -> Iterator[Item]:
        page = self.table.page(meant, limit=limit)
        while True:
            assert len(page.rows) <= limit
            yield from page.rows
            if page.continuation is None:
                return
            page = self.table.page(page.continuation)

    @precondition(lambda self: self.walk is not None)
    @rule(steps=st.integers(1, 4))
    def go_on(self, steps: int) -> None:
        assert self.walk is not None
        for _ in range(steps):
            if not self.walk.step():
                assert not self.walk.throughout - self.walk.given
                assert self.walk_gave_no_row_twice()
                self.walk = None
                return

    def walk_gave_no_row_twice(self) -> bool:
        raise NotImplementedError

    @rule()
    def clear(self) -> None:
        self.table.clear()
        self.clear_model()

    def clear_model(self) -> None:
        raise NotImplementedError

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        model = self.model_rows()
        if self.walk is not None:
            self.walk.note(model)
        assert Counter(self.table.rows()) == Counter(model)
        assert len(self.table) == len(model)
        for value in "abc":
            assert Counter(self.table.match(value=value)) == Counter(row for row in model if row.value == value)
        low = [row for row in model if 2 <= row.key <= 4]
        assert self.table.count(where(key=Between(2, 4))) == len(low)


class SetMachine(TableMachine):
    """Tables with one row a key, against a dict."""

    @initialize(make=st.sampled_from(SETS))
    def begin(self, make: Callable[[], Table[Item]]) -> None:
        self.table = make()
        self.model: dict[int, Item] = {}

    def model_rows(self) -> list[Item]:
        return list(getattr(self, "model", {}).values())

    def walk_gave_no_row_twice(self) -> bool:
        assert self.walk is not None
        return max(self.walk.given.values(), default=1) == 1

    def clear_model(self) -> None:
        self.model.clear()

    @rule(row=rows)
    def insert(self, row: Item) -> None:
        self.table.insert(row)
        self.model[row.key] = row

    @rule(rows=lists)
    def insert_many(self, rows: list[Item]) -> None:
        self.table.insert_many(rows)
        self.model.update((row.key, row) for row in rows)

    @rule(row=rows)
    def insert_new(self, row: Item) -> None:
        assert self.table.insert_new(row) is (row.key not in self.model)
        self.model.setdefault(row.key, row)

    @rule(rows=lists)
    def insert_new_many(self, rows: list[Item]) -> None:
        fits = not any(row.key in self.model for row in rows)
        assert self.table.insert_new_many(rows) is fits
        if fits:
            self.model.update((row.key, row) for row in rows)

    @rule(key=keys)
    def delete(self, key: int) -> None:
        assert self.table.delete(key) is (self.model.pop(key, None) is not None)

    @rule(key=keys)
    def take(self, key: int) -> None:
        assert self.table.take(key) == self.model.pop(key, None)

    @rule(row=rows)
    def delete_row(self, row: Item) -> None:
        assert self.table.delete_row(row) is (self.model.get(row.key) == row)
        if self.model.get(row.key) == row:
            del self.model[row.key]

    @rule(value=values)
    def delete_where(self, value: str) -> None:
        gone = [key for key, row in self.model.items() if row.value == value]
        assert self.table.delete_where(where(value=value)) == len(gone)
        for key in gone:
            del self.model[key]

    @rule(old=rows, value=values)
    def replace_if(self, old: Item, value: str) -> None:
        new = Item(old.key, value)
        assert self.table.replace_if(old, new) is (self.model.get(old.key) == old)
        if self.model.get(old.key) == old:
            self.model[old.key] = new

    @rule(value=values, new=values)
    def replace_where(self, value: str, new: str) -> None:
        meant = [row for row in self.model.values() if row.value == value]
        assert self.table.replace_where(where(value=value), lambda row: Item(row.key, new, row.count)) == len(meant)
        self.model.update((row.key, Item(row.key, new, row.count)) for row in meant)

    @rule(default=rows, by=st.integers(-3, 3))
    def count(self, default: Item, by: int) -> None:
        row = self.model.get(default.key, default)
        assert self.table.update_counter(row.key, "count", by, default=default) == row.count + by
        self.model[row.key] = Item(row.key, row.value, row.count + by)

    @invariant()
    def finds_each_key(self) -> None:
        model = getattr(self, "model", {})
        assert self.table.lookup_many(range(8)) == [model.get(key) for key in range(8)]
        if isinstance(self.table, OrderedTable):
            assert self.table.rows() == sorted(model.values(), key=lambda row: row.key)
            assert self.table.range(3, 6) == [row for row in self.table if 3 <= row.key < 6]
        else:
            assert self.table.rows() == list(model.values())


class BagMachine(TableMachine):
    """Bags, against a list."""

    @initialize(make=st.sampled_from(BAGS))
    def begin(self, make: Callable[[], BagTable[Item]]) -> None:
        self.table = make()
        self.model: list[Item] = []

    def model_rows(self) -> list[Item]:
        return list(getattr(self, "model", ()))

    def walk_gave_no_row_twice(self) -> bool:
        return True  # a row that was removed and came back may be another one; see `go_on` for what must hold

    def clear_model(self) -> None:
        self.model.clear()

    def add(self, row: Item) -> None:
        if isinstance(self.table, DuplicateBagTable) or row not in self.model:
            self.model.append(row)

    @rule(row=rows)
    def insert(self, row: Item) -> None:
        self.table.insert(row)
        self.add(row)

    @rule(rows=lists)
    def insert_many(self, rows: list[Item]) -> None:
        self.table.insert_many(rows)
        for row in rows:
            self.add(row)

    @rule(rows=lists)
    def insert_new_many(self, rows: list[Item]) -> None:
        present = {row.key for row in self.model}
        fits = not any(row.key in present for row in rows)
        assert self.table.insert_new_many(rows) is fits
        for row in rows if fits else ():
            self.add(row)

    @rule(key=keys)
    def take(self, key: int) -> None:
        assert self.table.take(key) == [row for row in self.model if row.key == key]
        self.model = [row for row in self.model if row.key != key]

    @rule(row=rows)
    def delete_row(self, row: Item) -> None:
        assert self.table.delete_row(row) == self.model.count(row)
        self.model = [other for other in self.model if other != row]

    @rule(value=values)
    def delete_where(self, value: str) -> None:
        before = len(self.model)
        self.model = [row for row in self.model if row.value != value]
        assert self.table.delete_where(where(value=value)) == before - len(self.model)

    @invariant()
    def finds_each_key_in_order(self) -> None:
        for key in range(8):
            assert self.table.lookup(key) == [row for row in self.model_rows() if row.key == key]


TestSets = pytest.mark.row("ET-01", "ET-05", "ET-06", "BT-02")(SetMachine.TestCase)
TestBags = pytest.mark.row("ET-01", "ET-05", "ET-06", "BT-02")(BagMachine.TestCase)
TestSets.settings = TestBags.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
