"""The same random histories through memory and PostgreSQL; and a planted bug, which the comparison finds."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from headwater.store.adapter import Append
from headwater.store.memory import MemoryAdapter
from headwater.store.postgres import transactions
from headwater.store.postgres.adapter import PostgresAdapter
from headwater.store.query import AppendCondition
from headwater.store.store import EventStore
from headwater.testing.conformance.store import SteadyClock, codec
from headwater.testing.conformance.store_model import HISTORIES, Player, Step
from tests.postgres_server import SHARED, wipe

from .driving import Database


async def _in_memory(steps: Sequence[Step]) -> list[object]:
    clock = SteadyClock()
    async with EventStore(MemoryAdapter(clock), codec(), clock=clock) as store:
        return await Player(store, clock).play(steps)


async def _in_postgres(url: str, steps: Sequence[Step], adapter: type[PostgresAdapter]) -> list[object]:
    clock = SteadyClock()
    opened = await adapter.open(Database(url).address, clock=clock, durability="relaxed", readers=1)
    async with EventStore(opened, codec(), clock=clock) as store:
        return await Player(store, clock).play(steps)


def _compare(url: str, steps: Sequence[Step], adapter: type[PostgresAdapter] = PostgresAdapter) -> None:
    asyncio.run(wipe(url, SHARED))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transactions, "REMEMBERED_STREAMS", 1 + len(steps) % 3)  # so that it forgets, and asks again
        found = asyncio.run(_in_postgres(url, steps, adapter))
    wanted = asyncio.run(_in_memory(steps))
    for step, (one, other) in zip([*steps, "the log", "its chain"], zip(found, wanted, strict=True), strict=True):
        assert one == other, step


@pytest.mark.row("BS-02", "BS-03", "BS-05", "ES-02", "ES-06", "ES-09")
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=HISTORIES)
def test_memory_and_postgres_give_the_same_answers(postgres: str, steps: Sequence[Step]) -> None:
    _compare(postgres, steps)


class Forgetful(PostgresAdapter):
    """The planted bug: a condition overlooks the first event behind its position."""

    def submit(self, append: Append) -> None:
        if append.condition is not None:
            append.condition = AppendCondition(append.condition.query, append.condition.after + 1)
        super().submit(append)


def test_the_comparison_finds_a_planted_bug(postgres: str) -> None:
    @settings(max_examples=300, deadline=None, database=None, phases=[Phase.generate], derandomize=True)
    @given(steps=HISTORIES)
    def compare(steps: Sequence[Step]) -> None:
        _compare(postgres, steps, Forgetful)

    with pytest.raises(AssertionError):
        compare()
