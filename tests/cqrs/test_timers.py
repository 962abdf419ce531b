"""Commands for later: they survive restarts, fire once, and can be cancelled."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import Application, Recorded
from headwater.clock import instant
from headwater.cqrs import timers
from headwater.cqrs.timer_events import TimerCancelled, TimerEvent, TimerFired, TimerScheduled, TimerSettled
from headwater.cqrs.timer_index import TimerIndex
from headwater.errors import (
    ApplicationError,
    InvalidCommand,
    TimerIdTaken,
    UnknownCommand,
    UnknownTimer,
)
from headwater.testing.clock import VirtualClock
from tests.bank import Account, Deposit, Deposited, Withdraw, Withdrawn

from .orders import Order

ID = UUID(int=7)


def bank(url: str, clock: VirtualClock | None = None) -> Application:
    return Application("bank", store=url, aggregates=[Account], clock=clock)


async def settle(application: Application, condition: Callable[[], Awaitable[bool]]) -> None:
    """Let everything run that is due, until something is so."""
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0)


def balance_is(application: Application, amount: int) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return (await application.state(Account, "a")).balance == amount

    return check


def none_left(application: Application) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        settled = [one async for one in application.store.read_all() if isinstance(one.event, TimerSettled)]
        fired = [one async for one in application.store.read_all() if isinstance(one.event, TimerFired)]
        return not await application.scheduled() and len(settled) == len(fired)

    return check


@pytest.mark.row("BC-06")
def test_a_command_is_dispatched_when_its_time_has_come() -> None:
    async def main() -> None:
        clock = VirtualClock()
        async with bank("memory://", clock) as application:
            late = await application.schedule(Deposit("a", 1), after=100.0)
            soon = await application.schedule(
                Deposit("a", 10), at=instant(clock.wall() // 1_000) + timedelta(seconds=5)
            )
            now = await application.schedule(Deposit("a", 100), after=0)
            await settle(application, balance_is(application, 100))
            assert [(one.id, one.command) for one in await application.scheduled()] == [
                (soon, Deposit("a", 10)),
                (late, Deposit("a", 1)),
            ]
            clock.advance(4.9)
            await settle(application, none_left_but(application, 2))
            clock.advance(0.2)
            await settle(application, balance_is(application, 110))
            clock.advance(50.0)
            clock.advance(50.0)
            await settle(application, balance_is(application, 111))
            causes = [one.causation async for one in application.store.read_all() if isinstance(one.event, Deposited)]
            assert causes == [now, soon, late]

    asyncio.run(main())


def none_left_but(application: Application, count: int) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return len(await application.scheduled()) == count

    return check


@pytest.mark.row("BC-06")
def test_what_was_missed_fires_at_the_next_start_and_only_once(tmp_path: Path) -> None:
    async def main() -> None:
        clock, url = VirtualClock(), f"sqlite:///{tmp_path}/b.db"
        async with bank(url, clock) as application:
            assert await application.schedule(Deposit("a", 1), after=60.0, id=ID) == ID
            await application.schedule(Withdraw("a", 100), after=61.0)
        clock.advance(1_000.0)
        for _ in range(3):
            async with bank(url, clock) as application:
                await settle(application, balance_is(application, 1))
                await settle(application, none_left(application))
        async with bank(url, clock) as application:
            log = [one.event async for one in application.store.read_all()]
        assert [event for event in log if isinstance(event, Deposited)] == [Deposited(1)]
        settled = [event.error for event in log if isinstance(event, TimerSettled)]
        assert sorted(settled, key=str) == [None, "rejected: the account doesn't cover that"]

    asyncio.run(main())


@pytest.mark.row("BC-06")
def test_what_was_cancelled_never_fires_and_what_has_fired_cannot_be(tmp_path: Path) -> None:
    async def main() -> None:
        clock, url = VirtualClock(), f"sqlite:///{tmp_path}/b.db"
        async with bank(url, clock) as application:
            done = await application.schedule(Deposit("a", 1), after=1.0)
            gone = await application.schedule(Deposit("a", 10), after=2.0)
            assert await application.cancel(gone)
            assert await application.cancel(gone), "it is cancelled"
            clock.advance(10.0)
            await settle(application, none_left(application))
            assert not await application.cancel(done)
            with pytest.raises(UnknownTimer):
                await application.cancel(ID)
        async with bank(url, clock) as application:
            assert await application.scheduled() == []
            assert (await application.state(Account, "a")).balance == 1

    asyncio.run(main())


def test_bad_input_is_refused_and_nothing_is_scheduled() -> None:
    async def main() -> None:
        async with bank("memory://") as application:
            for wrong, error in [
                (application.schedule(Deposit("a", 1)), ValueError),
                (application.schedule(Deposit("a", 1), after=1.0, at=datetime.now(UTC)), ValueError),
                (application.schedule(Deposit("a", 1), after=-1.0), ValueError),
                (application.schedule(Deposit("a", 1), after=float("nan")), ValueError),
                (application.schedule(Deposit("a", 1), after=1e12), ValueError),
                (application.scheduled(limit=-1), ValueError),
                (application.schedule(Deposit("a", 1), at=datetime(2030, 1, 1)), ValueError),  # noqa: DTZ001 - wrong
                (application.schedule(Deposit("", 1), after=1.0), InvalidCommand),
                (application.schedule(Order("o", 1), after=1.0), UnknownCommand),
            ]:
                with pytest.raises(error):
                    await wrong
            assert await application.store.head() == 0
            await application.schedule(Deposit("a", 1), after=60.0, id=ID)
            await application.schedule(Deposit("a", 1), after=90.0, id=ID)
            with pytest.raises(TimerIdTaken):
                await application.schedule(Deposit("a", 2), after=60.0, id=ID)
            assert await application.store.head() == 1
        with pytest.raises(ApplicationError):
            await application.schedule(Deposit("a", 1), after=1.0)

    asyncio.run(main())


@pytest.mark.row("BC-12")
def test_a_scheduled_command_carries_on_where_it_comes_from() -> None:
    async def main() -> None:
        clock = VirtualClock()
        async with bank("memory://", clock) as application:
            await application.dispatch(Deposit("a", 5), correlation=ID)
            [cause] = [one async for one in application.store.read_stream("account-a")]
            timer = await application.schedule(Withdraw("a", 5), after=1.0, because=cause, metadata={"who": "clerk"})
            clock.advance(1.0)
            await settle(application, none_left(application))
            [effect] = [one async for one in application.store.read_all() if isinstance(one.event, Withdrawn)]
            assert (effect.causation, effect.correlation) == (timer, ID)
            assert effect.metadata == {"who": "clerk", "because": str(cause.id)}
            steps = [
                one async for one in application.store.read_all() if isinstance(one.event, TimerScheduled | TimerFired)
            ]
            assert {one.correlation for one in steps} == {ID}

    asyncio.run(main())


# --- the index -------------------------------------------------------------------------------------------------

TIMES = st.integers(0, 20)


class Firing:
    """An index at work beside its log, and a model that holds everything."""

    def __init__(self, limit: int) -> None:
        self.index = TimerIndex(limit)
        self.log: list[TimerEvent] = []
        self.model: dict[UUID, int] = {}
        self.fired: list[UUID] = []

    def tell(self, event: TimerEvent) -> None:
        self.log.append(event)
        self.index.follow(event)

    def fire(self, now: int) -> None:
        while (found := self._due(now)) is not None:
            if self.model.pop(found, None) is not None:  # else: its stream says that it has fired already
                self.fired.append(found)
                self.tell(TimerFired(found))
        assert not [at for at in self.model.values() if at <= now], "nothing that is due is left"

    def kill(self, now: int, limit: int) -> None:
        """One is about to be fired when the program ends; the next one begins with a snapshot."""
        self._due(now)
        self.index = TimerIndex.restored(self.index.picture(), limit)

    def _due(self, now: int) -> UUID | None:
        while self.index.exhausted:
            self.index = self.index.further()
            for event in self.log:
                self.index.follow(event)
            self.index.filled()
        return self.index.pop_due(now)


@given(st.lists(st.tuples(st.sampled_from("scfk"), st.integers(1, 15), TIMES), max_size=60), st.integers(1, 4))
def test_the_index_knows_what_a_full_one_would(steps: list[tuple[str, int, int]], limit: int) -> None:
    """Timers come, go and fire while time passes, and programs end; the log is read again for an exhausted index."""
    firing, used = Firing(limit), set[int]()
    for kind, number, at in steps:
        id_ = UUID(int=number)
        if kind == "s" and number not in used:
            used.add(number)
            firing.model[id_] = at
            firing.tell(TimerScheduled(id_, at))
        elif kind == "c" and firing.model.pop(id_, None) is not None:
            firing.tell(TimerCancelled(id_))
        elif kind == "f":
            firing.fire(at)
        elif kind == "k":
            firing.kill(at, limit)
        assert len(firing.index) <= limit
    firing.fire(20)
    assert not firing.model
    assert len(set(firing.fired)) == len(firing.fired)


def test_what_was_taken_is_known_until_the_log_says_that_it_has_fired() -> None:
    first, second = UUID(int=1), UUID(int=2)
    log = [TimerScheduled(first, 1), TimerScheduled(second, 2)]
    index = TimerIndex(limit=1)
    for event in log:
        index.follow(event)
    assert index.pop_due(5) == first
    assert index.exhausted
    index = index.further()
    for event in log:
        index.follow(event)
    index.filled()
    assert [*TimerIndex.restored(index.picture()).pending()] == [first, second]
    index.follow(TimerFired(first))
    assert [*TimerIndex.restored(index.picture()).pending()] == [second]


# --- killed ----------------------------------------------------------------------------------------------------


async def fire(path: str) -> None:
    """What the child does: schedule some commands, all due very soon, until it is killed. It often saves a snapshot."""
    timers.SNAPSHOT_EVERY = 3  # type: ignore[misc]
    async with bank(f"sqlite:///{path}") as application:
        print("open", flush=True)
        while True:
            await application.schedule(Deposit("a", 1), after=0.002)


@pytest.mark.row("BC-06")
def test_each_timer_fires_once_under_sigkill(tmp_path: Path) -> None:
    rng, path = Random(5), tmp_path / "b.db"
    for _ in range(5):
        command = [sys.executable, "-m", "tests.cqrs.test_timers", str(path)]
        environment, root = {**os.environ, "PYTHONUNBUFFERED": "1"}, Path(__file__).parents[2]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, env=environment, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "open\n"
            moment = time.perf_counter() + rng.random() * 0.1
            while time.perf_counter() < moment:  # a random moment of its work
                pass
            child.send_signal(signal.SIGKILL)

    async def main() -> list[Recorded]:
        async with bank(f"sqlite:///{path}") as application:
            await settle(application, none_left(application))
            return [one async for one in application.store.read_all()]

    log = asyncio.run(main())
    scheduled = [one.event.id for one in log if isinstance(one.event, TimerScheduled)]
    effects = [one.causation for one in log if isinstance(one.event, Deposited)]
    assert sorted(map(str, effects)) == sorted(map(str, scheduled))
    assert len(effects) > 5


if __name__ == "__main__":
    asyncio.run(fire(*sys.argv[1:]))
