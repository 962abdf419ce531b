"""A log of five million events: as cheap to append to as a small one, and no memory that grows with it."""

import time
from pathlib import Path

import pytest

from headwater.store.store import EventStore
from headwater.store.verification import verify

from .driving import Deposited, check_log, opened, scenario

EVENTS = 5_000_000
BATCH = 1_000
PROBE = 200
"""Batches whose cost is measured, at the beginning and at the end."""

_GROWN = 96 * 1024 * 1024
"""Bytes: the page cache of the writer, which has a limit of 64 MB, and what was not used in the first part."""


@pytest.mark.soak
@scenario
async def test_five_million_events_cost_what_a_few_cost(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        await _append(store, 10)
        small = await _append(store, PROBE)
        await _append(store, EVENTS // BATCH // 10)
        before = _resident()
        await _append(store, EVENTS // BATCH - EVENTS // BATCH // 10 - 2 * PROBE - 10)
        large = await _append(store, PROBE)
        assert _resident() - before < _GROWN
        assert await check_log(store) == EVENTS
        assert (await verify(store)).broken is None
        assert _resident() - before < _GROWN
    assert large < 1.5 * small  # of processor time, which the rest of the machine doesn't change much


async def _append(store: EventStore, batches: int) -> float:
    """Seconds of processor time for a batch."""
    started = time.process_time()
    for number in range(batches):
        await store.append(f"s-{number % 5_000}", [Deposited(n) for n in range(BATCH)])
    return (time.process_time() - started) / batches


def _resident() -> int:
    """Bytes of memory that the process has now."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) * 1024
