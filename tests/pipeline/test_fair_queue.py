"""FairQueue and FairDispatcher: order per key, and turns for all keys."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headwater.pipeline.fair_dispatcher import FairDispatcher
from headwater.pipeline.fair_queue import FairQueue, FifoQueue
from headwater.stages.options import SubscribeOptions


class Letter:
    """A message with a key and a number."""

    def __init__(self, key: Hashable, number: int) -> None:
        self.key = key
        self.number = number

    def __repr__(self) -> str:
        return f"{self.key}{self.number}"


OPTIONS: SubscribeOptions[Letter] = SubscribeOptions()
CONSUMERS = 3
LIMIT = 12


class Dispatching(RuleBasedStateMachine):
    """Consumers ask, messages come, go through in the order of each consumer, and sometimes a consumer leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.dispatcher: FairDispatcher[Letter] = FairDispatcher(FairQueue(), LIMIT)
        self.asked = dict.fromkeys(range(CONSUMERS), 0)
        self.under_way: dict[int, deque[Letter]] = {consumer: deque() for consumer in range(CONSUMERS)}
        self.last: dict[Hashable, int] = {}
        self.next = 0
        self.waiting: list[Letter] = []
        for consumer in range(CONSUMERS):
            self.dispatcher.subscribe(consumer, consumer, OPTIONS)

    def deliver(self, deliveries: list[tuple[int, list[Letter]]]) -> None:
        for consumer, letters in deliveries:
            assert letters
            self.asked[consumer] -= len(letters)
            assert self.asked[consumer] >= 0
            for letter in letters:
                if letter.key is not None:
                    assert letter.number > self.last.get(letter.key, -1), "out of order"
                    self.last[letter.key] = letter.number
                    holders = [who for who, has in self.under_way.items() if any(x.key == letter.key for x in has)]
                    assert set(holders) <= {consumer}, "two consumers have the same key"
                self.under_way[consumer].append(letter)
                self.waiting.remove(letter)

    @rule(consumer=st.integers(0, CONSUMERS - 1), demand=st.integers(1, 5))
    def ask(self, consumer: int, demand: int) -> None:
        self.asked[consumer] += demand
        self.deliver([*self.dispatcher.ask(consumer, demand)])

    @precondition(lambda self: self.dispatcher.room)
    @rule(keys=st.lists(st.sampled_from(["hot", "hot", "hot", "a", "b", None]), min_size=1, max_size=LIMIT))
    def dispatch(self, keys: list[str | None]) -> None:
        letters = []
        for key in keys[: self.dispatcher.room]:
            letters.append(Letter(key, self.next))
            self.next += 1
        self.waiting += letters
        self.deliver([*self.dispatcher.dispatch(letters)])

    @rule(consumer=st.integers(0, CONSUMERS - 1), count=st.integers(1, 4))
    def handled(self, consumer: int, count: int) -> None:
        has = self.under_way[consumer]
        done = [has.popleft() for _ in range(min(count, len(has)))]
        self.deliver([*self.dispatcher.release(done)])

    @rule(consumer=st.integers(0, CONSUMERS - 1))
    def leave(self, consumer: int) -> None:
        """All that was there begins anew, as the source stage does it."""
        for key in range(CONSUMERS):
            self.dispatcher.cancel(key)
            self.dispatcher.subscribe(key, key, OPTIONS)
        self.asked = dict.fromkeys(self.asked, 0)
        for has in self.under_way.values():
            has.clear()
        self.last.clear()
        self.waiting.clear()

    @invariant()
    def nothing_is_lost_or_counted_wrongly(self) -> None:
        assert self.dispatcher.queued == len(self.waiting)
        assert 0 <= self.dispatcher.wanted <= self.dispatcher.room <= LIMIT

    @invariant()
    def what_waits_waits_for_a_busy_consumer(self) -> None:
        if any(self.asked.values()):
            busy = {x.key for who, has in self.under_way.items() if not self.asked[who] for x in has}
            assert {letter.key for letter in self.waiting} <= busy, "messages wait although their consumer has asked"


TestDispatching = pytest.mark.row("BG-03")(Dispatching.TestCase)


@pytest.mark.row("BG-03")
@given(st.integers(1, 30), st.integers(1, 8), st.integers(1, 10))
def test_a_hot_key_does_not_keep_others_waiting(hot: int, others: int, limit: int) -> None:
    queue: FairQueue[Letter] = FairQueue()
    queue.put([Letter("hot", number) for number in range(hot)])
    queue.put([Letter(f"cold {number}", 0) for number in range(others)])
    order: list[Letter] = []
    while queue.waiting:
        order += queue.take(0, limit)
    places = [place for place, letter in enumerate(order) if letter.key != "hot"]
    assert places == list(range(1, others + 1))  # after one of the hot key they all have their turns


@given(st.lists(st.integers(1, 5), min_size=1), st.integers(0, 20))
def test_every_key_has_its_turn_before_any_has_the_next(counts: list[int], limit: int) -> None:
    queue: FairQueue[Letter] = FairQueue()
    for key, count in enumerate(counts):
        queue.put([Letter(key, number) for number in range(count)])
    order = queue.take(0, sum(counts))
    assert [letter.number for letter in order] == sorted(letter.number for letter in order)
    assert queue.take(0, limit) == []


def test_without_keys_whoever_asks_first_gets_what_came_first() -> None:
    queue: FifoQueue[Letter] = FifoQueue()
    letters = [Letter(None, number) for number in range(5)]
    queue.put(letters)
    assert queue.take(0, 2) == letters[:2]
    assert queue.take(1, 9) == letters[2:]
    assert not queue.release(letters)
    queue.put(letters)
    queue.clear()
    assert queue.waiting == 0


def test_messages_are_spread_evenly_over_those_who_want_them() -> None:
    dispatcher: FairDispatcher[Letter] = FairDispatcher(FifoQueue(), 100)
    for consumer in range(3):
        dispatcher.subscribe(consumer, consumer, OPTIONS)
        dispatcher.ask(consumer, 10)
    shares = {key: len(letters) for key, letters in dispatcher.dispatch([Letter(None, n) for n in range(10)])}
    assert sorted(shares.values()) == [3, 3, 4]
