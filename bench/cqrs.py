"""Commands through the whole framework, beside `eventsourcing`, both durable on SQLite.

The application is what a user has: typed commands and events, a view that follows the log, the hash chain. A command is
answered when its event is on the disk. The peer has no clients of its own that could share a commit: it is given the
better of one thread and eight. Both run with a write-ahead log and `synchronous=FULL`, an fsync for each commit, and
store the same fields. The peer has no view to feed: on SQLite it can't be subscribed to.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import uvloop

from bench.peers import figures
from bench.result import Result
from headwater import (
    Aggregate,
    Application,
    Command,
    Event,
    Query,
    Recorded,
    Rejected,
    TableProjection,
    answer,
    decide,
    evolve,
    project,
)

RUNS = 3
ACCOUNTS = 50
CLIENTS = 500
HISTORY = 10_000
BACKLOG = 100_000

Times = list[float]
Work = Callable[[Application], Awaitable[tuple[float, Times]]]


class Deposited(Event, name="bank.deposited"):
    amount: int
    note: str = "hello world, this is a payload"


class Deposit(Command):
    account: str
    amount: int


class Account(Aggregate, identity="account"):
    balance: int = 0

    @decide
    def deposit(self, command: Deposit) -> Iterator[Event]:
        if command.amount <= 0:
            raise Rejected("the amount must be positive")
        yield Deposited(command.amount)

    @evolve
    def deposited(self, event: Deposited) -> None:
        self.balance += event.amount


class Balance(msgspec.Struct, frozen=True):
    account: str
    amount: int


class BalanceOf(Query[int]):
    account: str


class Balances(TableProjection[Balance], key="account"):
    @project
    def deposited(self, event: Deposited, recorded: Recorded) -> None:
        row = self.table.lookup(recorded.stream)
        self.table.insert(Balance(recorded.stream, event.amount + (0 if row is None else row.amount)))

    @answer
    def balance_of(self, query: BalanceOf) -> int:
        row = self.table.lookup(f"account-{query.account}")
        return 0 if row is None else row.amount


def run() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        peer = _peer(folder, "commands")
        best = max((peer[name] for name in ("command_1", "command_8") if name in peer), default=None)
        here = Path(folder)
        return [
            _dispatch(here, "dispatch_1", _one_client, peer.get("command_1")),
            _dispatch(here, "dispatch_50", _fifty_clients, best),
            _dispatch(here, "dispatch_500", _many_clients, best),
            _dispatch(here, "dispatch_hot", _hot, None),
            _catchup(here),
        ]


def run_sourcing() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        return [_rebuild(Path(folder), _peer(folder, "rebuild").get("rebuild_10000"))]


def _peer(folder: str, what: str) -> dict[str, float]:
    found = figures("eventsourcing_bank.py", folder, what)
    if not found:
        sys.stdout.write("cqrs: eventsourcing is missing\n")
    return found


def _dispatch(folder: Path, name: str, work: Work, peer: float | None) -> Result:
    found = [uvloop.run(_measured(folder / f"{name}-{number}.db", work)) for number in range(RUNS)]
    ours = statistics.median(rate for rate, _ in found)
    times = sorted(one for _, run in found for one in run)
    p50, p99 = (times[len(times) * percent // 100] * 1e3 for percent in (50, 99))
    kind = None if name == "dispatch_hot" else "eventsourcing"
    ratio = None if peer is None else ours / peer
    return Result(f"cqrs.sqlite.{name}", kind, ours, peer, "commands/s", ratio, "full", p50, p99)


async def _measured(path: Path, work: Work) -> tuple[float, Times]:
    async with _bank(path) as bank:
        for number in range(ACCOUNTS):
            await bank.dispatch(Deposit(f"a-{number}", 1))
        rate, times = await work(bank)
        await bank.wait_for(Balances, await bank.store.head())
    return rate, times


def _bank(path: Path) -> Application:
    return Application("bank", store=f"sqlite:///{path}", aggregates=[Account], projections=[Balances])


async def _one_client(bank: Application) -> tuple[float, Times]:
    started = time.perf_counter()
    times = await _client(bank, [f"a-{number % ACCOUNTS}" for number in range(3_000)])
    return len(times) / (time.perf_counter() - started), times


async def _fifty_clients(bank: Application) -> tuple[float, Times]:
    return await _together(bank, [[f"a-{number}"] * 300 for number in range(ACCOUNTS)])


async def _many_clients(bank: Application) -> tuple[float, Times]:
    return await _together(bank, [[f"a-{number}"] * 100 for number in range(CLIENTS)])


async def _hot(bank: Application) -> tuple[float, Times]:
    return await _together(bank, [["a-0"] * 100 for _ in range(CLIENTS)])


async def _together(bank: Application, accounts: list[list[str]]) -> tuple[float, Times]:
    started = time.perf_counter()
    found = await asyncio.gather(*(_client(bank, one) for one in accounts))
    seconds = time.perf_counter() - started
    times = [one for run in found for one in run]
    return len(times) / seconds, times


async def _client(bank: Application, accounts: list[str]) -> Times:
    times = []
    for account in accounts:
        started = time.perf_counter()
        await bank.dispatch(Deposit(account, 1))
        times.append(time.perf_counter() - started)
    return times


# --- a view that is built anew ---------------------------------------------------------------------------------------


def _catchup(folder: Path) -> Result:
    path = folder / "catchup.db"
    uvloop.run(_fill(path))
    ours = statistics.median(uvloop.run(_caught_up(path)) for _ in range(RUNS))
    return Result("cqrs.catchup_table", None, ours, None, "events/s", None, "full")


async def _fill(path: Path) -> None:
    async with _bank(path) as bank:
        for start in range(0, BACKLOG, 1_000):
            await bank.store.append(f"account-{start % 50_000}", [Deposited(1)] * 1_000)


async def _caught_up(path: Path) -> float:
    bank = _bank(path)
    started = time.perf_counter()
    async with bank:  # entered when the view is at the head
        seconds = time.perf_counter() - started
        assert await bank.query(BalanceOf("0")) == BACKLOG // ACCOUNTS
    return BACKLOG / seconds


# --- reading an aggregate -------------------------------------------------------------------------------------------


def _rebuild(folder: Path, peer: float | None) -> Result:
    ours = uvloop.run(_rebuilt(folder / "rebuild.db"))
    ratio = None if peer is None else ours / peer
    return Result("sourcing.rebuild_10000", "eventsourcing", ours, peer, "events/s", ratio, "none")


async def _rebuilt(path: Path) -> float:
    async with _bank(path) as bank:
        async for _ in bank.dispatch_all(Deposit("long", 1) for _ in range(HISTORY)):
            pass
        rates = []
        for _ in range(RUNS):
            started = time.perf_counter()
            account = await bank.state(Account, "long")
            rates.append(HISTORY / (time.perf_counter() - started))
            assert account.balance == HISTORY
    return statistics.median(rates)
