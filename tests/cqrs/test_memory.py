"""An application whose store is in memory: the same commands, views and histories."""

import asyncio

import pytest

from headwater import Application, Rejected, Version

from ..bank import Account, BalanceOf, Balances, Deposit, Deposited, Withdraw


def test_an_application_runs_in_memory() -> None:
    async def main() -> None:
        bank = Application("bank", store="memory://", aggregates=[Account], projections=[Balances])
        async with bank:
            await asyncio.gather(*(bank.dispatch(Deposit("a", 10)) for _ in range(50)))
            done = await bank.dispatch(Withdraw("a", 30))
            with pytest.raises(Rejected):
                await bank.dispatch(Withdraw("a", 1_000))
            await bank.wait_for(Balances, done.position)
            assert await bank.query(BalanceOf("a")) == 470
            assert (await bank.state(Account, "a", at=Version(3))).balance == 30
            assert done.position == await bank.store.head() == 51
        async with bank:
            assert await bank.store.head() == 0

    asyncio.run(main())


def test_an_aggregate_begins_anew_when_its_stream_was_deleted() -> None:
    async def main() -> None:
        bank = Application("bank", store="memory://", aggregates=[Account])
        async with bank:
            await bank.store.append("account-a", [Deposited(100)] * 5)
            await bank.store.delete_stream("account-a")
            first, second = await asyncio.gather(bank.dispatch(Deposit("a", 1)), bank.dispatch(Deposit("a", 2)))
            assert (first.version, second.version) == (6, 7)
            assert (await bank.state(Account, "a")).balance == 3

    asyncio.run(main())
