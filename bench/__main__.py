"""`make bench`: run the benchmarks, print a table, write bench/results.json."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from bench import demo, runtime
from bench.result import Result, print_table, write_json

BENCHMARKS: dict[str, Callable[[], list[Result]]] = {"demo": demo.run, "runtime": runtime.run}


def main(prefix: str) -> int:
    chosen = [run for name, run in BENCHMARKS.items() if name.startswith(prefix) or prefix.startswith(name)]
    if not chosen:
        sys.stderr.write(f"no benchmark begins with {prefix!r}; there are: {', '.join(BENCHMARKS)}\n")
        return 2
    results = [result for run in chosen for result in run() if result.name.startswith(prefix)]
    print_table(results)
    write_json(results, Path(__file__).parent / "results.json")
    return 0


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
