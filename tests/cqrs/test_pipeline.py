"""Pipelined appends under interference: random conflicts and storage failures at random appends.

Whatever happens in between, the log must read as if the commands had been decided one after the other, and every answer
must be true.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headwater import Application, Command, Committed, Envelope, EventStore, Expected, Recorded, Rejected, Version
from headwater.errors import ConflictNotResolved, StorageFull
from headwater.store.adapter import Append, AppendPart
from headwater.store.model import Context
from tests.bank import Account, Deposit, Deposited, Payout, Withdraw, Withdrawn, bank

COMMANDS = st.lists(
    st.one_of(
        st.builds(Deposit, st.just("a"), st.integers(0, 3)),
        st.builds(Withdraw, st.just("a"), st.integers(1, 3)),
        st.builds(Payout, st.just("a"), st.lists(st.integers(1, 2), min_size=1, max_size=3)),
    ),
    min_size=1,
    max_size=40,
)
Answer = Committed | Rejected | StorageFull | ConflictNotResolved


class Saboteur:
    """Stands in front of a store: lets another writer in, and fails appends, at random."""

    def __init__(self, rng: Random, conflicts: float, failures: float) -> None:
        self._rng = rng
        self._conflicts = conflicts
        self._failures = failures
        self._submit = EventStore.submit

    def submit(self, store: EventStore, stream: str, events: Sequence[object], **keywords: object) -> Append:
        other = None
        if self._rng.random() < self._conflicts:
            other = self._submit(store, stream, [Deposited(1)] * self._rng.randint(1, 3), expected=Expected.ANY)
        if self._rng.random() < self._failures:
            return self._fail(other, stream)
        return self._submit(store, stream, events, **keywords)  # type: ignore[arg-type]  # passed through

    def _fail(self, behind: Append | None, stream: str) -> Append:
        """The append never reaches the disk, as if it was full for that moment, just behind another one."""
        append = Append((AppendPart(stream, Expected.ANY, ()),), Context())
        append.failed = True
        if behind is None:
            asyncio.get_running_loop().call_later(0.001, append.resolve, StorageFull("full"))
        else:
            behind.answer.add_done_callback(lambda _: append.resolve(StorageFull("full")))
        return append


async def answers_of(application: Application, envelopes: Sequence[Envelope], in_flight: int) -> list[Answer]:
    answers: list[Answer] = []
    async for outcome in application.dispatch_all(envelopes, in_flight=in_flight):
        assert isinstance(outcome.result, Answer), repr(outcome.result)
        answers.append(outcome.result)
    return answers


def check(envelopes: Sequence[Envelope], answers: Sequence[Answer], log: Sequence[Recorded], in_flight: int) -> None:
    by_cause: dict[UUID | None, list[Recorded]] = defaultdict(list)
    for recorded in log:
        by_cause[recorded.causation].append(recorded)
    last = 0
    for envelope, answer in zip(envelopes, answers, strict=True):
        stored = by_cause[envelope.id]
        if isinstance(answer, Committed):
            assert tuple(found.event for found in stored) == answer.events
            assert stored[-1].version == answer.version > last, "in the order of the commands"
            assert [found.version for found in stored] == list(
                range(answer.version - len(stored) + 1, answer.version + 1)
            )
            last = answer.version
        else:
            assert stored == [], "what was not committed has left nothing"
    if len(envelopes) <= in_flight:
        kinds = [type(answer) for answer in answers]
        fallen = kinds.index(StorageFull) if StorageFull in kinds else len(kinds)
        assert Committed not in kinds[fallen:], "what was sent before a failure was known takes no effect behind it"
    balance = 0
    for recorded in log:
        balance += recorded.event.amount if isinstance(recorded.event, Deposited) else -_withdrawn(recorded)
        assert balance >= 0, "decided on a state that never was"


def _withdrawn(recorded: Recorded) -> int:
    assert isinstance(recorded.event, Withdrawn)
    return recorded.event.amount


@settings(max_examples=60, deadline=None)
@example([Deposit("a", 3), Withdraw("a", 1), Deposit("a", 1), Withdraw("a", 2)], 6, 0.0, 0.5, 500)
@example([Deposit("a", 1), Payout("a", [1, 1]), Deposit("a", 1)], 167, 0.0, 0.1, 5)
@given(
    COMMANDS, st.integers(), st.sampled_from([0.0, 0.1, 0.5]), st.sampled_from([0.0, 0.1]), st.sampled_from([1, 5, 500])
)
def test_the_log_reads_as_if_commands_were_decided_one_by_one(
    commands: list[Command], seed: int, conflicts: float, failures: float, in_flight: int
) -> None:
    async def main(folder: Path) -> None:
        envelopes = [Envelope(command, id=UUID(int=number + 1)) for number, command in enumerate(commands)]
        saboteur = Saboteur(Random(seed), conflicts, failures)
        async with bank(folder) as application:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(
                    EventStore, "submit", lambda store, *given, **more: saboteur.submit(store, *given, **more)
                )
                answers = await answers_of(application, envelopes, in_flight)
            live = await application.live_state(Account, "a")
            log = [recorded async for recorded in application.store.read_stream("account-a")]
            committed = max([int(answer.version) for answer in answers if isinstance(answer, Committed)], default=0)
            later = [await application.state(Account, "a", at=recorded.version) for recorded in log[committed:]]
            known = await application.state(Account, "a", at=Version(committed)) if committed else Account("a")
            assert live in [known, *later], "it may not know of other writers yet, but of all that it has answered"
        check(envelopes, answers, log, in_flight)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder)))
