"""One recording and one uninterrupted run, shared by all tests that compare with it."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.examples.exchange.recordings import write_generated_recording

from .driving import essence, headwater

ROWS = 20_000
SMALL_ROWS = 3_000


@dataclass
class Demo:
    """A run that nobody interrupted.

    Attributes:
        recording: its input.
        path: its database.
        report: what it printed.
        events: its log.
    """

    recording: Path
    path: Path
    report: str
    events: list[tuple[int, str, int, str, str, object]]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """One that takes long enough to be killed."""
    return _demo(tmp_path_factory.mktemp("demo"), ROWS)


@pytest.fixture(scope="session")
def small_demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return _demo(tmp_path_factory.mktemp("small"), SMALL_ROWS)


def _demo(folder: Path, rows: int) -> Demo:
    recording = write_generated_recording(folder, rows)
    path = folder / "demo.db"
    done = headwater("demo", "exchange", "--input", recording, "--database", path, cwd=folder)
    assert done.returncode == 0, done.stderr
    return Demo(recording, path, done.stdout, essence(path))
