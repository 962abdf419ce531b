"""Killed at any moment."""

import asyncio
import random
from pathlib import Path

import pytest

from headwater.store.verification import verify

from .driving import Deposited, appended_until_killed, check_log, opened

KILLS = 50


@pytest.mark.row("BS-16")
@pytest.mark.parametrize("clients", [1, 50])
def test_every_acknowledged_event_survives_sigkill(tmp_path: Path, clients: int) -> None:
    _kill_again_and_again(tmp_path, clients, KILLS // 2)


@pytest.mark.soak
@pytest.mark.parametrize("clients", [1, 50, 500])
def test_every_acknowledged_event_survives_hundreds_of_kills(tmp_path: Path, clients: int) -> None:
    _kill_again_and_again(tmp_path, clients, kills=200)


def _kill_again_and_again(tmp_path: Path, clients: int, kills: int) -> None:
    rng = random.Random(clients)
    acknowledged: dict[int, tuple[str, int]] = {}
    for _ in range(kills):
        acknowledged |= appended_until_killed(tmp_path / "events.db", clients, rng)
        asyncio.run(_check(tmp_path, acknowledged))
    assert len(acknowledged) > kills


async def _check(directory: Path, acknowledged: dict[int, tuple[str, int]]) -> None:
    async with await opened(directory) as store:
        head = await check_log(store)
        assert (await verify(store)).broken is None
        found = {event.position: (event.stream, event.version) async for event in store.raw_all()}
        assert acknowledged.items() <= found.items()
        done = await store.append("after", [Deposited(1)])
        assert done.position == head + 1
