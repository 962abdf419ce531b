"""A process that appends, killed at any moment."""

import asyncio
import random

import pytest

from headwater import EventStore
from headwater.store.verification import verify
from tests.postgres_server import SHARED, wipe
from tests.store.driving import Deposited, appended_until_killed, check_log
from tests.store.driving import codec as childs_codec

from .driving import Database

KILLS = 10


@pytest.mark.row("BS-16")
@pytest.mark.parametrize("clients", [1, 50])
def test_every_acknowledged_event_survives_the_death_of_its_process(postgres: str, clients: int) -> None:
    _kill_again_and_again(postgres, clients, KILLS)


@pytest.mark.soak
@pytest.mark.parametrize("clients", [1, 50, 500])
def test_every_acknowledged_event_survives_hundreds_of_deaths(postgres: str, clients: int) -> None:
    _kill_again_and_again(postgres, clients, kills=100)


def _kill_again_and_again(server: str, clients: int, kills: int) -> None:
    rng = random.Random(clients)
    database = Database(server)
    asyncio.run(wipe(server, SHARED))
    acknowledged: dict[int, tuple[str, int]] = {}
    for _ in range(kills):
        acknowledged |= appended_until_killed(database.url, clients, rng)
        asyncio.run(_check(database, acknowledged))
    assert len(acknowledged) > kills


async def _check(database: Database, acknowledged: dict[int, tuple[str, int]]) -> None:
    async with await EventStore.open(database.url, childs_codec()) as store:
        # The server may still be at work for the one that is dead. This waits for it, and nothing can come afterwards.
        done = await store.append("after", [Deposited(1)])
        assert await check_log(store) == done.position
        assert (await verify(store)).broken is None
        found = {event.position: (event.stream, event.version) async for event in store.raw_all()}
        assert acknowledged.items() <= found.items()
