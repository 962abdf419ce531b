"""Orders: what customers want transferred, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator

from headwater import Aggregate, Command, Event, decide, evolve
from headwater.errors import InvalidCommand


class TransferOrdered(Event, name="bank.transfer.ordered"):
    """A customer wants money transferred."""

    transfer: str
    source: str
    target: str
    amount: int


class TransferCompleted(Event, name="bank.transfer.completed"):
    """The money has arrived."""

    transfer: str


class TransferFailed(Event, name="bank.transfer.failed"):
    """The money is where it was."""

    transfer: str
    why: str


class OrderTransfer(Command, name="bank.transfer.order"):
    """Have money transferred."""

    transfer: str
    source: str
    target: str
    amount: int

    def validate(self) -> None:
        """No transfer of nothing."""
        if self.amount <= 0:
            raise InvalidCommand("the amount must be positive", field="amount")


class CompleteTransfer(Command, name="bank.transfer.complete"):
    """Note that it has arrived."""

    transfer: str


class FailTransfer(Command, name="bank.transfer.fail"):
    """Note that it could not be done."""

    transfer: str
    why: str


class Order(Aggregate, identity="transfer", category="bank.order"):
    """One order."""

    status: str = "new"

    @decide
    def order(self, command: OrderTransfer) -> Iterator[Event]:
        """Once."""
        if self.status == "new":
            yield TransferOrdered(command.transfer, command.source, command.target, command.amount)

    @decide
    def complete(self, command: CompleteTransfer) -> Iterator[Event]:
        """Unless it has ended."""
        if self.status == "ordered":
            yield TransferCompleted(command.transfer)

    @decide
    def fail(self, command: FailTransfer) -> Iterator[Event]:
        """Unless it has ended."""
        if self.status == "ordered":
            yield TransferFailed(command.transfer, command.why)

    @evolve
    def follow(self, event: TransferOrdered | TransferCompleted | TransferFailed) -> None:
        """The status is the last word of the event's name."""
        self.status = event.type_name.name.rpartition(".")[2]
