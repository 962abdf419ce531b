"""What a test run says about the rows: the message from the pytest plugin to the command."""

from pathlib import Path
from typing import Literal

import msgspec

Outcome = Literal["not run", "passed", "skipped", "failed"]
"""What became of a test. An expected failure counts as skipped: it proves nothing."""

SEVERITY: tuple[Outcome, ...] = ("not run", "passed", "skipped", "failed")
"""The outcomes in the order in which a later one outweighs an earlier one, in the phases of one test."""


class RowTest(msgspec.Struct, frozen=True):
    """A test that carries rows.

    Attributes:
        name: Its file and name, without parameters: several of a run may share it.
        rows: The ids it carries.
        outcome: What became of it.
    """

    name: str
    rows: tuple[str, ...]
    outcome: Outcome


class Run(msgspec.Struct, frozen=True):
    """A test run.

    Attributes:
        tests: Every collected test that carries rows, also those that were deselected.
        uncollected: Files and classes that were skipped as a whole. Which rows their tests carry is unknown.
    """

    tests: list[RowTest]
    uncollected: list[str]


def write_run(run: Run, path: Path) -> None:
    """Write a run to a file, for `read_run`."""
    path.write_bytes(msgspec.json.encode(run))


def read_run(path: Path) -> Run:
    """Return the run that `write_run` wrote to the file."""
    return msgspec.json.decode(path.read_bytes(), type=Run)
