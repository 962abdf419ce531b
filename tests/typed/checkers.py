"""Type checkers, as commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).parents[2]
BASEDPYRIGHT: Final = Path(sys.executable).with_name("basedpyright")
"""It is pyright, and brings its own node: nothing is loaded from the network."""

MARK: Final = "# E:"
"""Stands at the end of a line that must be an error. No other line may be one."""

Checker = Callable[[Path], tuple[set[int], str]]
"""Checks one file. Returns the lines with errors, and what the checker said."""


class _Position(msgspec.Struct):
    line: int


class _Range(msgspec.Struct):
    start: _Position


class _Diagnostic(msgspec.Struct):
    file: str
    severity: str
    message: str
    range: _Range


class Completeness(msgspec.Struct):
    """How many public names have a type that is known, only inferred (checkers may differ), or unknown."""

    known: int = msgspec.field(name="withKnownType")
    ambiguous: int = msgspec.field(name="withAmbiguousType")
    unknown: int = msgspec.field(name="withUnknownType")


class _TypeCompleteness(msgspec.Struct):
    exported: Completeness = msgspec.field(name="exportedSymbolCounts")


class _Verified(msgspec.Struct, rename="camel"):
    type_completeness: _TypeCompleteness


class _Report(msgspec.Struct, rename="camel"):
    general_diagnostics: list[_Diagnostic]


def mypy(source: Path) -> tuple[set[int], str]:
    """The lines that mypy, as strict as it can be, finds wrong."""
    said = _output([sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", source])
    found = (line.split(":") for line in said.splitlines() if ": error:" in line)
    return {int(number) for file, number, *_ in found if file.endswith(source.name)}, said


def pyright(source: Path) -> tuple[set[int], str]:
    """The lines that pyright finds wrong in its strict mode, without what basedpyright adds to it."""
    settings = source.with_name("pyrightconfig.json")
    settings.write_text(json.dumps({"typeCheckingMode": "strict", "extraPaths": [str(ROOT / "src")]}))
    said = _output([BASEDPYRIGHT, "--outputjson", "--project", settings, source])
    errors = [each for each in _diagnostics(said) if each.severity == "error" and each.file == str(source)]
    return {each.range.start.line + 1 for each in errors}, "\n".join(
        f"{each.range.start.line + 1}: {each.message}" for each in errors
    )


CHECKERS: Final[Sequence[Checker]] = (mypy, pyright)


def complete_types(package: str) -> Completeness:
    """What pyright knows of a package's public names, without looking into other packages."""
    said = _output([BASEDPYRIGHT, "--verifytypes", package, "--ignoreexternal", "--outputjson"])
    return msgspec.json.decode(said, type=_Verified).type_completeness.exported


def expected_errors(source: str) -> set[int]:
    """The lines that are marked as wrong."""
    return {number for number, line in enumerate(source.splitlines(), start=1) if MARK in line}


def _diagnostics(said: str) -> list[_Diagnostic]:
    return msgspec.json.decode(said, type=_Report).general_diagnostics


def _output(command: Sequence[str | Path]) -> str:
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # pyright asks the first python it finds
    environment = {**os.environ, "PATH": paths, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False).stdout
