"""The side of `eventsourcing` in the store benchmarks: prints a name and events a second on each line.

Usage: eventsourcing_store.py HOST PORT USER DATABASE. The same server as ours, with the library's own tables and defaults.
Of several numbers of threads the best one counts.
"""

import statistics
import sys
import threading
import time
from uuid import uuid4

from eventsourcing.persistence import InfrastructureFactory, StoredEvent
from eventsourcing.utils import Environment

DATA = b'{"account":"a-1","amount":1,"note":"hello world, this is a payload"}'
RUNS = 3


def recorder(host, port, user, database):
    env = Environment(
        name="bench",
        env={
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": database,
            "POSTGRES_HOST": host,
            "POSTGRES_PORT": port,
            "POSTGRES_USER": user,
            "POSTGRES_PASSWORD": "none",
            "POSTGRES_POOL_SIZE": "20",
        },
    )
    return InfrastructureFactory.construct(env).application_recorder()


def events(count):
    stream = uuid4()
    return [StoredEvent(stream, version, "bench:Deposited", DATA) for version in range(1, count + 1)]


def rate(count, work):
    rates = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        rates.append(count / (time.perf_counter() - started))
    return statistics.median(rates)


def one(target, count):
    for event in events(count):
        target.insert_events([event])


def many(target, threads, count):
    running = [threading.Thread(target=one, args=(target, count)) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def main():
    target = recorder(*sys.argv[1:])
    one(target, 50)
    print("append_1", rate(500, lambda: one(target, 500)))
    print("append_500", max(rate(n * 100, lambda n=n: many(target, n, 100)) for n in (4, 10, 20)))
    print("append_batch_1000", rate(10_000, lambda: [target.insert_events(events(1_000)) for _ in range(10)]))


main()
