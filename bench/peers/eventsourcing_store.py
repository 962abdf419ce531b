"""The side of `eventsourcing` in the store benchmarks: prints a name and events a second.

Usage: eventsourcing_store.py NAME HOST PORT USER DATABASE. The same server as ours, with the library's own tables and
defaults. Of several numbers of threads the best one counts.
"""

import sys
import threading
import time
from uuid import uuid4

from eventsourcing.persistence import InfrastructureFactory, StoredEvent
from eventsourcing.utils import Environment

DATA = b'{"account":"a-1","amount":1,"note":"hello world, this is a payload"}'


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
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def one(target, count):
    for event in events(count):
        target.insert_events([event])


def many(target, threads, count):
    running = [threading.Thread(target=one, args=(target, count)) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def append_1(target):
    return rate(500, lambda: one(target, 500))


def append_500(target):
    return max(rate(n * 50, lambda n=n: many(target, n, 50)) for n in (4, 10, 20))


def append_batch_1000(target):
    return rate(10_000, lambda: [target.insert_events(events(1_000)) for _ in range(10)])


def main():
    name, *server = sys.argv[1:]
    target = recorder(*server)
    one(target, 50)
    print(name, {"append_1": append_1, "append_500": append_500, "append_batch_1000": append_batch_1000}[name](target))


main()
