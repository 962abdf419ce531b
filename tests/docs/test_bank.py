"""Whoever types in "A bank, from an empty folder" from its top to its end sees what stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.driving import PROJECT, on_terminal

CHAPTER = PROJECT / "docs" / "guide" / "bank.md"
STEP = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```$|^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
COLUMNS = 120


class Reader:
    """Types in what the chapter says, on a terminal, in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._exports: list[str] = []
        self._path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def save(self, name: str, source: str) -> None:
        (self._folder / name).write_text(source)

    def type(self, command: str) -> str:
        if command.startswith("export "):
            self._exports.append(command)
            return ""
        line = "; ".join([*self._exports, command])
        code, printed = on_terminal(
            cwd=self._folder, columns=COLUMNS, program=["bash", "-c", line], PATH=self._path, NO_COLOR="1"
        )
        assert code == 0, (command, printed)
        return printed


def comparable(command: str, printed: str) -> Iterator[str]:
    """What is the same whenever somebody types it in: without widths; of `headwater` and pytest, without numbers."""
    for line in printed.splitlines():
        text = " ".join(line.split())
        if not command.startswith("python ") or "pytest" in command:
            text = re.sub(r"\d+", "0", text)
        if text and "━" not in text:  # a bar that was there for a moment
            yield text


@pytest.mark.timeout(120)
def test_the_bank_grows_as_the_chapter_says(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    typed = 0
    for name, source, session in STEP.findall(CHAPTER.read_text()):
        if name:
            reader.save(name, source)
            continue
        for command, expected in COMMAND.findall(session):
            printed = reader.type(command)
            assert list(comparable(command, printed)) == list(comparable(command, expected)), command
            typed += 1
    assert typed > 10
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull, "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_nothing_in_the_chapter_is_passed_over() -> None:
    text = CHAPTER.read_text()
    steps = STEP.findall(text)
    assert text.count("```python\n") == sum(bool(name) for name, _, _ in steps)
    assert text.count("```console\n") == sum(bool(session) for _, _, session in steps)
    assert text.count("```sh\n") == 1  # the installation
