"""The peers' sides of the benchmarks, in an environment of their own."""

from __future__ import annotations

import subprocess
import sys
import venv
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent
_ENVIRONMENT = _FOLDER.parents[1] / ".venv-peers"


@cache
def python_with_peers() -> Path | None:
    """The Python that has the peers from the package index; None if they can't be installed."""
    python = _ENVIRONMENT / "bin" / "python"
    if not python.exists():
        venv.create(_ENVIRONMENT, with_pip=True)
    command: list[str | Path] = [
        python,
        *["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"],
        _FOLDER / "requirements.txt",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stdout.write("the peers from the package index can't be installed; their figures are missing\n")
        return None
    return python


def figures(script: str, *arguments: str) -> dict[str, float]:
    """What a peer's script prints: a name and a number on each line. Empty if the peer is missing."""
    python = python_with_peers()
    if python is None:
        return {}
    done = subprocess.run(
        [python, _FOLDER / script, *arguments], capture_output=True, text=True, check=True, timeout=300
    )
    return {name: float(value) for name, value in (line.split() for line in done.stdout.splitlines())}
