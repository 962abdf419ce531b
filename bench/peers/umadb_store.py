"""UmaDB's side of the store benchmarks: prints a name and events a second on each line.

Usage: umadb_store.py FOLDER. The server keeps its file there, on the same disk as ours, and syncs before it answers.
"""

import socket
import statistics
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path

from umadb import Client, Event

DATA = b'{"account":"a-1","amount":1,"note":"hello world, this is a payload"}'
RUNS = 3


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def connect(url):
    for _ in range(100):
        try:
            client = Client(url)
            client.head()
        except Exception:
            time.sleep(0.1)
        else:
            return client
    raise SystemExit("umadb does not answer")


def event(number):
    return Event("Deposited", DATA, tags=[f"account:a-{number % 500}"])


def rate(count, work):
    rates = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        rates.append(count / (time.perf_counter() - started))
    return statistics.median(rates)


def one(client, count):
    for number in range(count):
        client.append([event(number)])


def many(url, clients, count):
    threads = [threading.Thread(target=lambda: one(Client(url), count)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def best(url, clients):
    return rate(clients * 50, lambda: many(url, clients, 50))


def batches(client, count):
    for _ in range(count):
        client.append([event(number) for number in range(1_000)])


def main(folder):
    port = free_port()
    server = subprocess.Popen(
        [
            Path(sysconfig.get_path("scripts")) / "umadb",
            "--db-path",
            f"{folder}/uma.db",
            "--listen",
            f"127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        client = connect(url)
        print("append_1", rate(1_000, lambda: one(client, 1_000)))
        print("append_500", max(best(url, clients) for clients in (32, 128, 256)))
        print("append_batch_1000", rate(30_000, lambda: batches(client, 30)))
        print("read_all", rate(client.head(), lambda: sum(1 for _ in client.read())))
    finally:
        server.terminate()
        server.wait()


main(sys.argv[1])
