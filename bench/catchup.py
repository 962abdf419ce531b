"""A view that follows the log from its beginning, with all that a running application has.

The log lies in an SQLite file; its events are decoded, given to the projection's methods, and written as rows in a file
of their own, a checkpoint with each batch. What is measured is the start of the application up to the moment at which
the view has followed the whole log.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import uvloop
from sqlalchemy import BigInteger, Column, String, select
from sqlalchemy.dialects.sqlite import Insert

from bench.cqrs import Account, BalanceOf, Deposited
from bench.result import Result
from headwater import Application, Event, Recorded, answer, project
from headwater.sql import Rows, SQLProjection, Statement, ViewTable

RUNS = 3
EVENTS = 100_000
ACCOUNTS = 1_000
APPEND = 1_000


class Corrected(Event, name="bank.corrected"):
    amount: int


class Balances(SQLProjection):
    balances = ViewTable(
        Column("account", String(80), primary_key=True),
        Column("amount", BigInteger, nullable=False),
    )

    @cached_property
    def add(self) -> Insert:
        insert = self.insert(self.balances)
        total = self.balances.c.amount + insert.excluded.amount
        return insert.on_conflict_do_update(index_elements=["account"], set_={"amount": total})

    @project
    def moved(self, event: Deposited | Corrected, recorded: Recorded) -> Iterator[Statement]:
        yield self.add, {"account": recorded.stream, "amount": event.amount}

    @answer
    def balance_of(self, query: BalanceOf, rows: Rows) -> int:
        table = self.balances
        return rows.value(select(table.c.amount).where(table.c.account == f"account-{query.account}"), int) or 0


def run() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        rates = [uvloop.run(_caught_up(Path(folder) / f"{number}.db")) for number in range(RUNS)]
    return [Result("cqrs.catchup_sql", None, statistics.median(rates), None, "events/s", None, "relaxed")]


async def _caught_up(path: Path) -> float:
    async with Application("fill", store=f"sqlite:///{path}", aggregates=[Account], events=[Corrected]) as filled:
        for first in range(0, EVENTS, APPEND):
            events = [Deposited(1), Corrected(1)] * (APPEND // 2)
            await filled.store.append(f"account-{first // APPEND * 7 % ACCOUNTS}", events)
    started = time.perf_counter()
    async with Application("bank", store=f"sqlite:///{path}", aggregates=[Account], projections=[Balances]) as bank:
        seconds = time.perf_counter() - started
        assert (await bank.views())[0].position == EVENTS
        assert await bank.query(BalanceOf("0")) == APPEND
    return EVENTS / seconds
