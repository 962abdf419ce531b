"""A bank as it was some years ago, and as it is today, with the upcasters that lead from one to the other."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from headwater import (
    Aggregate,
    Application,
    Codec,
    Command,
    Event,
    Origin,
    Query,
    Raw,
    Recorded,
    TableProjection,
    answer,
    decide,
    evolve,
    project,
    upcast,
)
from headwater.codec import TypeName, TypeRegistry

# --- as it was: what old programs have written -----------------------------------------------------------------


class OldDeposited(Event, name="bank.deposited", tags={"owner": "owner"}):
    cents: int
    owner: str


class Moved(Event, name="bank.moved", tags={"owner": "owner"}):
    """Takes something out and pays a part of it in again."""

    out: int
    back: int
    owner: str


class Pinged(Event, name="bank.pinged"):
    at: str


class Paid(Event, name="bank.paid", tags={"owner": "owner"}):
    amount: int
    owner: str


def old_codec() -> Codec:
    classes = (OldDeposited, Moved, Pinged, Paid)
    types = TypeRegistry()
    for one in classes:
        types.register(one, one.type_name, one.tagger)
    types.register(Opened, Opened.type_name)
    return Codec(types)


# --- as it is ----------------------------------------------------------------------------------------------------


class Opened(Event, name="bank.opened"):
    owner: str


class Deposited(Event, name="bank.deposited", version=3, tags={"owner": "owner"}):
    amount: int
    currency: str
    owner: str
    account: str


class Withdrawn(Event, name="bank.withdrawn", tags={"owner": "owner"}):
    amount: int
    owner: str


@upcast("bank.deposited", schema=1)
def named_amount(data: dict[str, object]) -> dict[str, object]:
    """A field is called otherwise."""
    data["amount"] = data.pop("cents")
    return data


@upcast("bank.deposited", schema=2)
def with_account(data: dict[str, object], origin: Origin) -> dict[str, object]:
    """New fields: a constant, and what only the stream's name tells."""
    return {**data, "currency": "EUR", "account": origin.stream.removeprefix("ledger-")}


@upcast("bank.moved", to=[("bank.withdrawn", 1), ("bank.deposited", 1)])
def split(data: dict[str, object]) -> Iterator[Raw]:
    yield Raw("bank.withdrawn", {"amount": data["out"], "owner": data["owner"]})
    if data["back"]:
        yield Raw("bank.deposited", {"cents": data["back"], "owner": data["owner"]})


@upcast("bank.pinged", to=())
def unheard(data: dict[str, object]) -> None:
    """Nobody needs it any more."""


@upcast("bank.paid", to=[("bank.withdrawn", 1)])
def renamed(data: dict[str, object]) -> Raw:
    return Raw("bank.withdrawn", data)


UPCASTERS = (named_amount, with_account, split, unheard, renamed)


class Put(Command):
    ledger: str
    amount: int
    owner: str


class Ledger(Aggregate, identity="ledger"):
    balance: int = 0

    @decide
    def put(self, command: Put) -> Deposited:
        return Deposited(command.amount, "EUR", command.owner, command.ledger)

    @evolve
    def deposited(self, event: Deposited) -> None:
        self.balance += event.amount

    @evolve
    def withdrawn(self, event: Withdrawn) -> None:
        self.balance -= event.amount


class Row(msgspec.Struct, frozen=True):
    owner: str
    withdrawn: int


class Spent(Query[int]):
    owner: str


class Spending(TableProjection[Row], key="owner"):
    """Follows only one type, which old events of two others have become."""

    @project
    def withdrawn(self, event: Withdrawn, recorded: Recorded) -> None:
        assert recorded.type == "bank.withdrawn"
        self.table.insert(Row(event.owner, self._spent(event.owner) + event.amount))

    @answer
    def spent(self, query: Spent) -> int:
        return self._spent(query.owner)

    def _spent(self, owner: str) -> int:
        row = self.table.lookup(owner)
        return 0 if row is None else row.withdrawn


def codec() -> Codec:
    types = TypeRegistry()
    for one in (Deposited, Withdrawn, Opened):
        types.register(one, TypeName(*one.type_name), one.tagger)
    return Codec(types, UPCASTERS)


def ledger(store: str) -> Application:
    return Application(
        "ledger", store=store, aggregates=[Ledger], projections=[Spending], events=[Opened], upcasters=UPCASTERS
    )
