"""Commands through the whole framework on PostgreSQL, beside `eventsourcing` on the same server, fsync on.

The application is that of the benchmarks on SQLite, with a view that follows the log. A command is answered when its
event is durable. The peer is given the better of one thread and eight.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from functools import partial

import uvloop
from tests.postgres_server import VARIABLE, server

from bench.cqrs import ACCOUNTS, CLIENTS, RUNS, Account, Balances, Deposit
from bench.result import Result
from bench.store import Times, percentiles
from bench.store_postgres import in_schema, peer_figures
from headwater import Application

Work = Callable[[Application], Awaitable[Times]]

COMMANDS_1 = 2_000
COMMANDS_500 = 40
"""Of each client."""


def run() -> list[Result]:
    named = os.environ.get(VARIABLE)
    with nullcontext(named) if named else server() as url:
        return uvloop.run(_run(url))


async def _run(url: str) -> list[Result]:
    """Ours and the peer by turns, each on tables of its own, so that both have the same machine."""
    rates: dict[str, list[float]] = {"dispatch_1": [], "dispatch_500": []}
    times: dict[str, Times] = {"dispatch_1": [], "dispatch_500": []}
    peers: list[dict[str, float]] = []
    for _ in range(RUNS):
        for name, work in (("dispatch_1", one_client), ("dispatch_500", many_clients)):
            rate, found = await in_schema(url, partial(_measured, work=work))
            rates[name].append(rate)
            times[name] += found
        peers.append(await peer_figures(url, "eventsourcing_bank.py", after=("commands",)))
    if not all(peers):
        sys.stdout.write("cqrs.postgres: eventsourcing is missing\n")
    one = _median(peers, "command_1")
    best = max(filter(None, (one, _median(peers, "command_8"))), default=None)
    return [
        _result(name, statistics.median(rates[name]), peer, times[name])
        for name, peer in (("dispatch_1", one), ("dispatch_500", best))
    ]


def _median(peers: list[dict[str, float]], name: str) -> float | None:
    return statistics.median(peer[name] for peer in peers) if all(peers) else None


def _result(name: str, ours: float, peer: float | None, times: Times) -> Result:
    ratio = None if peer is None else ours / peer
    return Result(
        f"cqrs.postgres.{name}", "eventsourcing", ours, peer, "commands/s", ratio, "full", *percentiles(times)
    )


async def _measured(url: str, work: Work) -> tuple[float, Times]:
    async with Application("bank", store=url, aggregates=[Account], projections=[Balances]) as bank:
        assert bank.store.durability == "full"
        for number in range(ACCOUNTS):
            await bank.dispatch(Deposit(f"a-{number}", 1))
        started = time.perf_counter()
        times = await work(bank)
        seconds = time.perf_counter() - started
        await bank.wait_for(Balances, await bank.store.head())
    return len(times) / seconds, times


async def one_client(bank: Application) -> Times:
    return await _client(bank, [f"a-{number % ACCOUNTS}" for number in range(COMMANDS_1)])


async def many_clients(bank: Application) -> Times:
    found = await asyncio.gather(*(_client(bank, [f"a-{number}"] * COMMANDS_500) for number in range(CLIENTS)))
    return [one for run in found for one in run]


async def _client(bank: Application, accounts: list[str]) -> Times:
    times = []
    for account in accounts:
        started = time.perf_counter()
        await bank.dispatch(Deposit(account, 1))
        times.append(time.perf_counter() - started)
    return times
