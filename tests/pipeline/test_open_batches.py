"""OpenBatches, Held and Rate: pure parts of a pipeline."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import InvalidPipeline
from headwater.pipeline.held import Held
from headwater.pipeline.message import Message, Origin
from headwater.pipeline.open_batches import OpenBatches
from headwater.pipeline.options import Batcher, RateLimit
from headwater.pipeline.rate import Rate
from headwater.pipeline.source import Delivery

NOBODY = cast("Origin[int]", None)


def message(number: int, batch_key: str = "", key: str | None = None, *, flush: bool = False) -> Message[int]:
    return Message(number, Delivery(number), NOBODY, number, flush=flush, batch_key=batch_key, key=key)


class Weight:
    """Full when the numbers add up to ten."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, message: Message[int]) -> bool:
        self.total += message.data
        return self.total >= 10


Arrival = tuple[float, str, str | None, bool]
arrivals = st.lists(
    st.tuples(
        st.floats(0, 0.4),
        st.sampled_from(["", "x"]),
        st.sampled_from([None, "a", "b", "c"]),
        st.sampled_from([True] + [False] * 9),
    )
)


@pytest.mark.row("BW-04")
@pytest.mark.row("BW-05")
@given(arrivals, st.integers(1, 7), st.booleans())
def test_each_message_is_in_one_batch_in_order_and_no_batch_is_too_big_or_too_old(
    coming: list[Arrival], size: int, keyed: bool
) -> None:
    open_batches: OpenBatches[int] = OpenBatches("b", Batcher(size=size, timeout=1.0, concurrency=3), keyed=keyed)
    now, number, born = 0.0, 0, dict[int, float]()
    closed = []
    for wait, batch_key, key, flush in coming:
        now += wait
        closed += (expired := open_batches.expire(now))
        assert all(batch.info.trigger == "timeout" for batch in expired)
        born[number] = now
        full = open_batches.add([message(number, batch_key, key, flush=flush)], now)
        assert [batch.info.trigger for batch in full] == (["flush"] if flush else ["size"] * len(full))
        assert full or not flush
        closed += full
        assert open_batches.due is None or open_batches.due > now
        number += 1
    open_batches.drain(0.5, now)
    drained = open_batches.expire(now + 0.5)
    assert all(batch.info.trigger == "drain" for batch in drained)
    closed += drained
    assert open_batches.due is None
    assert sorted(one.number for batch in closed for one in batch.messages) == list(range(number))
    for batch in closed:
        assert 1 <= len(batch.messages) <= size
        assert {one.batch_key for one in batch.messages} == {batch.info.key}
        first, last = batch.messages[0].number, batch.messages[-1].number
        assert born[last] < born[first] + 1.0 or first == last
    for place in {(batch.info.key, batch.partition) for batch in closed}:
        order = [one.number for batch in closed if (batch.info.key, batch.partition) == place for one in batch.messages]
        assert order == sorted(order)
    if keyed:
        for key in ("a", "b", "c"):
            assert len({batch.partition for batch in closed if any(one.key == key for one in batch.messages)}) <= 1


@pytest.mark.row("BW-04")
def test_an_accumulator_of_ones_own_decides_when_a_batch_is_full() -> None:
    open_batches: OpenBatches[int] = OpenBatches("b", Batcher(size=100, accumulator=Weight), keyed=False)
    full = open_batches.add([message(number) for number in (4, 4, 4, 9, 1, 3)], 0.0)
    assert [[one.data for one in batch.messages] for batch in full] == [[4, 4, 4], [9, 1]]
    assert [[one.data for one in batch.messages] for batch in open_batches.expire(1.0)] == [[3]]


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.sampled_from(["hold", "come", "release"]))))
def test_whoever_comes_while_a_key_is_held_waits_behind_it_and_others_do_not(
    steps: list[tuple[str | None, str]],
) -> None:
    held: Held[Message[int]] = Held()
    lines: dict[int, list[int]] = {}
    keys: dict[str, int] = {}
    for number, (key, action) in enumerate(steps):
        one = message(number, key=key)
        if action == "release" and lines:
            line = next(iter(lines))
            assert [one.number for one in held.release(line)] == lines.pop(line)
            keys = {key: other for key, other in keys.items() if other != line}
        elif key in keys:
            assert held.follow(one)
            lines[keys[key]].append(number)
        else:
            assert not held.follow(one)
            if action == "hold":
                line = held.hold([one])
                lines[line] = [number]
                if key is not None:
                    keys[key] = line
        assert len(held) == sum(len(line) for line in lines.values())


@pytest.mark.row("BW-09")
@given(st.integers(1, 20), st.floats(0.1, 5), st.lists(st.tuples(st.floats(0, 3), st.integers(0, 30))))
def test_no_interval_has_more_messages_than_allowed(
    allowed: int, interval: float, steps: list[tuple[float, int]]
) -> None:
    rate, now, granted = Rate(RateLimit(allowed, interval), 100.0), 100.0, dict[float, int]()
    for wait, count in steps:
        now += wait
        got = rate.take(count, now)
        end = round(now + rate.wait(now), 6)
        granted[end] = granted.get(end, 0) + got
        assert got == min(count, allowed - (granted[end] - got))
        assert 0 < rate.wait(now) <= interval + 1e-9 or interval < 1e-6


@pytest.mark.row("BW-09")
def test_a_changed_rate_begins_a_new_interval_of_which_nothing_is_used() -> None:
    rate = Rate(RateLimit(5, 1.0), 0.0)
    assert rate.take(9, 0.5) == 5
    assert rate.take(1, 0.9) == 0
    rate.change(RateLimit(3, 2.0), 0.9)
    assert rate.take(9, 0.9) == 3
    assert rate.take(9, 2.8) == 0
    assert rate.take(9, 2.9) == 3
    rate.change(None, 3.0)
    assert rate.take(1_000, 3.0) == 1_000


@pytest.mark.parametrize("bad", [{"size": 0}, {"size": -1}, {"timeout": 0}, {"concurrency": 0}, {"max_demand": 0}])
def test_options_of_a_batcher_are_checked(bad: dict[str, int]) -> None:
    with pytest.raises(InvalidPipeline, match=r"1 or more|positive"):
        Batcher(**bad)  # type: ignore[arg-type]  # so that one test has them all
