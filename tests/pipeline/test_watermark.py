"""Watermark: acknowledgements in any order, folded into «up to here»."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import InvalidAcknowledgement, MessageAlreadyAcknowledged
from headwater.pipeline.watermark import Watermark


@pytest.mark.row("BW-06")
@given(st.data())
def test_it_is_the_lowest_number_that_is_not_done_whatever_the_order(data: st.DataObject) -> None:
    watermark, done = Watermark(), set[int]()
    for _ in range(data.draw(st.integers(1, 15))):
        for _ in range(data.draw(st.integers(0, 6))):
            watermark.issue()
        left = [number for number in range(watermark.issued) if number not in done]
        chosen = data.draw(st.lists(st.sampled_from(left), unique=True)) if left else []
        before = watermark.low
        risen = watermark.done(chosen)
        done.update(chosen)
        lowest = next(number for number in range(watermark.issued + 1) if number not in done)
        assert watermark.low == lowest
        assert risen == (lowest > before)
        assert watermark.pending == watermark.issued - len(done)


@given(st.sets(st.integers(0, 9)), st.lists(st.integers(0, 14), min_size=1))
def test_what_is_done_twice_or_was_never_issued_is_refused_and_changes_nothing(
    done: set[int], numbers: list[int]
) -> None:
    watermark = Watermark()
    for _ in range(10):
        watermark.issue()
    watermark.done(done)
    low, pending = watermark.low, watermark.pending
    if len(set(numbers)) < len(numbers) or done & set(numbers):
        with pytest.raises(MessageAlreadyAcknowledged):
            watermark.done(numbers)
    elif max(numbers) >= 10:
        with pytest.raises(InvalidAcknowledgement):
            watermark.done(numbers)
    else:
        watermark.done(numbers)
        return
    assert (watermark.low, watermark.pending) == (low, pending)
