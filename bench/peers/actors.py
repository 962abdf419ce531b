"""pykka's side of the runtime benchmarks: prints a name and nanoseconds on each line."""

import statistics
import time

import pykka


class Tally(pykka.ThreadingActor):
    def __init__(self, total):
        super().__init__()
        self.total = total

    def on_receive(self, number):
        self.total += number
        return self.total


def measure(name, count, work):
    work(count // 10)
    times = []
    for _ in range(5):
        started = time.perf_counter()
        work(count)
        times.append(time.perf_counter() - started)
    print(name, statistics.median(times) / count * 1e9)


def asks(count):
    for _ in range(count):
        tally.ask(1)


def tells(count):
    for _ in range(count):
        tally.tell(1)
    tally.ask(0)


tally = Tally.start(0)
measure("call", 5_000, asks)
measure("cast", 20_000, tells)
tally.stop()
