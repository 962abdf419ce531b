"""The buffer of a subscription: what it keeps, what it drops, and what it says about it."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import Dropped
from headwater.errors import InvalidTopicSubscription
from headwater.pubsub.buffer import OVERFLOWS, Buffer, Overflow


def taken(buffer: Buffer) -> list[object]:
    everything = []
    while buffer:
        everything.append(buffer.take())
    return everything


@pytest.mark.row("BP-01")
def test_the_oldest_make_room_and_their_number_stands_in_their_place() -> None:
    buffer = Buffer("t", 2, "drop_oldest")
    assert all(buffer.offer(number) for number in range(5))
    assert (len(buffer), buffer.dropped) == (2, 3)
    assert taken(buffer) == [Dropped("t", 3), 3, 4]
    assert buffer.offer(5)
    assert taken(buffer) == [5]


@pytest.mark.row("BP-01")
def test_the_newest_are_dropped_and_their_number_stands_in_their_place() -> None:
    buffer = Buffer("t", 2, "drop_newest")
    assert all(buffer.offer(number) for number in range(5))
    assert (len(buffer), buffer.dropped) == (2, 3)
    assert buffer.take() == 0
    assert buffer.offer(5)
    assert taken(buffer) == [1, Dropped("t", 3), 5]
    buffer.offer(6)
    assert taken(buffer) == [6]


@pytest.mark.row("BP-01")
def test_losses_are_told_although_nothing_comes_after_them() -> None:
    buffer = Buffer("t", 1, "drop_newest")
    for number in range(3):
        buffer.offer(number)
    assert taken(buffer) == [0, Dropped("t", 2)]
    assert not buffer


@pytest.mark.row("BP-01")
def test_who_is_too_slow_is_to_be_disconnected() -> None:
    buffer = Buffer("t", 2, "disconnect")
    assert [buffer.offer(number) for number in range(4)] == [True, True, False, False]
    assert taken(buffer) == [0, 1]
    assert buffer.dropped == 0


@pytest.mark.row("BP-01")
def test_a_newer_message_takes_the_place_of_the_one_with_its_key() -> None:
    buffer = Buffer("t", 2, "disconnect", coalesce=lambda message: str(message)[0])
    assert all(buffer.offer(message) for message in ("a1", "b1", "a2", "a3", "b2"))
    assert not buffer.offer("c1")
    assert (len(buffer), buffer.coalesced) == (2, 3)
    assert buffer.take() == "a3"
    assert buffer.offer("a4")
    assert taken(buffer) == ["b2", "a4"]
    buffer.offer("a5")
    assert taken(buffer) == ["a5"]


@pytest.mark.row("BP-01")
def test_too_many_keys_are_dropped_like_messages() -> None:
    buffer = Buffer("t", 2, "drop_oldest", coalesce=lambda message: str(message)[0])
    for message in ("a1", "b1", "c1", "a2"):
        buffer.offer(message)
    assert taken(buffer) == [Dropped("t", 2), "c1", "a2"]


def test_a_key_that_cannot_be_had_changes_nothing() -> None:
    buffer = Buffer("t", 2, "disconnect", coalesce=lambda message: message[0])  # type: ignore[index]  # that is the point
    assert buffer.offer("a")
    for wrong in (7, "", [[1]]):
        with pytest.raises((TypeError, IndexError)):
            buffer.offer(wrong)
    assert taken(buffer) == ["a"]


@pytest.mark.parametrize(("capacity", "overflow"), [(0, "disconnect"), (-1, "drop_oldest"), (1, "block"), (1, "")])
def test_settings_that_make_no_sense(capacity: int, overflow: Overflow) -> None:
    with pytest.raises(InvalidTopicSubscription):
        Buffer("t", capacity, overflow)


def by_last_digit(message: object) -> int:
    assert isinstance(message, int)
    return message % 5


@pytest.mark.row("BP-01")
@given(
    capacity=st.integers(1, 4),
    overflow=st.sampled_from(OVERFLOWS),
    coalesce=st.sampled_from([None, by_last_digit]),
    steps=st.lists(st.one_of(st.integers(0, 99), st.none()), max_size=60),
)
def test_nothing_is_lost_without_being_counted_in_its_place(
    capacity: int, overflow: Overflow, coalesce: Callable[[object], int] | None, steps: list[int | None]
) -> None:
    """An integer is offered, None takes. What is taken, with the drops told, is what was offered, in order."""
    buffer = Buffer("t", capacity, overflow, coalesce)
    accepted = 0
    seen: list[object] = []
    for number, step in enumerate(steps):
        if step is not None:
            accepted += buffer.offer(number * 100 + step)
        elif buffer:
            seen.append(buffer.take())
        assert len(buffer) <= capacity
    seen.extend(taken(buffer))
    messages = [message for message in seen if isinstance(message, int)]
    told = sum(message.count for message in seen if isinstance(message, Dropped))
    assert told == buffer.dropped
    assert len(messages) + told + buffer.coalesced == accepted
    assert len(set(messages)) == len(messages)
    if coalesce is None:
        assert messages == sorted(messages)
        assert buffer.coalesced == 0
    if overflow == "disconnect":
        assert told == 0


@given(capacity=st.integers(1, 4), overflow=st.sampled_from(["drop_oldest", "drop_newest"]), data=st.data())
def test_a_notice_stands_exactly_where_the_messages_are_missing(
    capacity: int, overflow: Overflow, data: st.DataObject
) -> None:
    buffer = Buffer("t", capacity, overflow)
    seen: list[object] = []
    offered = 0
    for offering in data.draw(st.lists(st.booleans(), max_size=60)):
        if offering:
            buffer.offer(offered)
            offered += 1
        elif buffer:
            seen.append(buffer.take())
    seen.extend(taken(buffer))
    expected = 0
    for message in seen:
        if isinstance(message, Dropped):
            expected += message.count
        else:
            assert message == expected
            expected += 1
    assert expected == offered
