"""Transfers of the example bank, for tests: orders, waiting for their end, and what must hold then."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import msgspec

from headwater import Application, Backoff, Envelope, Recorded
from headwater.examples.bank.accounts import Account, Deposit, Deposited, Open, Withdrawn
from headwater.examples.bank.orders import Order, OrderTransfer, TransferCompleted, TransferFailed, TransferOrdered
from headwater.examples.bank.transfers import Transfer
from headwater.types import IdSource

MONEY = 100
"""What each account has at first."""

LIMIT = 150
"""What each account can hold."""


class QuickTransfer(
    Transfer, name="bank.transfer", identity="transfer", backoff=Backoff(0.001, 0.01), attempts=50, max_live=3
):
    """The same, less patient."""


class Ordering(msgspec.Struct, frozen=True):
    """What a customer wants."""

    source: str
    target: str
    amount: int


def quick_bank(url: str) -> Application:
    return Application("bank", store=url, aggregates=[Account, Order], process_managers=[QuickTransfer])


async def open_accounts(application: Application, names: Sequence[str]) -> None:
    """Open them and put money in, once."""
    ids = IdSource(lambda: 1_700_000_000_000_000_000, lambda count: bytes(count))  # the same each time
    opening = [Envelope(Open(name, LIMIT)) for name in names]
    filling = [Envelope(Deposit(name, MONEY), id=ids.next()) for name in names]
    async for outcome in application.dispatch_all([*opening, *filling]):
        assert not isinstance(outcome.result, Exception), outcome


async def order(application: Application, orders: Sequence[Ordering]) -> None:
    for number, wanted in enumerate(orders):
        await application.dispatch(OrderTransfer(f"t-{number}", wanted.source, wanted.target, wanted.amount))


async def all_ended(application: Application, count: int) -> None:
    """Wait until so many transfers have ended."""
    ended = 0
    async with asyncio.timeout(10):
        async for recorded in application.store.subscribe():
            ended += isinstance(recorded.event, TransferCompleted | TransferFailed)
            if ended == count:
                return


async def check(application: Application, names: Sequence[str]) -> Counter[str]:
    """No command was lost or doubled. Returns how the transfers have ended."""
    log = [recorded async for recorded in application.store.read_all()]
    balances = {name: (await application.state(Account, name)).balance for name in names}
    assert sum(balances.values()) == MONEY * len(names), balances
    ends = Counter[str]()
    for wanted in [recorded.event for recorded in log if isinstance(recorded.event, TransferOrdered)]:
        moved = [one for one in log if one.metadata.get("instance") == wanted.transfer]
        end = [one.event for one in moved if isinstance(one.event, TransferCompleted | TransferFailed)]
        assert len(end) == 1, (wanted, end)
        ends[_check_one(wanted, end[0], moved)] += 1
    return ends


def _check_one(wanted: TransferOrdered, end: TransferCompleted | TransferFailed, moved: Sequence[Recorded]) -> str:
    taken = [(one.stream, one.event.amount) for one in moved if isinstance(one.event, Withdrawn)]
    given = [(one.stream, one.event.amount) for one in moved if isinstance(one.event, Deposited)]
    source, target = Account.stream_of(wanted.source), Account.stream_of(wanted.target)
    why = "completed" if isinstance(end, TransferCompleted) else end.why
    expected = {"completed": [(target, wanted.amount)], "over_limit": [(source, wanted.amount)], "not_covered": []}
    assert given == expected[why], (wanted, moved)
    assert taken == ([] if why == "not_covered" else [(source, wanted.amount)]), (wanted, moved)
    return why
