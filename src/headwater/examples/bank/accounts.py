"""Accounts: they never hold less than nothing, and take no more than their limit."""

from __future__ import annotations

from collections.abc import Iterator

from headwater import Aggregate, Command, Event, Rejected, decide, evolve


class Opened(Event, name="bank.account.opened"):
    """The account exists from now on."""

    limit: int


class Deposited(Event, name="bank.account.deposited"):
    """Money has come in."""

    amount: int


class Withdrawn(Event, name="bank.account.withdrawn"):
    """Money has gone out."""

    amount: int


class Open(Command, name="bank.account.open"):
    """Open the account."""

    account: str
    limit: int = 1_000_000


class Deposit(Command, name="bank.account.deposit"):
    """Put money in."""

    account: str
    amount: int


class Withdraw(Command, name="bank.account.withdraw"):
    """Take money out."""

    account: str
    amount: int


class Refund(Command, name="bank.account.refund"):
    """Give money back that couldn't be transferred."""

    account: str
    amount: int


class Account(Aggregate, identity="account", category="bank.account"):
    """One account."""

    balance: int = 0
    limit: int = 0

    @decide
    def open(self, command: Open) -> Iterator[Event]:
        """Once."""
        if not self.limit:
            yield Opened(command.limit)

    @decide
    def deposit(self, command: Deposit) -> Iterator[Event]:
        """As long as there is room."""
        if self.balance + command.amount > self.limit:
            raise Rejected("the account can't hold that", reason="over_limit", limit=self.limit)
        yield Deposited(command.amount)

    @decide
    def refund(self, command: Refund) -> Iterator[Event]:
        """Always: the money was here before."""
        yield Deposited(command.amount)

    @decide
    def withdraw(self, command: Withdraw) -> Iterator[Event]:
        """As long as it is covered."""
        if command.amount > self.balance:
            raise Rejected("the account doesn't cover that", reason="not_covered", balance=self.balance)
        yield Withdrawn(command.amount)

    @evolve
    def opened(self, event: Opened) -> None:
        """The limit counts from now on."""
        self.limit = event.limit

    @evolve
    def deposited(self, event: Deposited) -> None:
        """More is there."""
        self.balance += event.amount

    @evolve
    def withdrawn(self, event: Withdrawn) -> None:
        """Less is there."""
        self.balance -= event.amount
