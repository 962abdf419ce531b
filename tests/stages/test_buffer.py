"""The buffer: bounded, in order, and honest about what it discards."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import DefinitionError
from headwater.stages.buffer import Buffer, Keep

Step = tuple[str, int]
STEPS = st.lists(st.tuples(st.sampled_from(["put", "take", "mark"]), st.integers(0, 12)))


@pytest.mark.row("GE-05")
@given(STEPS, st.integers(0, 10), st.sampled_from(["first", "last"]))
def test_it_keeps_what_a_plain_list_would(steps: list[Step], size: int, keep: Keep) -> None:
    buffer: Buffer[int] = Buffer(size, keep)
    model: list[int] = []
    number = 0
    for kind, count in steps:
        if kind == "put":
            events = list(range(number, number + count))
            number += count
            both = model + events
            model = both[:size] if keep == "first" else both[max(len(both) - size, 0) :]
            assert buffer.put(events) == [event for event in both if event not in model]
        elif kind == "take":
            assert buffer.take(count) == model[:count]
            model = model[count:]
        assert len(buffer) == len(model)
    assert buffer.take(size) == model


@pytest.mark.row("GE-10")
@given(STEPS, st.integers(1, 10), st.sampled_from(["first", "last"]))
def test_a_mark_is_due_once_as_soon_as_all_before_it_is_gone(steps: list[Step], size: int, keep: Keep) -> None:
    buffer: Buffer[int] = Buffer(size, keep)
    present: list[int] = []
    marks: list[tuple[int, set[int]]] = []
    number = 0
    for kind, count in steps:
        number += 20
        if kind == "put":
            events = list(range(number, number + count))
            gone: Iterable[int] = buffer.put(events)
            present = [event for event in present + events if event not in set(gone)]
        elif kind == "take":
            gone = buffer.take(count)
            present = [event for event in present if event not in set(gone)]
        else:
            buffer.mark(number)
            marks.append((number, set(present)))
        due = [name for name, before in marks if not before & set(present)]
        assert buffer.due() == due
        marks = [mark for mark in marks if mark[0] not in due]


def test_a_size_or_policy_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(DefinitionError, match="0 events or more"):
        Buffer(-1)
    with pytest.raises(DefinitionError, match="0 events or more, not 'many'"):
        Buffer("many")  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="one of first, last"):
        Buffer(1, "both")  # type: ignore[arg-type]
