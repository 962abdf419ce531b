"""The bank's views in a database, made so that an event which has its effect twice, or not at all, shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

import msgspec
from sqlalchemy import BigInteger, Column, Connection, Insert, Integer, String, insert, select
from sqlalchemy.dialects import sqlite

from headwater import Query, Recorded, answer, project
from headwater.sql import Rows, SQLProjection, Statement, ViewTable
from headwater.store.model import StoredEvent

from .bank import BalanceOf, Deposited, Withdrawn

Picture = tuple[dict[str, int], list[tuple[int, int]]]
"""The balances, and the entries by position."""


class Entry(msgspec.Struct, frozen=True):
    position: int
    amount: int


class Entries(Query[list[Entry]]):
    pass


class Ledger(SQLProjection):
    balances = ViewTable(
        Column("account", String(80), primary_key=True),
        Column("amount", BigInteger, nullable=False),
    )
    entries = ViewTable(
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
        Column("position", BigInteger, nullable=False, index=True),
        Column("amount", BigInteger, nullable=False),
    )

    @cached_property
    def add(self) -> sqlite.Insert:
        new = self.insert(self.balances)
        total = self.balances.c.amount + new.excluded.amount
        return new.on_conflict_do_update(index_elements=["account"], set_={"amount": total})

    @cached_property
    def enter(self) -> Insert:
        return insert(self.entries)

    @project
    def moved(self, event: Deposited | Withdrawn, recorded: Recorded) -> Iterator[Statement]:
        amount = event.amount if isinstance(event, Deposited) else -event.amount
        yield self.add, {"account": recorded.stream.removeprefix("account-"), "amount": amount}
        yield self.enter, {"position": int(recorded.position), "amount": amount}

    @answer
    def balance_of(self, query: BalanceOf, rows: Rows) -> int:
        balances = self.balances
        return rows.value(select(balances.c.amount).where(balances.c.account == query.account), int) or 0

    @answer
    def all_entries(self, query: Entries, rows: Rows) -> list[Entry]:
        return rows.all(select(self.entries).order_by(self.entries.c.position), Entry)


def picture(connection: Connection, kind: type[Ledger]) -> Picture:
    """What the tables hold."""
    balances, entries = kind.balances, kind.entries
    amounts = {row.account: row.amount for row in connection.execute(select(balances))}
    rows = connection.execute(select(entries.c.position, entries.c.amount).order_by(entries.c.position))
    return amounts, [(row.position, row.amount) for row in rows]


def fold(events: Iterable[tuple[StoredEvent, object]]) -> Picture:
    """What they should hold, after these events."""
    amounts: dict[str, int] = {}
    entries = []
    for stored, event in events:
        if isinstance(event, Deposited | Withdrawn):
            amount = event.amount if isinstance(event, Deposited) else -event.amount
            account = stored.stream.removeprefix("account-")
            amounts[account] = amounts.get(account, 0) + amount
            entries.append((stored.position, amount))
    return amounts, entries
