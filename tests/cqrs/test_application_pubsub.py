"""The PubSub of an application: it tells of changes, and nothing depends on it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import msgspec
import pytest

from headwater import Application, Query, Recorded, TableChanged, TableProjection, answer, project
from tests.bank import Account, Deposit, Deposited


class Total(msgspec.Struct, frozen=True):
    stream: str
    amount: int


class TotalOf(Query[int]):
    stream: str


class Totals(TableProjection[Total], key="stream", topic="totals"):
    @project
    def deposited(self, event: Deposited, recorded: Recorded) -> None:
        self.table.insert(Total(recorded.stream, self._amount(recorded.stream) + event.amount))

    @answer
    def total_of(self, query: TotalOf) -> int:
        return self._amount(query.stream)

    def _amount(self, stream: str) -> int:
        row = self.table.lookup(stream)
        return 0 if row is None else row.amount


@pytest.mark.row("CM-34", "CM-01")
def test_changes_of_a_view_are_broadcast_in_its_own_application_only() -> None:
    """Waiting for a view needs no messages: it is by position, so that none can be lost, and none be too old."""
    definition = Application("bank", store="memory://", aggregates=[Account], projections=[Totals])

    async def main() -> None:
        async with AsyncExitStack() as stack:
            one, other = [await stack.enter_async_context(definition.on("memory://")) for _ in range(2)]
            heard, nothing = [
                await stack.enter_async_context(each.pubsub.subscription("totals", of=TableChanged))
                for each in (one, other)
            ]
            for amount in (1, 2):
                await one.dispatch(Deposit("a", amount), wait_for=[Totals])
                change = await anext(heard)
                assert change.new == Total("account-a", await one.query(TotalOf("account-a")))
            await other.dispatch(Deposit("a", 7), wait_for=[Totals])
            assert (await anext(nothing)).new == Total("account-a", 7), "the first that it hears"
        async with definition.on("memory://") as unheard:
            await unheard.dispatch(Deposit("a", 7), wait_for=[Totals])
            assert await unheard.query(TotalOf("account-a")) == 7, "though nobody has subscribed to anything"

    asyncio.run(main())
