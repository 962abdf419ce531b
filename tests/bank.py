"""A small bank, as the application under test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from headwater import (
    Aggregate,
    Application,
    Command,
    Event,
    Query,
    Recorded,
    Rejected,
    TableProjection,
    answer,
    decide,
    evolve,
    project,
)


class Deposited(Event, name="bank.deposited"):
    amount: int


class Withdrawn(Event, name="bank.withdrawn"):
    amount: int


class Audited(Event, name="bank.audited"):
    """An event that changes no state."""

    note: str


class Deposit(Command):
    account: str
    amount: int


class Withdraw(Command):
    account: str
    amount: int


class Payout(Command):
    """Several withdrawals in one command, each seen by the next."""

    account: str
    amounts: list[int]


class Audit(Command):
    account: str
    note: str | None = None


class Break(Command):
    """A bug: changes the state, then raises."""

    account: str


class Account(Aggregate, identity="account"):
    balance: int = 0

    @decide
    def deposit(self, command: Deposit) -> Iterator[Event]:
        if command.amount <= 0:
            raise Rejected("the amount must be positive", reason="bad_amount", amount=command.amount)
        yield Deposited(command.amount)

    @decide
    def withdraw(self, command: Withdraw) -> Withdrawn:
        self._check(command.amount)
        return Withdrawn(command.amount)

    @decide
    def payout(self, command: Payout) -> Iterator[Event]:
        for amount in command.amounts:
            self._check(amount)
            yield Withdrawn(amount)

    @decide
    def audit(self, command: Audit) -> list[Event] | None:
        return None if command.note is None else [Audited(command.note), Audited("done")]

    @decide
    def break_down(self, command: Break) -> Iterator[Event]:
        yield Deposited(1_000_000)
        raise ZeroDivisionError("a bug")

    @evolve
    def deposited(self, event: Deposited) -> None:
        self.balance += event.amount

    @evolve
    def withdrawn(self, event: Withdrawn) -> None:
        self.balance -= event.amount

    def _check(self, amount: int) -> None:
        if amount > self.balance:
            raise Rejected("the account doesn't cover that", reason="not_covered", balance=self.balance)


class Balance(msgspec.Struct, frozen=True):
    account: str
    amount: int


class BalanceOf(Query[int]):
    account: str


class Balances(TableProjection[Balance], key="account"):
    @project
    def moved(self, event: Deposited | Withdrawn, recorded: Recorded) -> None:
        account = recorded.stream.removeprefix("account-")
        amount = event.amount if isinstance(event, Deposited) else -event.amount
        self.table.insert(Balance(account, self._amount(account) + amount))

    @answer
    def balance_of(self, query: BalanceOf) -> int:
        return self._amount(query.account)

    def _amount(self, account: str) -> int:
        row = self.table.lookup(account)
        return 0 if row is None else row.amount


NAMED_STORE = "store.url"
"""The file in a test's folder that names its store, if it shall not be an SQLite file there."""


def store_in(folder: Path) -> str:
    """The URL of the store of a test's folder."""
    named = folder / NAMED_STORE
    return named.read_text() if named.exists() else f"sqlite:///{folder}/bank.db"


def bank(folder: Path) -> Application:
    return Application(
        "bank",
        store=store_in(folder),
        aggregates=[Account],
        projections=[Balances],
        events=[Audited],
    )
