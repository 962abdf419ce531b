"""Clocks, real and virtual."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.clock import SystemClock, instant, microseconds
from headwater.testing.clock import VirtualClock


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_microseconds_and_instants_are_exact(moment: datetime) -> None:
    assert instant(microseconds(moment)) == moment


def test_time_zones_count_and_must_be_there() -> None:
    moment = datetime(2026, 5, 2, 12, tzinfo=timezone(timedelta(hours=2)))
    assert instant(microseconds(moment)) == datetime(2026, 5, 2, 10, tzinfo=UTC)
    with pytest.raises(ValueError, match="time zone"):
        microseconds(datetime(2026, 5, 2))  # noqa: DTZ001 - that is the point


def test_virtual_time_runs_timers_in_order_each_at_its_time() -> None:
    clock = VirtualClock()
    heard: list[tuple[str, float]] = []

    def ring(label: str) -> None:
        heard.append((label, clock.monotonic()))

    clock.call_later(2.0, lambda: ring("late"))

    def first() -> None:
        ring("first")
        clock.call_later(0.5, lambda: ring("chained"))

    clock.call_later(1.0, first)
    clock.call_later(1.0, lambda: ring("second"))
    clock.call_later(1.2, lambda: ring("never")).cancel()
    before = clock.wall()
    clock.advance(0.9)
    assert heard == []
    assert clock.pending == 3
    clock.advance(1.1)
    assert heard == [("first", 1.0), ("second", 1.0), ("chained", 1.5), ("late", 2.0)]
    assert clock.wall() - before == 2_000_000_000
    with pytest.raises(ValueError, match="go back"):
        clock.advance(-1)


def test_the_system_clock_calls_on_the_event_loop() -> None:
    async def main() -> None:
        clock = SystemClock()
        rung = asyncio.Event()
        before = clock.monotonic()
        clock.call_later(0.001, rung.set)
        cancelled = clock.call_later(0.0, lambda: pytest.fail("cancelled"))
        cancelled.cancel()
        await rung.wait()
        assert clock.monotonic() >= before
        assert abs(clock.wall() / 1e9 - datetime.now(UTC).timestamp()) < 60

    asyncio.run(main())
