"""What a type checker knows about calls. Each `# E:` line must be an error for mypy, no other line may."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

CASES = """
from typing import assert_type

from headwater import Deferred, GenServer, Pid, System


class Counter(GenServer):
    def init(self, start: int = 0) -> None:
        self.value = start

    def increment(self, by: int = 1, *, times: int = 1) -> int:
        return self.value

    async def slowly(self, text: str) -> bytes:
        return text.encode()

    def later(self) -> Deferred[list[str]]:
        return self.defer(list[str])


class Fast(Counter):
    pass


class Other(GenServer):
    def ping(self) -> str:
        return "pong"


async def cases(system: System) -> None:
    counter = await system.start(Counter, 10, name="counter")
    assert_type(counter, Pid[Counter])
    assert_type(await counter.call(Counter.increment), int)
    assert_type(await counter.call(Counter.increment, 5, times=2), int)
    assert_type(await counter.call(Counter.slowly, "x"), bytes)
    assert_type(await counter.call(Counter.later), list[str])
    assert_type(await counter.within(0.5).call(Counter.increment), int)
    counter.cast(Counter.increment, 5)
    counter.cast(Counter.slowly, text="x")
    fast = await system.start(Fast)
    assert_type(await fast.call(Counter.increment), int)
    base: Pid[Counter] = fast
    anybody: Pid[object] = counter
    await counter.call(Counter.increment, "5")  # E:
    await counter.call(Counter.increment, 1, 2)  # E:
    await counter.call(Counter.increment, often=2)  # E:
    await counter.call(Counter.slowly)  # E:
    await counter.call(Other.ping)  # E:
    await base.call(Fast.increment)
    await base.call(Other.ping)  # E:
    counter.cast(Counter.increment, "5")  # E:
    counter.cast(Other.ping)  # E:
    wrong: Pid[Other] = counter  # E:
    number: str = await counter.call(Counter.increment)  # E:
    await system.start(int)  # E:
"""


def test_calls_are_typed(tmp_path: Path) -> None:
    source = tmp_path / "cases.py"
    source.write_text(CASES)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", source],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    found = {int(line) for line in re.findall(r"cases\.py:(\d+): error", done.stdout)}
    expected = {number for number, line in enumerate(CASES.splitlines(), start=1) if "# E:" in line}
    assert found == expected, done.stdout
