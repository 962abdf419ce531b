"""The past of aggregates and views: at every moment what a fold from scratch gives."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable, Sequence
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import Application, Position, Query, Recorded, TableProjection, Version, answer, evolve, project
from headwater.clock import SystemClock
from headwater.sourcing.aggregate import Aggregate
from tests.bank import Account, Audited, Deposit, Deposited, Payout, Withdraw, Withdrawn


class Settled(Account, identity="account", category="settled", snapshot_every=3):
    """The same with snapshots."""


class Turnover(msgspec.Struct, frozen=True):
    stream: str
    count: int
    total: int
    last: int


class TurnoverOf(Query[Turnover | None]):
    stream: str


class Turnovers(TableProjection[Turnover], key="stream"):
    @project
    def moved(self, event: Deposited | Withdrawn, recorded: Recorded) -> None:
        old = self.table.lookup(recorded.stream) or Turnover(recorded.stream, 0, 0, 0)
        self.table.insert(Turnover(recorded.stream, old.count + 1, old.total + event.amount, int(recorded.position)))

    @answer
    def of(self, query: TurnoverOf) -> Turnover | None:
        return self.table.lookup(query.stream)


class JumpingClock(SystemClock):
    """Its time goes forwards, stands still, and is set back."""

    def __init__(self, jumps: Iterable[int]) -> None:
        super().__init__()
        self._jumps = list(jumps)
        self._now = 1_700_000_000_000_000_000
        self._read = 0

    def wall(self) -> int:
        self._now += 1_000 * self._jumps[self._read % len(self._jumps)]
        self._read += 1
        return self._now


COMMANDS = st.lists(
    st.one_of(
        st.builds(Deposit, st.sampled_from("ab"), st.integers(1, 100)),
        st.builds(Withdraw, st.sampled_from("ab"), st.integers(1, 100)),
        st.builds(Payout, st.sampled_from("ab"), st.lists(st.integers(1, 30), min_size=1, max_size=3)),
    ),
    min_size=1,
    max_size=8,
)
JUMPS = st.lists(st.integers(-5_000, 20_000), min_size=1, max_size=5)


def _folded(kind: type[Aggregate], events: Sequence[Recorded]) -> Aggregate:
    aggregate = kind("a")
    for recorded in events:
        aggregate.apply(recorded.event)
    return aggregate


def _table(events: Iterable[Recorded]) -> list[Turnover]:
    view = Turnovers()
    for recorded in events:
        view.follow(recorded)
    return sorted(view.table, key=lambda row: row.stream)


@pytest.mark.row("BS-08")
@pytest.mark.parametrize("backend", ["memory", "sqlite"])
@pytest.mark.parametrize("kind", [Account, Settled])
@settings(max_examples=8, deadline=None)
@given(COMMANDS, JUMPS)
def test_at_every_moment_it_is_what_a_fold_from_scratch_gives(
    backend: str, kind: type[Account], commands: list[Deposit | Withdraw | Payout], jumps: list[int]
) -> None:
    async def main(url: str) -> None:
        clock = JumpingClock(jumps)
        application = Application(
            "bank", store=url, aggregates=[kind], projections=[Turnovers], events=[Audited], clock=clock
        )
        async with application:
            async for _ in application.dispatch_all(commands):
                pass
            log = [recorded async for recorded in application.store.read_all()]
            times = [recorded.recorded_at for recorded in log]
            assert times == sorted(times)
            await _check_aggregate(application, kind, log)
            await _check_view(application, log)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main("memory://" if backend == "memory" else f"sqlite:///{folder}/bank.db"))


async def _check_aggregate(application: Application, kind: type[Account], log: Sequence[Recorded]) -> None:
    own = [recorded for recorded in log if recorded.stream == kind.stream_of("a")]
    for version in range(len(own) + 2):
        assert await application.state(kind, "a", at=Version(version)) == _folded(kind, own[:version])
    for position in range(len(log) + 2):
        by_then = [recorded for recorded in own if recorded.position <= position]
        assert await application.state(kind, "a", at=Position(position)) == _folded(kind, by_then)
    for recorded in log:
        for instant in (recorded.recorded_at, recorded.recorded_at - timedelta(microseconds=1)):
            by_then = [one for one in own if one.recorded_at <= instant]
            assert await application.state(kind, "a", at=instant) == _folded(kind, by_then)
    for since in range(len(own) + 1):
        until = (since + len(own)) // 2
        steps = [step async for step in application.history(kind, "a", since=Version(since), until=Version(until))]
        assert [step.recorded for step in steps] == own[since:until]
        for step in steps:
            version = int(step.recorded.version)
            assert step.before == {"id": "a", "balance": _folded(kind, own[: version - 1]).balance}  # type: ignore[attr-defined]
            assert step.after == {"id": "a", "balance": _folded(kind, own[:version]).balance}  # type: ignore[attr-defined]
            assert set(step.changes) == {"balance"}


async def _check_view(application: Application, log: Sequence[Recorded]) -> None:
    for position in range(len(log) + 1):
        view = await application.project(Turnovers, at=Position(position))
        assert sorted(view.table, key=lambda row: row.stream) == _table(log[:position])
    for recorded in log:
        view = await application.project(Turnovers, at=recorded.recorded_at)
        by_then = [one for one in log if one.recorded_at <= recorded.recorded_at]
        assert sorted(view.table, key=lambda row: row.stream) == _table(by_then)
    if log:
        await application.wait_for(Turnovers, log[-1].position)
        for row in _table(log):
            assert await application.query(TurnoverOf(row.stream)) == row


def test_a_view_has_no_version() -> None:
    async def main() -> None:
        application = Application("bank", store="memory://", aggregates=[Account], projections=[Turnovers])
        async with application:
            with pytest.raises(TypeError, match="a view has no version"):
                await application.project(Turnovers, at=Version(1))

    asyncio.run(main())


class Memo(Aggregate, identity="account", category="memo"):
    """Its state is one object that changes."""

    def __init__(self, id: str) -> None:  # noqa: A002
        super().__init__(id)
        self.amounts: list[int] = []

    @evolve
    def deposited(self, event: Deposited) -> None:
        self.amounts.append(event.amount)


@pytest.mark.row("BS-08")
def test_a_step_keeps_what_was_even_if_the_aggregate_changes_its_own_objects() -> None:
    async def main() -> None:
        async with Application("memo", store="memory://", aggregates=[Memo]) as application:
            await application.store.append("memo-m", [Deposited(1), Deposited(2)])
            steps = [step async for step in application.history(Memo, "m")]
            changes = [step.changes["amounts"] for step in steps]
            assert [(change.before, change.after) for change in changes] == [([], [1]), ([1], [1, 2])]

    asyncio.run(main())
