"""Every program in the guide prints what the guide says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = re.compile(r"^```python\n(.*?)^```\n\n^```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CHAPTERS = sorted(
    chapter
    for chapter in (ROOT / "docs" / "guide").glob("*.md")
    if chapter.name != "bank.md"  # its programs are one: test_bank.py
)
PROGRAMS = [
    pytest.param(source, printed, id=f"{chapter.stem}-{number}")
    for chapter in CHAPTERS
    for number, (source, printed) in enumerate(PROGRAM.findall(chapter.read_text()), start=1)
]


@pytest.mark.parametrize(("source", "printed"), PROGRAMS)
def test_a_program_prints_what_stands_below_it(tmp_path: Path, source: str, printed: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(source)
    done = subprocess.run(
        [sys.executable, "-W", "error", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == (printed, "")


def test_every_program_is_followed_by_what_it_prints() -> None:
    for chapter in CHAPTERS:
        text = chapter.read_text()
        assert text.count("```python\n") == len(PROGRAM.findall(text)), chapter.name


def test_the_programs_type_check(tmp_path: Path) -> None:
    for number, parameters in enumerate(PROGRAMS):
        (tmp_path / f"program_{number}.py").write_text(str(parameters.values[0]))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", tmp_path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
