"""A process that consumes a subscription, killed again and again: what the next one must find."""

import random
import time

from ..driving import Child


def kill_again_and_again(url: str, consumers: int, kills: int, lines: int = 300) -> None:
    """Nothing is skipped, nothing comes out of order, and no checkpoint goes back.

    Args:
        url: the store's.
        consumers: how many there are in each process.
        kills: how many processes.
        lines: after how many events one is killed at the latest, about.
    """
    rng = random.Random(consumers)
    handled: set[int] = set()
    checkpoint = 0
    for seed in range(4 * kills):
        if seed >= kills and checkpoint > 0:
            break  # a busy machine may kill the first ones before any has written a checkpoint
        printed = _life(url, rng, str(seed), consumers, lines)
        begins = [int(line.split()[1]) for line in printed if line.startswith("from")]
        assert begins[0] >= checkpoint, "a checkpoint never goes back"
        checkpoint = begins[0]
        assert set(range(1, checkpoint + 1)) <= handled, "it is never past an event that was not handled"
        handled |= _check_order([line for line in printed if not line.startswith("from")], consumers, checkpoint)
    assert checkpoint > 0
    assert max(handled) > 50


def _life(url: str, rng: random.Random, seed: str, consumers: int, most: int) -> list[str]:
    """What one process prints until it is killed."""
    module = "store.subscriptions.child"
    with Child("consume", url, seed, str(consumers), module=module) as child:
        lines = [child.line() for _ in range(consumers + rng.randrange(20, most))]
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
