"""Transfers: money leaves one account, then reaches another, or comes back."""

from __future__ import annotations

from collections.abc import Iterator

from headwater import By, Command, ProcessManager, Rejected, continues, rejected, starts
from headwater.examples.bank.accounts import Deposit, Deposited, Refund, Withdraw, Withdrawn
from headwater.examples.bank.orders import CompleteTransfer, FailTransfer, TransferOrdered


class Transfer(ProcessManager, name="bank.transfer", identity="transfer"):
    """Carries out one order."""

    source: str = ""
    target: str = ""
    amount: int = 0
    refused: str = ""
    """Why the target has refused the money, which goes back then."""

    @starts
    def ordered(self, event: TransferOrdered) -> Iterator[Command]:
        """Begin with the source."""
        self.source, self.target, self.amount = event.source, event.target, event.amount
        yield Withdraw(self.source, self.amount)

    @continues(by=By.SENDER)
    def withdrawn(self, event: Withdrawn) -> Iterator[Command]:
        """Go on with the target."""
        yield Deposit(self.target, self.amount)

    @continues(by=By.SENDER)
    def deposited(self, event: Deposited) -> Iterator[Command]:
        """Done: it has arrived, or it is back."""
        self.stop()
        yield FailTransfer(self.id, self.refused) if self.refused else CompleteTransfer(self.id)

    @rejected
    def not_covered(self, command: Withdraw, rejection: Rejected) -> Iterator[Command]:
        """There is nothing to transfer."""
        self.stop()
        yield FailTransfer(self.id, rejection.reason)

    @rejected
    def not_taken(self, command: Deposit, rejection: Rejected) -> Iterator[Command]:
        """Give the money back."""
        self.refused = rejection.reason
        yield Refund(self.source, self.amount)
