"""What a type checker knows about personal fields. Each `# E:` line must be an error for it, no other line may."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.typed.checkers import CHECKERS, Checker, expected_errors

CASES = """
from typing import assert_type

from headwater import Event, Personal


class Registered(Event, subject="person"):
    person: str
    name: Personal[str]
    age: Personal[int] = None


def cases(event: Registered) -> None:
    assert_type(event.name, str | None)
    assert_type(event.age, int | None)
    event.name.upper()  # E:
    if event.name is not None:
        assert_type(event.name, str)
    Registered("p-1", "Ann", 5)
    Registered("p-1", name="Ann")
    Registered("p-1", None)
    Registered("p-1")  # E:
    Registered("p-1", 5)  # E:
"""


@pytest.mark.row("BS-07")
@pytest.mark.parametrize("checker", CHECKERS)
def test_a_personal_field_may_be_none(tmp_path: Path, checker: Checker) -> None:
    source = tmp_path / "cases.py"
    source.write_text(CASES)
    found, said = checker(source)
    assert found == expected_errors(CASES), said
