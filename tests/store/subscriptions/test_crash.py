"""The consuming process is killed at any moment; the next one goes on."""

import random
import time
from pathlib import Path

import pytest

from ..driving import Child


@pytest.mark.row("ES-12", "ES-15", "ES-17", "BG-01", "BS-13")
@pytest.mark.parametrize("consumers", [1, 3])
def test_nothing_is_skipped_when_the_owner_is_killed(tmp_path: Path, consumers: int) -> None:
    _kill_again_and_again(tmp_path, consumers, kills=5)


@pytest.mark.soak
@pytest.mark.parametrize("consumers", [1, 2, 8])
def test_nothing_is_skipped_over_hundreds_of_kills(tmp_path: Path, consumers: int) -> None:
    _kill_again_and_again(tmp_path, consumers, kills=150)


def _kill_again_and_again(tmp_path: Path, consumers: int, kills: int) -> None:
    rng = random.Random(consumers)
    handled: set[int] = set()
    checkpoint = 0
    for seed in range(kills):
        lines = _life(tmp_path, rng, str(seed), consumers)
        begins = [int(line.split()[1]) for line in lines if line.startswith("from")]
        assert begins[0] >= checkpoint, "a checkpoint never goes back"
        checkpoint = begins[0]
        assert set(range(1, checkpoint + 1)) <= handled, "it is never past an event that was not handled"
        handled |= _check_order([line for line in lines if not line.startswith("from")], consumers, checkpoint)
    assert checkpoint > 0
    assert max(handled) > 50


def _life(tmp_path: Path, rng: random.Random, seed: str, consumers: int) -> list[str]:
    """What one process prints until it is killed."""
    module = "store.subscriptions.child"
    with Child("consume", tmp_path / "events.db", seed, str(consumers), module=module) as child:
        lines = [child.line() for _ in range(consumers + rng.randrange(20, 300))]
        deadline = time.perf_counter() + rng.random() * 0.005
        while time.perf_counter() < deadline:  # a random moment of a transaction
            pass
        return lines + child.kill()


def _check_order(lines: list[str], consumers: int, checkpoint: int) -> set[int]:
    """Each stream in order; with one consumer all of it, beginning behind the checkpoint."""
    versions: dict[str, int] = {}
    positions = []
    for line in lines:
        stream, version, position = line.split()
        assert int(version) == versions.get(stream, int(version) - 1) + 1, "a stream's next event"
        versions[stream] = int(version)
        positions.append(int(position))
    if consumers == 1:
        assert positions == list(range(checkpoint + 1, checkpoint + 1 + len(positions)))
    return set(positions)
