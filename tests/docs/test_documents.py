"""What the documents print is run, as printed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MAKE_TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def blocks(document: Path, language: str) -> Iterator[str]:
    for kind, body in BLOCK.findall(document.read_text()):
        if kind == language:
            yield body


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def run_program(source: str, folder: Path) -> str:
    (folder / "program.py").write_text(source)
    done = run([sys.executable, "-W", "error", "program.py"], folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readme_example_prints_what_the_readme_says(tmp_path: Path) -> None:
    first, second = blocks(ROOT / "README.md", "python")
    assert run_program(first, tmp_path) == "now: 70\nthen: 50\n"
    assert run_program(second, tmp_path) == "16\n"


def test_the_readme_commands_work_on_what_its_example_left(tmp_path: Path) -> None:
    run_program(next(blocks(ROOT / "README.md", "python")), tmp_path)
    _, commands = blocks(ROOT / "README.md", "console")
    for line in commands.splitlines():
        if "tail" in line:
            continue  # it goes on until it is interrupted: tests/cli follows it
        done = run(shlex.split(line), tmp_path)
        assert done.returncode == 0, done.stderr
        assert "account-a-1" in done.stdout


def test_the_readme_examples_type_check(tmp_path: Path) -> None:
    for number, source in enumerate(blocks(ROOT / "README.md", "python")):
        (tmp_path / f"example_{number}.py").write_text(source)
    done = run([sys.executable, "-m", "mypy", "--strict", "--cache-dir", ".mypy_cache", str(tmp_path)], ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)\)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_commands_in_documents_exist(document: Path) -> None:
    for command in re.findall(r"(?:^|`)make ([a-z ]+?)(?:`|$| [A-Z]+=)", document.read_text(), re.MULTILINE):
        assert set(command.split()) <= MAKE_TARGETS, command


def test_make_help_lists_every_target() -> None:
    done = run(["make", "help"], ROOT)
    assert done.returncode == 0
    for target in MAKE_TARGETS:
        assert f"make {target}" in done.stdout
