"""What a type checker knows about pipelines. Each `# E:` line must be an error for mypy, no other line may."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

CASES = """
from collections.abc import AsyncIterator
from typing import assert_type

from headwater import Batcher, BatchInfo, IterableSource, Message, OrderedSource, Pipeline, Processors, Retry, System
from headwater.testing.pipelines import ManualSource, Outcome


class Numbers(Pipeline[int]):
    processors = Processors(concurrency=3)
    batchers = {"rows": Batcher(size=5)}
    retry = Retry(attempts="three")  # E:

    def partition_by(self, data: int) -> int:
        return data % 10

    def handle_message(self, message: Message[int]) -> None:
        assert_type(message.data, int)
        assert_type(message.delivery.item, int)
        message.data = "text"  # E:
        message.fail("no", retry=False)

    async def handle_batch(self, messages: list[Message[int]], batch: BatchInfo) -> None:
        assert_type([message.data for message in messages], list[int])
        assert_type(batch.batcher, str)


class Wrong(Pipeline[int]):
    def handle_message(self, message: Message[str]) -> None:  # E:
        pass


class Log(OrderedSource[str]):
    async def subscribe(self) -> AsyncIterator[str]:
        async def read() -> AsyncIterator[str]:
            yield "line"

        return read()

    async def acknowledge_up_to(self, item: int) -> None:  # E:
        pass


async def cases(system: System) -> None:
    numbers = Numbers(IterableSource([1, 2]), ManualSource[int]())
    await numbers.start(system)
    Numbers(Log())  # E:
    Numbers(IterableSource(["a"]))  # E:
    Numbers([1, 2])  # E:
    source: ManualSource[int] = ManualSource()
    assert_type(await source.test_message(1), Outcome[int])
    await source.test_message("one")  # E:
"""


def test_the_types_of_pipelines_are_known(tmp_path: Path) -> None:
    program = tmp_path / "cases.py"
    program.write_text(CASES)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    found = {int(line) for line in re.findall(r"cases\.py:(\d+): error", done.stdout)}
    expected = {number for number, line in enumerate(CASES.splitlines(), start=1) if "# E:" in line}
    assert found == expected, done.stdout
