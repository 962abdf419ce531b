"""Aggregates that leave memory when they are idle, and come back when they are wanted."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import (
    AT_ONCE,
    NEVER,
    Aggregate,
    Application,
    Command,
    Committed,
    Event,
    Lifespan,
    Rejected,
    decide,
    evolve,
)
from headwater.errors import CommandFailed
from headwater.testing.clock import VirtualClock
from tests.bank import Account, Deposit, Deposited, Withdraw

Scenario = Callable[[Application, VirtualClock], Awaitable[None]]


class Count(Command):
    counter: str
    event: str = "counted"


class Counted(Event, name="counter.counted"):
    kind: str


class ByEvent(Lifespan):
    """Each kind of answer has a lifespan of its own."""

    def after_event(self, event: Event) -> float:
        assert isinstance(event, Counted)
        return {"counted": 50.0, "last": AT_ONCE, "kept": NEVER}[event.kind]

    def after_command(self, command: Command) -> float:
        return 20.0

    def after_error(self, command: Command, error: BaseException) -> float:
        if not isinstance(error, Rejected):
            raise RuntimeError("a bug in the lifespan")  # noqa: TRY004 - any error does
        return 10.0


class Counter(Aggregate, identity="counter", lifespan=ByEvent(30.0)):
    count: int = 0

    @decide
    def decide_count(self, command: Count) -> Iterator[Event]:
        match command.event:
            case "rejected":
                raise Rejected("no")
            case "broken":
                raise ZeroDivisionError
            case "nothing":
                return
        yield Counted(command.event)

    @evolve
    def counted(self, event: Counted) -> None:
        self.count += 1


def run(scenario: Scenario, max_live: int = 10_000) -> None:
    async def main() -> None:
        clock = VirtualClock()
        application = Application("x", store="memory://", aggregates=[Account, Counter], clock=clock, max_live=max_live)
        async with application:
            await scenario(application, clock)

    asyncio.run(main())


async def lives(application: Application, kind: type[Aggregate], name: str) -> bool:
    await settle()
    return await application.live_state(kind, name) is not None


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.row("BC-11", "CM-15")
def test_an_idle_aggregate_leaves_after_five_minutes_and_comes_back_as_it_was() -> None:
    async def scenario(application: Application, clock: VirtualClock) -> None:
        await application.dispatch(Deposit("a", 1))
        clock.advance(200.0)
        await application.dispatch(Deposit("a", 1))
        clock.advance(299.0)
        assert await lives(application, Account, "a"), "it was used in between"
        assert clock.pending == 1, "no timer for each command"
        clock.advance(1.1)
        assert not await lives(application, Account, "a")
        assert clock.pending == 0
        assert (await application.dispatch(Deposit("a", 5))).version == 3
        state = await application.live_state(Account, "a")
        assert state is not None
        assert state.balance == 7

    run(scenario)


@pytest.mark.row("CM-15")
@pytest.mark.parametrize(
    ("kind", "seconds"),
    [("counted", 50.0), ("nothing", 20.0), ("rejected", 10.0), ("broken", 30.0), ("last", 0.0), ("kept", math.inf)],
)
def test_the_lifespan_depends_on_what_happened_last(kind: str, seconds: float) -> None:
    async def scenario(application: Application, clock: VirtualClock) -> None:
        await application.dispatch(Count("c"))
        try:
            await application.dispatch(Count("c", kind))
        except (Rejected, CommandFailed):
            await settle()  # a bug makes it read its stream anew
        if seconds == 0:
            assert not await lives(application, Counter, "c")
            return
        clock.advance(min(seconds, 1e6) - 1)
        assert await lives(application, Counter, "c")
        clock.advance(2)
        assert await lives(application, Counter, "c") == (seconds == math.inf)

    logging.getLogger("headwater.cqrs").disabled = True
    run(scenario)
    logging.getLogger("headwater.cqrs").disabled = False


@pytest.mark.row("BC-11")
def test_beyond_the_bound_the_idle_ones_go_that_were_used_the_longest_time_ago() -> None:
    async def scenario(application: Application, clock: VirtualClock) -> None:
        for account in ("a", "b", "c", "a", "d"):
            await application.dispatch(Deposit(account, 1))
        assert [await lives(application, Account, account) for account in "abcd"] == [True, False, True, True]
        await application.dispatch(Deposit("b", 1))
        await settle()
        live = [account for account in "abcd" if application.system.whereis(f"account-{account}")]
        assert len(live) == 3
        assert "b" in live

    run(scenario, max_live=3)


@pytest.mark.row("BC-11")
@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.0, 0.0, 150.0, 400.0])), max_size=60), st.integers(1, 4)
)
def test_a_command_that_races_with_leaving_is_never_lost(steps: list[tuple[int, float]], max_live: int) -> None:
    async def scenario(application: Application, clock: VirtualClock) -> None:
        under_way = []
        for number, seconds in steps:
            under_way.append(asyncio.ensure_future(application.dispatch(Deposit(f"a-{number}", 1), timeout=None)))
            if seconds:
                clock.advance(seconds)
                await asyncio.sleep(0)
        done = await asyncio.gather(*under_way)
        for number in range(6):
            versions = [one.version for one, step in zip(done, steps, strict=True) if step[0] == number]
            assert versions == list(range(1, len(versions) + 1)), "each once, in order"
        await settle()
        named = [number for number in range(6) if application.system.whereis(f"account-a-{number}")]
        assert len(named) <= max_live

    run(scenario, max_live)


@pytest.mark.row("BC-11")
def test_one_that_nobody_waits_for_any_more_leaves_too() -> None:
    async def scenario(application: Application, clock: VirtualClock) -> None:
        given_up = asyncio.create_task(application.dispatch(Deposit("a", 1), timeout=None))
        await asyncio.sleep(0)
        given_up.cancel()
        while not await lives(application, Account, "a"):
            await asyncio.sleep(0)
        assert await application.store.head() == 0
        clock.advance(299)
        assert await lives(application, Account, "a")
        clock.advance(1.1)
        assert not await lives(application, Account, "a")

    run(scenario)


def test_while_all_are_busy_more_may_live_than_the_bound_and_each_is_answered() -> None:
    async def scenario(application: Application, clock: VirtualClock) -> None:
        done = await asyncio.gather(*(application.dispatch(Deposit(f"a-{n % 40}", 1)) for n in range(200)))
        assert sorted({one.version for one in done}) == [1, 2, 3, 4, 5]
        await settle()
        named = [n for n in range(40) if application.system.whereis(f"account-a-{n}")]
        assert len(named) == 1

    run(scenario, max_live=1)


def test_commands_sent_in_the_very_turn_in_which_it_leaves_are_decided_in_order() -> None:
    async def scenario(application: Application, clock: VirtualClock) -> None:
        await application.dispatch(Deposit("a", 1))
        commands = [asyncio.ensure_future(application.dispatch(Withdraw("a", 1), timeout=None))]
        clock.advance(301)
        commands += [asyncio.ensure_future(application.dispatch(Deposit("a", 1), timeout=None)) for _ in range(3)]
        await asyncio.sleep(0)
        clock.advance(301)
        commands += [asyncio.ensure_future(application.dispatch(Withdraw("a", 3)))]
        assert [done.version for done in await asyncio.gather(*commands)] == [2, 3, 4, 5, 6]
        outcomes = [one.result async for one in application.dispatch_all([Deposit("a", 1)] * 5)]
        assert [one.version for one in outcomes if isinstance(one, Committed)] == [7, 8, 9, 10, 11]

    run(scenario)


def test_a_lifespan_and_a_bound_must_be_possible() -> None:
    with pytest.raises(ValueError, match="0 seconds or more"):
        Lifespan(-1)
    with pytest.raises(ValueError, match="0 seconds or more"):
        Lifespan(math.nan)
    with pytest.raises(ValueError, match="at least 1 aggregate"):
        Application("x", store="memory://", aggregates=[], max_live=0)
    assert Account.lifespan.after_event(Deposited(1)) == 300.0
