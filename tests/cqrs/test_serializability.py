"""50 clients, commands of aggregates and of decision models on the same few entities: the log reads as if it had
been one client. On SQLite and on PostgreSQL, where several applications write to one log."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import TypeAlias

import pytest

from headwater import Application, Command, Committed, Event, Recorded, Rejected
from headwater.errors import ConflictNotResolved
from tests.cqrs.test_transfers import Paid, Pay, Purse, Transfer, Transfers
from tests.postgres_server import SHARED, wipe, with_options

CLIENTS = 50
COMMANDS = 6
PURSES = "abcde"

Answer: TypeAlias = "Committed | Rejected | ConflictNotResolved"
Done: TypeAlias = "tuple[Command, int, int, Answer]"
"""A command; the log's head when it was sent, and when it was answered; the answer."""


def bank_of_purses(url: str) -> Application:
    return Application("purses", store=url, aggregates=[Purse], models=[Transfers])


def random_command(rng: Random) -> Command:
    if rng.random() < 0.5:
        return Pay(rng.choice(PURSES), rng.choice((-3, -2, -1, 1, 2)))
    source, target = rng.sample(PURSES, 2)
    return Transfer(source, target, rng.randint(1, 3))


async def client(application: Application, rng: Random) -> list[Done]:
    done: list[Done] = []
    for _ in range(COMMANDS):
        command = random_command(rng)
        before = int(await application.store.head())
        answer: Answer
        try:
            answer = await application.dispatch(command, attempts=50, timeout=30.0)
        except (Rejected, ConflictNotResolved) as error:
            answer = error
        done.append((command, before, int(await application.store.head()), answer))
    return done


async def run_clients(url: str, nodes: int, seed: int) -> tuple[list[Done], list[Recorded]]:
    """What all clients have done, and the log."""
    async with AsyncExitStack() as stack:
        running = [await stack.enter_async_context(bank_of_purses(url)) for _ in range(nodes)]
        for purse in PURSES:
            await running[0].dispatch(Pay(purse, 2))
        done = await asyncio.gather(
            *(client(running[number % nodes], Random(f"{seed} {number}")) for number in range(CLIENTS))
        )
        log = [recorded async for recorded in running[0].store.read_all()]
    return [one for run in done for one in run], log


def check(done: list[Done], log: list[Recorded]) -> None:
    """Each answer is the one that a single client would have got at that place of the log."""
    states = [Counter[str]()]  # after each position
    for recorded in log:
        assert isinstance(recorded.event, Paid)
        states.append(states[-1].copy())
        states[-1][recorded.event.purse] += recorded.event.amount
    assert all(amount >= 0 for state in states for amount in state.values())

    stored = 0
    for command, before, after, answer in done:
        if isinstance(answer, Committed):
            first = answer.position - len(answer.events)
            assert before <= first <= answer.position <= after
            assert tuple(recorded.event for recorded in log[first : answer.position]) == answer.events
            assert alone(command, states[first]) == answer.events
            stored += len(answer.events)
        elif isinstance(answer, Rejected):
            moments = states[before : after + 1]
            assert any(alone(command, state) is None for state in moments), "it was true while it waited"
    assert stored + len(PURSES) == len(log), "each event was answered for, and to one client"


def alone(command: Command, amounts: Counter[str]) -> tuple[Event, ...] | None:
    """What a single client would have got; None for a rejection."""
    match command:
        case Pay(purse, amount):
            return (Paid(purse, amount),) if amounts[purse] + amount >= 0 else None
        case Transfer(source, target, amount):
            moved = (Paid(source, -amount), Paid(target, amount))
            return moved if amounts[source] >= amount else None
    raise TypeError(command)


def prove(url: str, nodes: int, seed: int) -> None:
    done, log = asyncio.run(run_clients(url, nodes, seed))
    kinds = Counter(type(answer).__name__ for *_, answer in done)
    assert len(done) == CLIENTS * COMMANDS
    assert kinds["Committed"] >= 50, "not much was tried"
    assert kinds["Rejected"] >= 20, "not much was tried"
    check(done, log)


@pytest.mark.row("BC-14", "BS-03", "CM-09")
@pytest.mark.parametrize("seed", range(3))
def test_50_clients_on_sqlite(tmp_path: Path, seed: int) -> None:
    prove(f"sqlite:///{tmp_path}/purses.db", 1, seed)


@pytest.mark.row("BC-14", "BS-03", "CM-09", "CM-33")
@pytest.mark.parametrize(("nodes", "seed"), [(1, 0), (3, 1)])
def test_50_clients_on_postgres(postgres: str, nodes: int, seed: int) -> None:
    """Several nodes: no registry or lock between them, each has processes of its own for the same aggregates."""
    asyncio.run(wipe(postgres, SHARED))
    prove(with_options(postgres, schema=SHARED), nodes, seed)
