"""Append conditions over types and tags."""

from __future__ import annotations

import asyncio
import random

import pytest

from headwater.errors import ConditionFailed, WrongExpectedVersion
from headwater.store.appending import StreamAppend
from headwater.store.model import Appended, NewEvent, StoredEvent
from headwater.store.query import AppendCondition, EventQuery
from headwater.store.store import EventStore
from headwater.testing.conformance.store import (
    Deposited,
    Enrolled,
    StoreSuite,
    Withdrawn,
    check_log,
    new_id,
    on_store,
    outcomes,
    submit_raw,
)

WRITERS = 20
ATTEMPTS = 25


class ConditionSuite(StoreSuite):
    """What every backend promises about conditions."""

    @pytest.mark.row("BS-03")
    @on_store
    async def test_a_condition_names_the_first_event_that_it_excludes(self, store: EventStore) -> None:
        await store.append("s", [Enrolled("c-1", "s-1"), Deposited(1), Enrolled("c-1", "s-2"), Enrolled("c-2", "s-1")])
        cases: list[tuple[EventQuery, int, int | None]] = [
            (store.query(tags=["course:c-1"]), 0, 1),
            (store.query(tags=["course:c-1"]), 1, 3),
            (store.query(tags=["course:c-1"]), 3, None),
            (store.query(tags=["course:c-1", "student:s-2"]), 0, 3),
            (store.query(tags=["student:s-2", "course:c-2"]), 0, None),
            (store.query(Enrolled, tags=["student:s-1"]), 1, 4),
            (store.query(Deposited, tags=["student:s-1"]), 0, None),
            (store.query(Deposited, Withdrawn), 0, 2),
            (store.query(Withdrawn), 0, None),
            (store.query(tags=["nobody:has-it"]), 0, None),
            (store.query(Withdrawn) | store.query(tags=["course:c-2"]) | store.query(Deposited), 0, 2),
            (EventQuery.of("no such type"), 0, None),
            (EventQuery(), 2, 3),
            (EventQuery(), 1_000, None),
        ]
        for query, after, first in cases:
            condition = AppendCondition(query, after)
            event = NewEvent("Probe", 1, b"{}", new_id())
            [outcome] = await outcomes([submit_raw(store, [("t", [event])], condition=condition)])
            if first is None:
                assert isinstance(outcome, Appended)
            else:
                assert isinstance(outcome, ConditionFailed)
                assert (outcome.position, outcome.after) == (first, after)
                assert f"position {first} " in str(outcome)

    @pytest.mark.row("BS-03")
    @on_store
    async def test_conditions_see_the_appends_of_their_own_group(self, store: EventStore) -> None:
        taken = AppendCondition(store.query(Enrolled, tags=["course:c-1"]))
        group = [store.submit(f"s-{n}", [Enrolled("c-1", f"s-{n}")], condition=taken) for n in range(20)]
        others = [
            store.submit("d", [Deposited(n)], condition=AppendCondition(store.query(Withdrawn))) for n in range(20)
        ]
        first, *refused = await outcomes(group)
        assert isinstance(first, Appended)
        assert [type(outcome) for outcome in refused] == [ConditionFailed] * 19
        assert {outcome.position for outcome in refused if isinstance(outcome, ConditionFailed)} == {first.position}
        assert all(isinstance(outcome, Appended) for outcome in await outcomes(others))
        assert await check_log(store) == 21

    @pytest.mark.row("BS-03")
    @on_store
    async def test_a_condition_and_an_expected_version_must_both_hold(self, store: EventStore) -> None:
        nobody = AppendCondition(store.query(tags=["t"]))
        with pytest.raises(WrongExpectedVersion):
            await store.append("s", [Deposited(1)], expected=1, condition=nobody, tags=["t"])
        parts = [StreamAppend("a", [Deposited(1)], 0), StreamAppend("b", [Deposited(1)], 0)]
        done = await store.append_streams(parts, condition=nobody, tags=["t"])
        assert done.count == 2  # an append's own events are not held against it
        with pytest.raises(ConditionFailed):
            await store.append("s", [Deposited(1)], expected=0, condition=nobody)

    @pytest.mark.row("BS-03", "BS-14")
    @on_store
    async def test_what_was_read_can_be_the_condition(self, store: EventStore) -> None:
        """Two who read the same and decide: one wins, the other has to read again."""
        seats = store.query(Enrolled, tags=["course:c"])

        async def enrol(student: str) -> int:
            for attempt in range(1, 100):
                async with store.read_all(query=seats) as reading:
                    taken = [e async for e in reading]
                    condition = AppendCondition(seats, await reading.head())
                if len(taken) == 5:
                    return 0
                try:
                    await store.append(f"student-{student}", [Enrolled("c", student)], condition=condition)
                except ConditionFailed:
                    continue
                return attempt
            raise AssertionError("never got a turn")

        found = await asyncio.gather(*(enrol(str(n)) for n in range(12)))
        assert sum(1 for attempts in found if attempts) == 5
        assert await store.head() == 5

    @pytest.mark.row("BS-03")
    @pytest.mark.parametrize("seed", range(3))
    @on_store
    async def test_conditions_are_linearizable(self, store: EventStore, seed: int) -> None:
        """Writers with overlapping queries at the same time; each result is checked against the final log."""
        results: list[tuple[AppendCondition, Appended | ConditionFailed]] = []

        async def writer(rng: random.Random) -> None:
            for _ in range(ATTEMPTS):
                after = max(0, await store.head() - rng.choice((0, 0, 1, 3, 10)))
                condition = AppendCondition(_random_query(store, rng), after)
                events = [Enrolled(rng.choice("abc"), rng.choice("xyz")) for _ in range(rng.randint(1, 3))]
                for _ in range(rng.randint(0, 3)):
                    await asyncio.sleep(0)
                try:
                    results.append((condition, await store.append(rng.choice("st"), events, condition=condition)))
                except ConditionFailed as error:
                    results.append((condition, error))

        await asyncio.gather(*(writer(random.Random(seed * WRITERS + n)) for n in range(WRITERS)))
        log = [event async for event in store.raw_all()]
        for condition, result in results:
            first = _first(condition.query, condition.after, log)
            if isinstance(result, Appended):
                assert first is None or first >= result.first_position
            else:
                assert first == result.position
        kinds = {type(result) for _, result in results}
        assert kinds == {Appended, ConditionFailed}
        assert len(results) == WRITERS * ATTEMPTS
        await check_log(store)


def _random_query(store: EventStore, rng: random.Random) -> EventQuery:
    query = None
    for _ in range(rng.randint(1, 2)):
        types = [(), (Enrolled,), (Deposited, Enrolled), (Withdrawn,)][rng.randrange(4)]
        tags = [tag for tag in (f"course:{rng.choice('abc')}", f"student:{rng.choice('xyz')}") if rng.random() < 0.7]
        item = store.query(*types, tags=tags)
        query = item if query is None else query | item
    return query or EventQuery()


def _first(query: EventQuery, after: int, log: list[StoredEvent]) -> int | None:
    return next((e.position for e in log if e.position > after and query.matches(e.type, e.tags)), None)
