"""A bank in which aggregates, a decision model and a process manager move money between the same accounts; and what a
single client would have got for a command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random

from headwater import (
    Aggregate,
    Application,
    Backoff,
    By,
    Command,
    Committed,
    DecisionModel,
    Envelope,
    Event,
    Middleware,
    ProcessManager,
    Rejected,
    continues,
    decide,
    evolve,
    rejected,
    starts,
)

LIMIT = 30
"""What an account can hold, if nobody gives back what it held before."""


class Moved(Event, name="adversary.moved", tags=("account",)):
    account: str
    amount: int
    """Negative for what was taken out."""


class Ordered(Event, name="adversary.ordered"):
    transfer: str
    source: str
    target: str
    amount: int


class Closed(Event, name="adversary.closed"):
    transfer: str
    how: str


class Put(Command):
    account: str
    amount: int


class Take(Command):
    account: str
    amount: int


class Refund(Command):
    """Beyond the limit too."""

    account: str
    amount: int


class Ensure(Command):
    """Nothing to do if so much is there."""

    account: str
    amount: int


class Swap(Command):
    """From one account to another, by one decision."""

    source: str
    target: str
    amount: int


class Order(Command):
    """The same, by a process manager."""

    transfer: str
    source: str
    target: str
    amount: int


class Close(Command):
    transfer: str
    how: str


class Account(Aggregate, identity="account"):
    balance: int = 0

    @decide
    def put(self, command: Put) -> Iterator[Event]:
        if self.balance + command.amount > LIMIT:
            raise Rejected("too much", reason="too_much")
        yield Moved(command.account, command.amount)

    @decide
    def take(self, command: Take) -> Iterator[Event]:
        for _ in range(command.amount):  # in several events, each seen by the next
            if not self.balance:
                raise Rejected("not enough", reason="not_enough")
            yield Moved(command.account, -1)

    @decide
    def refund(self, command: Refund) -> Moved:
        return Moved(command.account, command.amount)

    @decide
    def ensure(self, command: Ensure) -> Iterator[Event]:
        if self.balance < command.amount:
            yield Moved(command.account, command.amount - self.balance)

    @evolve
    def moved(self, event: Moved) -> None:
        self.balance += event.amount


class Transfers(Aggregate, identity="transfer", category="order"):
    status: str = ""

    @decide
    def order(self, command: Order) -> Iterator[Event]:
        if not self.status:
            yield Ordered(command.transfer, command.source, command.target, command.amount)

    @decide
    def close(self, command: Close) -> Iterator[Event]:
        if self.status != "ordered":
            raise Rejected("it isn't open", reason="closed")
        yield Closed(command.transfer, command.how)

    @evolve
    def ordered(self, event: Ordered) -> None:
        self.status = "ordered"

    @evolve
    def closed(self, event: Closed) -> None:
        self.status = event.how


class Swaps(DecisionModel[Swap]):
    def __init__(self) -> None:
        self.balances = Counter[str]()

    @classmethod
    def scope(cls, command: Swap) -> Iterable[str]:
        return f"account:{command.source}", f"account:{command.target}"

    @decide
    def swap(self, command: Swap) -> Iterator[Event]:
        if self.balances[command.source] < command.amount:
            raise Rejected("not enough", reason="not_enough")
        if self.balances[command.target] + command.amount > LIMIT:
            raise Rejected("too much", reason="too_much")
        yield Moved(command.source, -command.amount)
        yield Moved(command.target, command.amount)

    @evolve
    def moved(self, event: Moved) -> None:
        self.balances[event.account] += event.amount

    def stream_of(self, event: Event) -> str:
        assert isinstance(event, Moved)
        return Account.stream_of(event.account)


class Transfer(
    ProcessManager, name="transfer", identity="transfer", backoff=Backoff(0.001, 0.01), attempts=100, max_live=4
):
    source: str = ""
    target: str = ""
    amount: int = 0
    left: int = 0
    """What must still leave the source."""
    refused: bool = False

    @starts
    def ordered(self, event: Ordered) -> Take:
        self.source, self.target, self.amount = event.source, event.target, event.amount
        self.left = event.amount
        return Take(event.source, event.amount)

    @continues(by=By.SENDER)
    def moved(self, event: Moved) -> Command | None:
        if event.amount < 0:
            self.left -= 1
            return None if self.left else Put(self.target, self.amount)
        self.stop()
        return Close(self.id, "refused" if self.refused else "done")

    @rejected
    def not_taken(self, command: Take, rejection: Rejected) -> Close:
        self.stop()
        return Close(self.id, "not covered")

    @rejected
    def not_put(self, command: Put, rejection: Rejected) -> Refund:
        self.refused = True
        return Refund(self.source, self.amount)


class Moody(Middleware):
    """Refuses some commands, and raises behind some others, whatever has become of them."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng

    async def before(self, envelope: Envelope) -> None:
        if self._at_a_client(envelope) and self._rng.random() < 0.05:
            raise Rejected("in a bad mood", reason="mood")
        if self._at_a_client(envelope) and self._rng.random() < 0.02:
            raise ZeroDivisionError("a bug")

    def after(self, envelope: Envelope, committed: Committed) -> None:
        if self._rng.random() < 0.05:
            raise ZeroDivisionError("a bug behind a command")

    def failed(self, envelope: Envelope, error: Exception) -> None:
        if self._rng.random() < 0.05:
            raise ZeroDivisionError("a bug behind a failure")

    @staticmethod
    def _at_a_client(envelope: Envelope) -> bool:
        return "op" in (envelope.metadata or {})


def bank(url: str, rng: Random) -> Application:
    return Application(
        "adversary",
        store=url,
        aggregates=[Account, Transfers],
        models=[Swaps],
        process_managers=[Transfer],
        middleware=[Moody(rng)],
        max_live=6,
    )


class State:
    """The accounts and the orders at a position of the log."""

    def __init__(self, balances: Counter[str], orders: dict[str, str]) -> None:
        self.balances = balances
        self.orders = orders

    def after(self, event: object) -> State:
        match event:
            case Moved():
                balances = self.balances.copy()
                balances[event.account] += event.amount
                return State(balances, self.orders)
            case Ordered():
                return State(self.balances, self.orders | {event.transfer: "ordered"})
            case Closed():
                return State(self.balances, self.orders | {event.transfer: event.how})
        return self


def alone(command: Command, state: State) -> tuple[Event, ...] | None:
    """What a single client would have got in this state; None for a rejection. Not by the bank's own code."""
    balances = state.balances
    match command:
        case Put(account, amount):
            return (Moved(account, amount),) if balances[account] + amount <= LIMIT else None
        case Take(account, amount):
            return (Moved(account, -1),) * amount if balances[account] >= amount else None
        case Refund(account, amount):
            return (Moved(account, amount),)
        case Ensure(account, amount):
            lacking = amount - balances[account]
            return (Moved(account, lacking),) if lacking > 0 else ()
        case Swap(source, target, amount):
            fits = balances[source] >= amount and balances[target] + amount <= LIMIT
            return (Moved(source, -amount), Moved(target, amount)) if fits else None
        case Order(transfer, source, target, amount):
            return () if transfer in state.orders else (Ordered(transfer, source, target, amount),)
        case Close(transfer, how):
            return (Closed(transfer, how),) if state.orders.get(transfer) == "ordered" else None
    raise TypeError(command)
