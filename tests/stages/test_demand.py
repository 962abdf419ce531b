"""The pure parts of a consumer: what it asks for, and on what terms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import InvalidDemand, SubscriptionRefused
from headwater.stages.demand import Window, check_demand
from headwater.stages.options import SubscribeOptions


@pytest.mark.row("GE-02")
@given(st.data(), st.integers(1, 20), st.lists(st.integers(1, 30)))
def test_never_more_is_asked_for_than_max_demand_and_never_too_late(
    data: st.DataObject, max_demand: int, arrivals: list[int]
) -> None:
    min_demand = data.draw(st.integers(0, max_demand - 1))
    window = Window(max_demand, min_demand)
    on_their_way = max_demand
    for wish in arrivals:
        left = min(wish, on_their_way)
        while left:
            batch = min(left, window.batch_size)
            assert batch > 0
            left -= batch
            on_their_way -= batch
            on_their_way += window.handled(batch)
            assert min_demand < on_their_way <= max_demand


@pytest.mark.parametrize("demand", [0, -1, True, 1.5, None])
def test_a_demand_is_a_positive_whole_number(demand: int) -> None:
    with pytest.raises(InvalidDemand, match="positive whole number"):
        check_demand(demand)


@pytest.mark.row("GE-02")
def test_the_defaults_of_a_subscription() -> None:
    window = SubscribeOptions[int]().window()
    assert (window.max_demand, window.batch_size) == (1_000, 500)


@pytest.mark.parametrize(("max_demand", "min_demand"), [(0, None), (-5, None), (5, 5), (5, 6), (5, -1)])
def test_bounds_that_do_not_fit_are_refused(max_demand: int, min_demand: int | None) -> None:
    with pytest.raises(InvalidDemand):
        SubscribeOptions[int](max_demand=max_demand, min_demand=min_demand)


def test_unknown_modes_are_refused() -> None:
    with pytest.raises(SubscriptionRefused, match="cancel is one of permanent, transient, temporary"):
        SubscribeOptions[int](cancel="never")  # type: ignore[arg-type]
    with pytest.raises(SubscriptionRefused, match="mode is one of automatic, manual"):
        SubscribeOptions[int](mode="both")  # type: ignore[arg-type]
