"""`make bench`: run the benchmarks, print a table, write bench/results.json."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench import (
    catchup,
    cqrs,
    cqrs_postgres,
    demo,
    pubsub,
    runtime,
    stages,
    store,
    store_postgres,
    store_subscribe,
    tables,
)
from bench.result import Result, print_table, write_json

BENCHMARKS: dict[str, Callable[[], list[Result]]] = {
    "cqrs": cqrs.run,
    "cqrs.catchup": catchup.run,
    "cqrs.postgres": cqrs_postgres.run,
    "demo": demo.run,
    "pubsub": pubsub.run,
    "runtime": runtime.run,
    "sourcing": cqrs.run_sourcing,
    "stages": stages.run,
    "store.postgres": store_postgres.run,
    "store.sqlite": store.run,
    "store.sqlite.subscribe": store_subscribe.run,
    "tables": tables.run,
}
ALONE = "--alone "
"""Stands before the whole name of one of them, when it gets a process of its own."""


def main(prefix: str) -> int:
    alone, prefix = prefix.startswith(ALONE), prefix.removeprefix(ALONE)
    chosen = [name for name in BENCHMARKS if name.startswith(prefix) or prefix.startswith(name)]
    if alone or chosen[-1:] == [prefix]:  # exactly this one, and none of those whose names it begins with or continues
        chosen = [prefix]
    if not chosen:
        sys.stderr.write(f"no benchmark begins with {prefix!r}; there are: {', '.join(BENCHMARKS)}\n")
        return 2
    if len(chosen) > 1:  # each in a process of its own: what one leaves in memory would slow the next one down
        return max(subprocess.call([sys.executable, "-m", "bench", "--alone", name]) for name in chosen)
    results = [result for result in BENCHMARKS[chosen[0]]() if result.name.startswith(prefix)]
    print_table(results)
    write_json(results, Path(__file__).parent / "results.json")
    return 0


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
