"""SIGKILL, while commands are decided and a view in a database follows them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ..postgres_server import own_schema, with_options

ROOT = Path(__file__).parents[2]


def killed(folder: Path, database: str, kills: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.cqrs.sql_child", folder, database, str(kills)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["log"]) > kills
    assert found["entries"] == found["log"]


@pytest.mark.row("CM-26")
def test_after_many_kills_each_event_has_had_its_effect_once(tmp_path: Path) -> None:
    killed(tmp_path, f"sqlite:///{tmp_path}/views.db", 15)


@pytest.mark.row("CM-26")
def test_also_in_postgresql(tmp_path: Path, postgres: str) -> None:
    killed(tmp_path, with_options(postgres, schema=own_schema(tmp_path)), 5)
