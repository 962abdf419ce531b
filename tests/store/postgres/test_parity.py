"""The same random histories through memory and PostgreSQL. That the comparison finds a bug is proven with SQLite's."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, example, given, settings

from headwater import Expected
from headwater.store.memory import MemoryAdapter
from headwater.store.postgres import transactions
from headwater.store.postgres.adapter import PostgresAdapter
from headwater.store.store import EventStore
from headwater.testing.conformance.store import SteadyClock, codec
from headwater.testing.conformance.store_model import HISTORIES, AppendStep, BurstStep, EventStep, Player, Step
from tests.postgres_server import SHARED, wipe

from .driving import Database


async def _in_memory(steps: Sequence[Step]) -> list[object]:
    clock = SteadyClock()
    async with EventStore(MemoryAdapter(clock), codec(), clock=clock) as store:
        return await Player(store, clock).play(steps)


async def _in_postgres(url: str, steps: Sequence[Step]) -> list[object]:
    clock = SteadyClock()
    opened = await PostgresAdapter.open(Database(url).address, clock=clock, durability="relaxed", readers=1)
    async with EventStore(opened, codec(), clock=clock) as store:
        return await Player(store, clock).play(steps)


def _compare(url: str, steps: Sequence[Step]) -> None:
    asyncio.run(wipe(url, SHARED))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transactions, "REMEMBERED_STREAMS", 1 + len(steps) % 3)  # so that it forgets, and asks again
        found = asyncio.run(_in_postgres(url, steps))
    wanted = asyncio.run(_in_memory(steps))
    for step, (one, other) in zip([*steps, "the log", "its chain"], zip(found, wanted, strict=True), strict=True):
        assert one == other, step


_ONE_ID = (EventStep("T", 1, 0, (), 0),)
_REPEATED_BEHIND_ANOTHER = BurstStep(
    (
        AppendStep((("a", Expected.ANY, _ONE_ID),), None, 0, 0, idempotent=False, again=False),
        AppendStep((("a", 0, _ONE_ID),), None, 0, 0, idempotent=True, again=False),
    )
)
"""An append that asks whether it is in the log already, behind one of the same id that doesn't ask: they are one."""


@pytest.mark.row("BS-02", "BS-03", "BS-05", "ES-02", "ES-06", "ES-09")
@example(steps=[_REPEATED_BEHIND_ANOTHER])
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=HISTORIES)
def test_memory_and_postgres_give_the_same_answers(postgres: str, steps: Sequence[Step]) -> None:
    _compare(postgres, steps)
