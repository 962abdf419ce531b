"""What SQLite's own way of writing adds to the conformance suite for appends."""

import asyncio
from pathlib import Path

from headwater.clock import SystemClock
from headwater.store.model import Appended

from .driving import Deposited, check_log, opened, scenario


class UnsteadyClock(SystemClock):
    """Its wall clock is set by hand, and back too."""

    seconds = 0

    def wall(self) -> int:
        return self.seconds * 1_000_000_000


@scenario
async def test_the_time_never_falls_even_if_the_clock_is_set_back(tmp_path: Path) -> None:
    clock = UnsteadyClock()
    for reading, recorded in ((1_000, 1_000), (2_000, 2_000), (500, 2_000), (3_000, 3_000)):
        clock.seconds = reading
        async with await opened(tmp_path, clock=clock) as store:  # it remembers across reopening, and in between
            for _ in range(2):
                await store.append("s", [Deposited(1)])
                last = await store.last("s")
                assert last is not None
                assert last.microseconds == recorded * 1_000_000
            clock.seconds -= 100
            await store.append("s", [Deposited(1)])
            assert await check_log(store)


@scenario
async def test_a_cancelled_caller_does_not_hurt_the_others(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        tasks = [asyncio.ensure_future(store.append("s", [Deposited(n)])) for n in range(10)]
        for _ in range(2):
            await asyncio.sleep(0)  # all are queued now, and wait
        tasks[3].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(outcome) for outcome in found].count(asyncio.CancelledError) <= 1
        assert {outcome.version for outcome in found if isinstance(outcome, Appended)} >= set(range(5, 11))
        assert await check_log(store) == 10  # the cancelled one was in the queue: it is in the log
