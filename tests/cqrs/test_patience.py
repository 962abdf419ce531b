"""Deadlines of many callers by one timer."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.cqrs.patience import Impatience, Patience
from headwater.testing.clock import VirtualClock

STEPS = st.lists(
    st.tuples(st.sampled_from([0.5, 1.0, 3.0]), st.sampled_from([0.0, 0.25, 1.0]), st.booleans()), max_size=30
)


@pytest.mark.row("CM-12")
@given(steps=STEPS)
def test_each_answer_fails_at_its_own_moment_unless_it_came(steps: Sequence[tuple[float, float, bool]]) -> None:
    async def run() -> None:
        clock = VirtualClock()
        patience = Patience(clock)
        loop = asyncio.get_running_loop()
        waiting: list[tuple[asyncio.Future[object], float]] = []
        answered: list[asyncio.Future[object]] = []
        for seconds, passing, answers in steps:
            answer: asyncio.Future[object] = loop.create_future()
            patience.begin(answer, seconds)
            if answers:
                answer.set_result(None)
                patience.end(answer, seconds)
                answered.append(answer)
            else:
                waiting.append((answer, clock.monotonic() + seconds))
            clock.advance(passing)
            for one, end in waiting:
                assert one.done() == (clock.monotonic() >= end)
        clock.advance(3.0)
        assert all(isinstance(one.exception(), Impatience) for one, _ in waiting)
        assert all(one.exception() is None for one in answered)
        assert not patience._lanes, "nothing is kept once nobody waits"

    asyncio.run(run())


def test_a_time_is_positive() -> None:
    with pytest.raises(ValueError, match="not 0"):
        Patience(VirtualClock()).check(0)
