"""Identifiers."""

from itertools import pairwise
from uuid import RFC_4122

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import Position, Version
from headwater.types import IdSource

moments = st.lists(st.integers(0, 2**60), min_size=1, max_size=200)


@given(moments)
def test_ids_rise_strictly_even_when_the_clock_stands_or_goes_back(times: list[int]) -> None:
    clock = iter(times)
    source = IdSource(lambda: next(clock), lambda count: b"\0" * count)
    ids = [source.next() for _ in times]
    assert all(left < right for left, right in pairwise(ids))
    assert len(set(ids)) == len(ids)


def test_an_id_is_a_uuid_of_version_7_with_its_time_in_front() -> None:
    milliseconds = 1_777_689_380_521
    made = IdSource(lambda: milliseconds * 1_000_000 + 999_999, lambda count: b"\xff" * count).next()
    assert (made.version, made.variant) == (7, RFC_4122)
    assert made.int >> 80 == milliseconds
    assert (made.int >> 64) & 0xFFF == 4095  # the fraction of the millisecond
    assert made.int & (2**62 - 1) == 2**62 - 1


def test_two_sources_differ_in_their_random_part() -> None:
    left, right = IdSource(lambda: 0), IdSource(lambda: 0)
    assert {left.next_int() for _ in range(500)}.isdisjoint(right.next_int() for _ in range(500))


@pytest.mark.parametrize("kind", [Position, Version])
def test_a_position_is_a_number_that_says_what_it_is(kind: type[Position] | type[Version]) -> None:
    assert kind(7) == 7
    assert repr(kind(7)) == f"{kind.__name__}(7)"
    assert f"{kind(1234567):,}" == "1,234,567"
    assert f"{kind(7)}" == str(kind(7)) == "7"
