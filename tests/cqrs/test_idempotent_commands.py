"""The same command sent twice: one effect, one answer."""

from __future__ import annotations

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import (
    Codec,
    Committed,
    Envelope,
    EventStore,
    Expected,
    Recorded,
    Rejected,
    Version,
)
from headwater.errors import CommandIdTaken
from headwater.sourcing.event_ids import event_id
from headwater.store.adapter import Append
from headwater.types import IdSource
from tests.bank import Account, Deposit, Deposited, Payout, Withdraw, bank

from .test_pipeline import Saboteur

ID = UUID(int=7)


@pytest.mark.row("BC-05")
def test_the_same_command_again_has_no_effect_and_the_same_answer(tmp_path: Path) -> None:
    async def main() -> None:
        async with bank(tmp_path) as application:
            await application.dispatch(Deposit("a", 15))
            first = await application.dispatch(Payout("a", [5, 10]), id=ID)
            await application.dispatch(Deposit("a", 1))
            assert await application.dispatch(Payout("a", [5, 10]), id=ID) == first
            assert await application.store.head() == 4
        async with bank(tmp_path) as application:
            assert await application.dispatch(Payout("a", [5, 10]), id=ID) == first
            assert (await application.dispatch(Withdraw("a", 1))).version == 5

    asyncio.run(main())


@pytest.mark.row("BC-05")
def test_commands_with_the_same_id_at_the_same_time_have_one_effect(tmp_path: Path) -> None:
    async def main() -> None:
        async with bank(tmp_path) as application:
            await application.dispatch(Deposit("a", 15))
            answers = await asyncio.gather(
                *(application.dispatch(Withdraw("a", 15), id=ID) for _ in range(5)),
                application.dispatch(Deposit("a", 1)),
                *(application.dispatch(Withdraw("a", 15), id=ID) for _ in range(5)),
            )
            assert [answer.version for answer in answers] == [2] * 5 + [3] + [2] * 5
            outcomes = [one.result async for one in application.dispatch_all([Envelope(Withdraw("a", 15), id=ID)] * 3)]
            assert outcomes == [answers[0]] * 3
            assert await application.store.head() == 3

    asyncio.run(main())


@pytest.mark.row("BC-05")
def test_a_command_whose_answer_was_lost_can_be_sent_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with bank(tmp_path) as application:
            lost = asyncio.create_task(application.dispatch(Deposit("a", 1), id=ID))
            while not await application.store.head():
                await asyncio.sleep(0)
            lost.cancel()
            assert (await application.dispatch(Deposit("a", 1), id=ID)).version == 1
            pending = asyncio.create_task(application.dispatch(Deposit("a", 1), id=UUID(int=8)))
            await asyncio.sleep(0)  # closing answers what was sent
        async with bank(tmp_path) as application:
            assert await application.dispatch(Deposit("a", 1), id=UUID(int=8)) == await pending
            assert await application.store.head() == 2

    asyncio.run(main())


def test_an_id_of_another_aggregate_is_refused_and_harms_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        async with bank(tmp_path) as application:
            await application.dispatch(Deposit("a", 1), id=ID)
            results = await asyncio.gather(
                application.dispatch(Deposit("b", 2)),
                application.dispatch(Deposit("b", 1), id=ID),
                application.dispatch(Deposit("b", 3)),
                return_exceptions=True,
            )
            assert [type(result) for result in results] == [Committed, CommandIdTaken, Committed]
            assert (await application.state(Account, "b")).balance == 5

    asyncio.run(main())


def test_those_who_send_the_same_command_may_want_different_answers(tmp_path: Path) -> None:
    async def main() -> None:
        async with bank(tmp_path) as application:
            states = [application.dispatch(Deposit("a", 1), id=ID, returning=Account) for _ in range(2)]
            plain = [application.dispatch(Deposit("a", 1), id=ID) for _ in range(2)]
            answers = await asyncio.gather(
                plain[0], states[0], plain[1], states[1], application.dispatch(Deposit("a", 1))
            )
            assert [type(answer) for answer in answers] == [Committed, Account, Committed, Account, Committed]
            assert [answer.balance for answer in answers if isinstance(answer, Account)] == [1, 1]
            assert await application.store.head() == 2

    asyncio.run(main())


def test_a_rejection_is_not_remembered(tmp_path: Path) -> None:
    async def main() -> None:
        async with bank(tmp_path) as application:
            with pytest.raises(Rejected):
                await application.dispatch(Withdraw("a", 1), id=ID)
            await application.dispatch(Deposit("a", 1))
            assert (await application.dispatch(Withdraw("a", 1), id=ID)).version == 2

    asyncio.run(main())


class Repeating(Saboteur):
    """Another writer that has brought in some of the commands already, just before their appends."""

    def submit(self, store: EventStore, stream: str, events: Sequence[object], **keywords: object) -> Append:
        if self._rng.random() < self._failures:
            context, ids = keywords.get("context"), keywords.get("ids")
            self._submit(store, stream, events, expected=Expected.ANY, context=context, ids=ids)  # type: ignore[arg-type]
        return self._submit(store, stream, events, **keywords)  # type: ignore[arg-type]  # passed through


