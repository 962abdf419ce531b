"""The same random histories through memory and SQLite; and a planted bug, which the comparison finds."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import Phase, example, given, settings

from headwater.store.adapter import Append
from headwater.store.memory import MemoryAdapter
from headwater.store.model import Expected
from headwater.store.query import AppendCondition
from headwater.store.sqlite import writer
from headwater.store.sqlite.adapter import SqliteAdapter
from headwater.store.store import EventStore
from headwater.testing.conformance.store import SteadyClock, codec
from headwater.testing.conformance.store_model import HISTORIES, AppendStep, EventStep, LinkStep, Player, Step


async def _in_memory(steps: Sequence[Step], adapter: type[MemoryAdapter] = MemoryAdapter) -> list[object]:
    clock = SteadyClock()
    async with EventStore(adapter(clock), codec(), clock=clock) as store:
        return await Player(store, clock).play(steps)


async def _in_sqlite(steps: Sequence[Step], directory: Path) -> list[object]:
    clock = SteadyClock()
    adapter = await SqliteAdapter.open(directory / "events.db", clock=clock, durability="relaxed")
    async with EventStore(adapter, codec(), clock=clock) as store:
        return await Player(store, clock).play(steps)


def _compare(steps: Sequence[Step], found: list[object], wanted: list[object]) -> None:
    for step, (one, other) in zip([*steps, "the log", "its chain"], zip(found, wanted, strict=True), strict=True):
        assert one == other, step


@pytest.mark.row("BS-02", "BS-03", "BS-05", "ES-02", "ES-06", "ES-09")
@settings(max_examples=120, deadline=None)
@given(steps=HISTORIES)
@example(
    steps=[
        AppendStep((("a", Expected.ANY, (EventStep("T", 1, 0, (), 0),)),), None, 0, 0, idempotent=False, again=False),
        LinkStep("a", (1, 0), Expected.ANY),  # one is there already, and the other one nowhere
    ]
)
def test_memory_and_sqlite_give_the_same_answers(
    tmp_path_factory: pytest.TempPathFactory, steps: Sequence[Step]
) -> None:
    wanted = asyncio.run(_in_memory(steps))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "_REMEMBERED_STREAMS", 1 + len(steps) % 3)  # so that it forgets, and looks up again
        _compare(steps, asyncio.run(_in_sqlite(steps, tmp_path_factory.mktemp("parity"))), wanted)


class Forgetful(MemoryAdapter):
    """The planted bug: a condition overlooks the first event behind its position."""

    def submit(self, append: Append) -> None:
        if append.condition is not None:
            append.condition = AppendCondition(append.condition.query, append.condition.after + 1)
        super().submit(append)


def test_the_comparison_finds_a_planted_bug() -> None:
    @settings(max_examples=2_000, deadline=None, database=None, phases=[Phase.generate], derandomize=True)
    @given(steps=HISTORIES)
    def compare(steps: Sequence[Step]) -> None:
        _compare(steps, asyncio.run(_in_memory(steps, Forgetful)), asyncio.run(_in_memory(steps)))

    with pytest.raises(AssertionError):
        compare()
