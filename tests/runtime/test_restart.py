"""When children come back, whom they take along, how long they wait, and when their supervisor gives up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import Backoff, OneForAll, OneForOne, RestForOne
from headwater.errors import DefinitionError
from headwater.runtime.exits import Exit, Reason, Shutdown
from headwater.runtime.restart import Restart, RestartIntensity, should_restart
from headwater.runtime.strategy import Strategy

SECONDS = st.floats(min_value=1e-6, max_value=1e6)
CHANCE = st.floats(min_value=0, max_value=1, exclude_max=True)


@pytest.mark.row("SU-03")
@pytest.mark.parametrize(
    ("reason", "transient"),
    [
        (Exit.NORMAL, False),
        (Exit.SHUTDOWN, False),
        (Shutdown("upgrade"), False),
        (Exit.KILLED, True),
        (ValueError("boom"), True),
    ],
)
def test_a_transient_child_comes_back_after_an_abnormal_end_only(reason: Reason, transient: bool) -> None:
    types: list[Restart] = ["permanent", "transient", "temporary"]
    assert [should_restart(restart, reason) for restart in types] == [True, transient, False]


@pytest.mark.row("SU-02")
@given(
    limit=st.integers(0, 6),
    within=st.floats(0.1, 20),
    gaps=st.lists(st.floats(0, 10), min_size=1, max_size=60),
)
def test_a_restart_is_one_too_many_if_and_only_if_more_fall_into_the_window(
    limit: int, within: float, gaps: list[float]
) -> None:
    intensity = RestartIntensity(limit, within)
    times: list[float] = []
    now = 0.0
    for gap in gaps:
        now += gap
        times.append(now)
        in_window = sum(now - time <= within for time in times)
        allowed = intensity.allows(now)
        assert allowed is (in_window <= limit)
        if not allowed:
            return  # the supervisor ends here


@given(first=SECONDS, stretch=st.floats(1, 1e6), factor=st.floats(1, 1e3), jitter=st.floats(0, 1), chance=CHANCE)
def test_waits_grow_up_to_the_limit_and_chance_only_shortens_them(
    first: float, stretch: float, factor: float, jitter: float, chance: float
) -> None:
    backoff = Backoff(first, first * stretch, factor, jitter)
    full = [backoff.delay(failures, 0.0) for failures in range(40)]
    assert full[0] == pytest.approx(first)
    assert full == sorted(full)
    assert max(full) <= backoff.limit
    for failures, wait in enumerate(full):
        assert wait * (1 - jitter) * 0.999 <= backoff.delay(failures, chance) <= wait


def test_each_wait_is_factor_times_the_one_before() -> None:
    backoff = Backoff(0.5, 30.0, factor=3.0, jitter=0.0)
    assert [backoff.delay(failures, 0.9) for failures in range(6)] == pytest.approx([0.5, 1.5, 4.5, 13.5, 30.0, 30.0])


@pytest.mark.parametrize("failures", [10**3, 10**6, 10**12])
def test_a_wait_after_very_many_failures_is_the_limit(failures: int) -> None:
    assert Backoff(0.1, 30.0, jitter=0.0).delay(failures, 0.5) == 30.0
    assert Backoff(0.1, 30.0, factor=1.0, jitter=0.0).delay(failures, 0.5) == 0.1


@pytest.mark.parametrize(
    "arguments", [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0), (1.0, float("inf")), (1.0, 2.0, 0.5), (1.0, 2.0, 2.0, 1.5)]
)
def test_a_back_off_that_makes_no_sense_is_refused(arguments: tuple[float, ...]) -> None:
    with pytest.raises(DefinitionError):
        Backoff(*arguments)


@pytest.mark.parametrize("strategy", [OneForOne, OneForAll, RestForOne])
def test_an_intensity_that_makes_no_sense_is_refused(strategy: type[Strategy]) -> None:
    with pytest.raises(DefinitionError, match="max_restarts"):
        strategy(max_restarts=-1)
    for within in (0, -1.0, float("nan")):
        with pytest.raises(DefinitionError, match="within"):
            strategy(within=within)


@pytest.mark.row("SU-01")
@given(count=st.integers(1, 12), data=st.data())
def test_the_strategy_names_those_who_share_a_childs_fate(count: int, data: st.DataObject) -> None:
    members = list(range(count))
    failed = data.draw(st.sampled_from(members))
    assert list(OneForOne().affected(members, failed)) == [failed]
    assert list(OneForAll().affected(members, failed)) == members
    assert list(RestForOne().affected(members, failed)) == members[failed:]
