"""The side of `eventsourcing` in the benchmarks of commands: prints a name and a number a second on each line.

Usage: eventsourcing_bank.py FOLDER commands|rebuild. Its SQLite file lies there, on the same disk as ours.
Or eventsourcing_bank.py HOST PORT USER DATABASE commands: the same server as ours, with the library's own tables.
"""

import statistics
import sys
import threading
import time

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

ACCOUNTS = 50
RUNS = 3


class Account(Aggregate):
    @event("Opened")
    def __init__(self, owner):
        self.owner = owner
        self.balance = 0

    @event("Deposited")
    def deposit(self, amount, note="hello world, this is a payload"):
        self.balance += amount


class Bank(Application):
    def open(self, owner):
        account = Account(owner)
        self.save(account)
        return account.id

    def deposit(self, account_id, amount):
        account = self.repository.get(account_id)
        account.deposit(amount)
        self.save(account)


def rate(count, work):
    rates = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        rates.append(count / (time.perf_counter() - started))
    return statistics.median(rates)


def deposits(bank, ids, count):
    for number in range(count):
        bank.deposit(ids[number % len(ids)], 1)


def threads(bank, ids, count, number):
    """Each thread has accounts of its own, so that none has a conflict."""
    share = len(ids) // number
    running = [
        threading.Thread(target=deposits, args=(bank, ids[one * share : (one + 1) * share], count // number))
        for one in range(number)
    ]
    for one in running:
        one.start()
    for one in running:
        one.join()


def on_sqlite(folder):
    return {
        "PERSISTENCE_MODULE": "eventsourcing.sqlite",
        "SQLITE_DBNAME": f"{folder}/eventsourcing.db",
        "SQLITE_LOCK_TIMEOUT": "30",
    }


def on_postgres(host, port, user, database):
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": database,
        "POSTGRES_HOST": host,
        "POSTGRES_PORT": port,
        "POSTGRES_USER": user,
        "POSTGRES_PASSWORD": "none",
        "POSTGRES_POOL_SIZE": "20",
    }


def main(*arguments):
    *place, what = arguments
    environment = on_sqlite(*place) if len(place) == 1 else on_postgres(*place)
    bank = Bank(env=environment)
    if what == "commands":
        ids = [bank.open("x") for _ in range(ACCOUNTS)]
        print("command_1", rate(1_000, lambda: deposits(bank, ids, 1_000)))
        print("command_8", rate(1_000, lambda: threads(bank, ids, 1_000, 8)))
    else:
        account = Account("y")
        for _ in range(10_000):
            account.deposit(1)
        bank.save(account)
        print("rebuild_10000", rate(10_000, lambda: bank.repository.get(account.id)))


main(*sys.argv[1:])
