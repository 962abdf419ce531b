"""A bank with a view in a database that is killed again and again. Run as a program: folder, database, how often.

One process is the warden: it forks the bank, reads from a pipe how many commands were answered, kills it, and goes on.
Then a last bank, which nobody kills, follows the log to its end and prints what its view holds.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys

from headwater import Application

from ..bank import Account, Deposit, Deposited, Withdraw, Withdrawn
from ..sql_bank import Entries, Ledger

COMMANDS = 120


class Books(Ledger, name="Books", batch=7, partitions=2):
    pass


def bank(folder: str, database: str) -> Application:
    return Application(
        "bank", store=f"sqlite:///{folder}/bank.db", aggregates=[Account], projections=[Books], view_database=database
    )


async def trade(folder: str, database: str, output: int) -> None:
    async with bank(folder, database) as application:
        for number in range(COMMANDS):
            account = f"a-{number // 3 % 5}"
            command = Withdraw(account, 1) if number % 3 == 2 else Deposit(account, 3)
            await application.dispatch(command)
            os.write(output, b".")


def kill_one(folder: str, database: str, answers: int) -> None:
    """Fork a bank, and kill it when so many of its commands were answered."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(trade(folder, database, writing))
        finally:
            os._exit(1)
    os.close(writing)
    for _ in range(answers):
        assert os.read(reading, 1)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    os.close(reading)


def _amount(event: object) -> int:
    match event:
        case Deposited(amount=amount):
            return amount
        case Withdrawn(amount=amount):
            return -amount
        case _:
            raise TypeError(event)


async def look(folder: str, database: str) -> None:
    async with bank(folder, database) as application:
        log = [[one.position, _amount(one.event)] async for one in application.store.read_all()]
        await application.wait_for(Books, len(log))
        entries = [[one.position, one.amount] for one in await application.query(Entries())]
    print(json.dumps({"log": log, "entries": entries}))


def main(folder: str, database: str, kills: int) -> None:
    chance = random.Random(7)
    for _ in range(kills):
        kill_one(folder, database, chance.randrange(1, COMMANDS // 2))
    asyncio.run(look(folder, database))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
