"""The consuming process is killed at any moment; the next one goes on."""

from pathlib import Path

import pytest

from .killing import kill_again_and_again


@pytest.mark.row("ES-12", "ES-15", "ES-17", "BG-01", "BS-13")
@pytest.mark.parametrize("consumers", [1, 3])
def test_nothing_is_skipped_when_the_owner_is_killed(tmp_path: Path, consumers: int) -> None:
    kill_again_and_again(f"sqlite:///{tmp_path}/events.db", consumers, kills=5)


@pytest.mark.soak
@pytest.mark.parametrize("consumers", [1, 2, 8])
def test_nothing_is_skipped_over_hundreds_of_kills(tmp_path: Path, consumers: int) -> None:
    kill_again_and_again(f"sqlite:///{tmp_path}/events.db", consumers, kills=150)
