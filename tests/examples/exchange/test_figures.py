"""Figures: what was answered, and how fast."""

import pytest

from headwater import Committed, Position, Version
from headwater.errors import Rejected, StorageFull
from headwater.examples.exchange.figures import Figures, Latency
from headwater.examples.exchange.messages import OrderCancelled


def _committed(events: int) -> Committed:
    return Committed("market-btcusd", Version(events), Position(events), tuple([OrderCancelled(1, 1)] * events))


def _taken(*milliseconds: float) -> Figures:
    figures = Figures()
    for time in milliseconds:
        figures.add(_committed(1), time / 1_000)
    return figures


def test_answers_are_counted_by_what_they_say() -> None:
    figures = Figures()
    figures.add(_committed(3), 0.1)
    figures.add(_committed(0), 0.1)
    for _ in range(2):
        figures.add(Rejected("no", reason="would_cross"), 0.1)
    assert (figures.commands, figures.committed, figures.events) == (4, 2, 3)
    assert figures.rejected == {"would_cross": 2}


def test_what_is_no_answer_is_raised_and_not_counted() -> None:
    figures = Figures()
    with pytest.raises(StorageFull, match="no room"):
        figures.add(StorageFull("no room"), 0.1)
    assert figures.commands == 0
    assert figures.latency() == Latency(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("count", "median", "p99"), [(1, 1, 1), (2, 1, 2), (3, 2, 3), (100, 50, 99), (101, 51, 100), (1_000, 500, 990)]
)
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(count: int, median: int, p99: int) -> None:
    latency = _taken(*range(count, 0, -1)).latency()
    assert latency.median == pytest.approx(median)
    assert latency.p99 == pytest.approx(p99)
    assert latency.worst == pytest.approx(count)


def test_the_last_so_many() -> None:
    figures = _taken(50, 60, 1, 3, 2)
    assert figures.latency(3).median == pytest.approx(2)
    assert figures.latency(3).worst == pytest.approx(3)
    assert figures.latency(0) == Latency(0.0, 0.0, 0.0)
    assert figures.latency(99) == figures.latency()