@pytest.mark.row("BC-05")
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 6), st.sampled_from("dw"), st.booleans()), min_size=1, max_size=40),
    st.integers(),
    st.sampled_from([0.0, 0.3]),
    st.sampled_from([1, 3, 500]),
)
def test_whatever_happens_each_id_has_one_effect(
    commands: list[tuple[int, str, bool]], seed: int, rate: float, in_flight: int
) -> None:
    """Commands 1 to 6 again and again, in between some without an id, and another writer who executes the same ones."""

    def envelope(number: int, kind: str, identified: bool) -> Envelope:
        command = Deposit("a", number) if number % 2 else Withdraw("a", number)
        if identified:
            return Envelope(command, id=UUID(int=number))
        return Envelope(Deposit("a", 1) if kind == "d" else Withdraw("a", 1))

    async def main(folder: Path) -> None:
        envelopes = [envelope(*one) for one in commands]
        saboteur = Repeating(Random(seed), 0.0, rate)
        async with bank(folder) as application:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(
                    EventStore, "submit", lambda store, *given, **more: saboteur.submit(store, *given, **more)
                )
                outcomes = [one async for one in application.dispatch_all(envelopes, in_flight=in_flight)]
            log = [recorded async for recorded in application.store.read_stream("account-a")]
            assert await application.live_state(Account, "a") == await application.state(Account, "a")
        by_cause: dict[UUID | None, list[Recorded]] = defaultdict(list)
        for recorded in log:
            by_cause[recorded.causation].append(recorded)
        for outcome in outcomes:
            stored = by_cause[outcome.envelope.id] if outcome.envelope.id else []
            assert len(stored) <= 1
            if isinstance(outcome.result, Committed) and outcome.envelope.id:
                assert [(one.version, one.event) for one in stored] == [
                    (outcome.result.version, outcome.result.events[0])
                ]
            else:
                assert isinstance(outcome.result, Committed | Rejected)
        balance = 0
        for recorded in log:
            event = recorded.event
            balance += event.amount if isinstance(event, Deposited) else -event.amount  # type: ignore[attr-defined]
            assert rate or balance >= 0

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder)))


@given(st.uuids(), st.uuids(), st.integers(0, 1_000), st.integers(0, 1_000))
def test_identifiers_of_events_are_a_function_of_command_and_index(a: UUID, b: UUID, i: int, k: int) -> None:
    one, other = event_id(a.bytes, i), event_id(b.bytes, k)
    assert (one == other) == ((a, i) == (b, k))
    assert (one.version, one.variant) == (8, RFC_4122)


def test_identifiers_keep_the_time_of_a_command() -> None:
    ids = IdSource(lambda: 1_700_000_000_000_000_000)
    command = ids.next()
    assert event_id(command.bytes, 3).bytes[:6] == command.bytes[:6]


@pytest.mark.parametrize("url", ["memory://", "sqlite:///{}/s.db"])
def test_the_store_says_in_turn_whether_it_holds_an_event(url: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with await EventStore.open(url.format(tmp_path), Codec.of(Deposited)) as store:
            before = store.holds("s", ID)
            append = store.submit("s", [Deposited(1)], ids=[ID])
            behind, elsewhere = store.holds("s", ID), store.holds("other", ID)
            assert [await before, await behind, await elsewhere] == [False, True, True]
            assert (await append.answer).version == Version(1)
            assert await store.stream_info("other") is None
            await store.tombstone_stream("closed")
            assert [await store.holds("closed", UUID(int=1)), await store.holds("closed", ID)] == [False, True]

    asyncio.run(main())


@pytest.mark.parametrize("url", ["memory://", "sqlite:///{}/s.db"])
def test_the_store_says_in_turn_at_which_version_a_stream_stands(url: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with await EventStore.open(url.format(tmp_path), Codec.of(Deposited)) as store:
            before = [store.stands_at("s", version) for version in (0, 1)]
            append = store.submit("s", [Deposited(1), Deposited(2)])
            behind = [store.stands_at("s", version) for version in (0, 1, 2, 3)]
            assert await asyncio.gather(*before, *behind) == [True, False, False, False, True, False]
            assert (await append.answer).version == 2
            await store.delete_stream("s")
            assert [await store.stands_at("s", version) for version in (0, 1, 2)] == [True, False, True], "as appends"
            await store.tombstone_stream("s")
            assert [await store.stands_at("s", version) for version in (0, 2)] == [True, False]
            assert await store.head() == 2

    asyncio.run(main())


def test_repetitions_that_are_under_way_when_the_application_ends_are_answered(tmp_path: Path) -> None:
    async def main() -> None:
        ids = [UUID(int=number) for number in (7, 8, 9)]
        async with bank(tmp_path) as application:
            first = [await application.dispatch(Deposit("a", 1), id=identifier) for identifier in ids]
            again = [asyncio.ensure_future(application.dispatch(Deposit("a", 1), id=identifier)) for identifier in ids]
            await asyncio.sleep(0)
        assert await asyncio.gather(*again) == first

    asyncio.run(main())
