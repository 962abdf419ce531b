"""What a type checker knows about stages. Each `# E:` line must be an error for mypy, no other line may."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

CASES = """
from collections.abc import AsyncIterator, Sequence
from typing import assert_type

from headwater import Consumer, Pid, Producer, ProducerConsumer, Subscription, System
from headwater import BroadcastDispatcher, from_iterable, stream, subscribe


class Numbers(Producer[int]):
    def handle_demand(self, demand: int) -> Sequence[int]:
        return range(demand)

    def give(self) -> None:
        self.emit([1])
        self.emit(["one"])  # E:


class Slow(Producer[int]):
    async def handle_demand(self, demand: int) -> list[int]:
        return [1]


class Wrong(Producer[int]):
    def handle_demand(self, demand: int) -> list[str]:  # E:
        return []


class Text(ProducerConsumer[int, str]):
    async def handle_events(self, events: list[int], source: Subscription) -> list[str]:
        return [str(event) for event in events]


class Printer(Consumer[str]):
    def init(self, texts: Pid[Text], numbers: Pid[Numbers]) -> None:
        self.subscribe_to(texts, max_demand=5)
        self.subscribe_to(texts, max_demands=5)  # E:
        self.subscribe_to(numbers)  # E:

    def handle_events(self, events: list[str], source: Subscription) -> None:
        print(" ".join(events))


async def cases(system: System, printer: Pid[Printer]) -> None:
    numbers, text = await system.start(Numbers), await system.start(Text)
    assert_type(await subscribe(text, numbers, max_demand=5, cancel="temporary"), Subscription)
    await subscribe(printer, text, selector=lambda event: event.isalpha())
    await subscribe(printer, numbers)  # E:
    await subscribe(text, numbers, cancel="never")  # E:
    await subscribe(numbers, text)  # E:
    async with stream(text) as events:
        assert_type(events, AsyncIterator[str])
    async with stream(await from_iterable(system, [1.5])) as floats:
        assert_type(await anext(floats), float)
    await numbers.call(Numbers.set_demand, "forward")
    await numbers.call(Numbers.set_demand, "both")  # E:
"""


def test_stages_are_typed(tmp_path: Path) -> None:
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
