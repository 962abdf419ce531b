"""Applications in memory, and waits without sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path

import pytest

from headwater import Application, Query
from headwater.errors import UnknownQuery
from headwater.testing import (
    VirtualClock,
    assert_correlated,
    refute_event,
    running,
    settled,
    wait_for_answer,
    wait_for_event,
)
from tests.bank import Account, Audit, Audited, BalanceOf, Balances, Deposit, Deposited, Withdraw, Withdrawn, bank

Scenario = Callable[[Application], Coroutine[object, object, None]]


def in_memory(folder: Path, scenario: Scenario) -> None:
    async def main() -> None:
        async with running(bank(folder)) as application:
            await scenario(application)

    asyncio.run(main())


async def failure(work: Awaitable[object]) -> list[str]:
    with pytest.raises(AssertionError) as caught:
        await work
    return str(caught.value).splitlines()


@pytest.mark.row("CM-36")
def test_an_event_is_waited_for_whenever_it_comes(tmp_path: Path) -> None:
    async def scenario(application: Application) -> None:
        first = await application.dispatch(Deposit("a", 1))
        assert (await wait_for_event(application, Deposited)).position == 1, "that is there"
        waiting = [
            asyncio.create_task(wait_for_event(application, Deposited, after=first.position)),
            asyncio.create_task(wait_for_event(application, Deposited, lambda event: event.amount > 5)),
            asyncio.create_task(wait_for_event(application, Withdrawn)),
        ]
        for command in (Audit("a", "x"), Deposit("a", 2), Deposit("b", 9), Withdraw("a", 3)):
            await application.dispatch(command)
        found = [(int(recorded.position), recorded.stream) for recorded in await asyncio.gather(*waiting)]
        assert found == [(4, "account-a"), (5, "account-b"), (6, "account-a")]

    in_memory(tmp_path, scenario)


@pytest.mark.row("CM-36")
def test_an_event_that_does_not_come_fails_the_test_and_what_came_is_told(tmp_path: Path) -> None:
    async def scenario(application: Application) -> None:
        waiting = wait_for_event(application, Withdrawn, timeout=0.01)
        assert await failure(waiting) == ["no Withdrawn has come within 0.01 s; no other event either"]
        await application.dispatch(Deposit("a", 1))
        await application.dispatch(Audit("a", "x"))
        waiting = wait_for_event(application, Deposited, lambda event: event.amount == 2, timeout=0.01)
        assert await failure(waiting) == [
            "no Deposited that fits has come within 0.01 s; the last events are:",
            '  1 account-a bank.deposited {"amount":1}',
            '  2 account-a bank.audited {"note":"x"}',
            '  3 account-a bank.audited {"note":"done"}',
        ]

    in_memory(tmp_path, scenario)


@pytest.mark.row("CM-36")
def test_an_event_that_must_not_come(tmp_path: Path) -> None:
    async def scenario(application: Application) -> None:
        await application.dispatch(Deposit("a", 1))
        done = await application.dispatch(Deposit("a", 2))
        await refute_event(application, Withdrawn)
        await refute_event(application, Deposited, lambda event: event.amount > 2)
        await refute_event(application, Deposited, after=done.position)
        await refute_event(application, Deposited, lambda event: event.amount == 2, until=1)
        assert await failure(refute_event(application, Deposited, lambda event: event.amount == 2)) == [
            "there is Deposited(amount=2) at position 2, in 'account-a'"
        ]

    in_memory(tmp_path, scenario)


@pytest.mark.row("CM-36")
def test_events_of_one_cause(tmp_path: Path) -> None:
    async def scenario(application: Application) -> None:
        await application.dispatch(Deposit("a", 1))
        first = await wait_for_event(application, Deposited)
        await application.dispatch(Deposit("b", 2), because=first)
        second = await wait_for_event(application, Deposited, after=first.position)
        await application.dispatch(Deposit("c", 3))
        other = await wait_for_event(application, Deposited, after=second.position)
        assert_correlated(first)
        assert_correlated(first, second)
        with pytest.raises(AssertionError, match=f"3 bank.deposited: {other.correlation}"):
            assert_correlated(first, second, other)
        await application.store.append("x", [Audited("of nobody")])
        with pytest.raises(AssertionError, match=r"4 bank\.audited: None"):
            assert_correlated(await wait_for_event(application, Audited))

    in_memory(tmp_path, scenario)


class Unanswered(Query[int]):
    pass


@pytest.mark.row("CM-36")
def test_an_answer_is_waited_for(tmp_path: Path) -> None:
    async def scenario(application: Application) -> None:
        waiting = asyncio.create_task(wait_for_answer(application, BalanceOf("a"), 3))
        for amount in (1, 1, 1):
            await application.dispatch(Deposit("a", amount))
            await asyncio.sleep(0)
        await waiting
        await wait_for_answer(application, BalanceOf("b"), 0)
        assert await failure(wait_for_answer(application, BalanceOf("a"), 4, timeout=0.01)) == [
            "BalanceOf(account='a') is answered otherwise after 0.01 s:",
            "  value: expected 4, found 3",
        ]
        with pytest.raises(UnknownQuery):
            await wait_for_answer(application, Unanswered(), 1)
        assert await settled(application) == 3
        assert [status.position for status in await application.views()] == [3]

    in_memory(tmp_path, scenario)


@pytest.mark.row("CM-36")
def test_in_virtual_time_nothing_has_to_be_waited_for(tmp_path: Path) -> None:
    clock = VirtualClock()

    async def main() -> None:
        async with running(bank(tmp_path), clock=clock) as application:
            done = await application.dispatch(Deposit("a", 1), wait_for=[Balances])
            recorded = await wait_for_event(application, Deposited)
            assert (recorded.position, recorded.recorded_at.timestamp()) == (done.position, clock.wall() / 1e9)
            assert await application.live_state(Account, "a") is not None
            clock.advance(300.0)  # the lifespan of an aggregate
            while await application.live_state(Account, "a") is not None:
                await asyncio.sleep(0)
            assert (await application.state(Account, "a")).balance == 1

    asyncio.run(main())
