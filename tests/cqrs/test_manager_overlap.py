"""Two nodes that dispatch the same command of a process manager, because one doesn't know yet of the other: what one of
them stores of its end is true, whatever the other one does."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from headwater import Application, Envelope, Middleware, Rejected
from headwater.cqrs.manager_step import StepTaken
from headwater.cqrs.timer_events import TimerSettled
from headwater.errors import CommandIdTaken
from headwater.examples.bank.accounts import Account, Deposit, Withdraw
from headwater.examples.bank.orders import Order

from .transferring import MONEY, Ordering, QuickTransfer, all_ended, check, open_accounts, order


def bank(*middleware: Middleware) -> Application:
    return Application(
        "bank", store="memory://", aggregates=[Account, Order], process_managers=[QuickTransfer], middleware=middleware
    )


async def refused_ids(application: Application) -> list[UUID]:
    steps = [recorded.event async for recorded in application.store.read_all()]
    return [one.id for step in steps if isinstance(step, StepTaken) for one in step.settled if one.error]


@pytest.mark.row("CM-28", "BC-05")
def test_a_command_whose_rejection_is_stored_never_has_an_effect() -> None:
    async def main() -> None:
        async with bank() as application:
            await open_accounts(application, "ab")
            await order(application, [Ordering("a", "b", MONEY + 1)])
            await all_ended(application, 1)
            await application.dispatch(Deposit("a", 1))
            (refused,) = await refused_ids(application)
            with pytest.raises(CommandIdTaken):  # the other node comes late; now it would be covered
                await application.dispatch(Withdraw("a", MONEY + 1), id=refused)
            assert (await application.state(Account, "a")).balance == MONEY + 1

    asyncio.run(main())


class ElsewhereFirst(Middleware):
    """Another node has the effect, while this one is told that the command was rejected."""

    application: Application

    def __init__(self) -> None:
        self.late = 0

    async def before(self, envelope: Envelope) -> None:
        if isinstance(envelope.command, Withdraw) and envelope.metadata and not self.late:
            self.late += 1
            await self.application.dispatch(envelope.command, id=envelope.id, metadata=envelope.metadata)
            raise Rejected("not any more", reason="not_covered")


@pytest.mark.row("CM-28", "BC-05")
def test_a_rejection_is_not_stored_of_a_command_that_has_had_its_effect() -> None:
    async def main() -> None:
        elsewhere = ElsewhereFirst()
        async with bank(elsewhere) as application:
            elsewhere.application = application
            await open_accounts(application, "ab")
            await order(application, [Ordering("a", "b", 10)])
            await all_ended(application, 1)
            assert await check(application, "ab") == {"completed": 1}
            assert elsewhere.late == 1
            assert not await refused_ids(application)

    asyncio.run(main())


@pytest.mark.row("BC-05")
def test_nor_has_a_scheduled_command_an_effect_behind_its_rejection() -> None:
    async def main() -> None:
        async with bank() as application:
            await open_accounts(application, "a")
            timer = await application.schedule(Withdraw("a", MONEY + 1), after=0.0)
            async for recorded in application.store.subscribe():
                if isinstance(recorded.event, TimerSettled):
                    assert "rejected" in str(recorded.event.error)
                    break
            await application.dispatch(Deposit("a", 1))
            with pytest.raises(CommandIdTaken):
                await application.dispatch(Withdraw("a", MONEY + 1), id=timer)

    asyncio.run(main())
