"""Deadlines of many callers by one timer."""

import asyncio
import functools
from collections.abc import Callable, Coroutine, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import GenServer, System
from headwater.cqrs.patience import Patience
from headwater.errors import DeadlineExceeded
from headwater.testing.clock import VirtualClock


class Silent(GenServer):
    pass


def scenario(test: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: object, **keywords: object) -> None:
        asyncio.run(test(*args, **keywords))

    return run


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
        async with System("test", clock=clock) as system:
            pid = await system.start(Silent)
            waiting: list[tuple[asyncio.Future[object], float]] = []
            answered: list[asyncio.Future[object]] = []
            for seconds, passing, answers in steps:
                answer: asyncio.Future[object] = loop.create_future()
                patience.begin(answer, seconds, pid)
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
            assert all(isinstance(one.exception(), DeadlineExceeded) for one, _ in waiting)
            assert all(one.exception() is None for one in answered)
            assert not patience._lanes, "nothing is kept once nobody waits"

    asyncio.run(run())


@scenario
async def test_the_message_tells_who_did_not_answer() -> None:
    clock = VirtualClock()
    async with System("test", clock=clock) as system:
        pid = await system.start(Silent, name="quiet")
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        Patience(clock).begin(answer, 2.0, pid)
        clock.advance(2.0)
        with pytest.raises(DeadlineExceeded, match="Silent 'quiet' did not answer within 2"):
            await answer


def test_a_time_is_positive() -> None:
    with pytest.raises(ValueError, match="not 0"):
        Patience(VirtualClock()).check(0)
