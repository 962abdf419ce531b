"""Views of the bank that are replaced, and whose snapshots are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from headwater import (
    Application,
    EventStore,
    Position,
    Projection,
    Query,
    Recorded,
    TableProjection,
    answer,
    project,
)
from headwater.cqrs.view_process import ViewProcess
from headwater.cqrs.view_snapshots import ViewSnapshots
from tests.bank import Account, Audited, BalanceOf, Deposited, Withdrawn


class Entry(msgspec.Struct, frozen=True):
    account: str
    amount: int
    moves: tuple[int, ...] = ()


class EverythingIn(Query[tuple[tuple[Entry, ...], int]]):
    """All rows, and the sum."""


class Sums(TableProjection[Entry], key="account", name="Sums", snapshot_every=7):
    """With state beside the table, and the last few moves of each account."""

    total: int = 0
    last: dict[str, int]

    factor: ClassVar[int] = 1

    def __init__(self) -> None:
        super().__init__()
        self.last = {}

    @project
    def moved(self, event: Deposited | Withdrawn, recorded: Recorded) -> None:
        account = recorded.stream.removeprefix("account-")
        amount = event.amount if isinstance(event, Deposited) else -event.amount
        old = self.table.lookup(account) or Entry(account, 0)
        self.table.insert(Entry(account, old.amount + amount * self.factor, (*old.moves[-2:], amount)))
        self.total += amount * self.factor
        self.last[account] = recorded.position

    @answer
    def balance_of(self, query: BalanceOf) -> int:
        row = self.table.lookup(query.account)
        return 0 if row is None else row.amount

    @answer
    def everything(self, query: EverythingIn) -> tuple[tuple[Entry, ...], int]:
        return tuple(self.table.rows()), self.total

    @property
    def contents(self) -> object:
        return self.table.rows(), self.total, dict(self.last)


class SumsV2(Sums, key="account", name="Sums", version=2, snapshot_every=7):
    factor = 100


class Stubborn(Sums, key="account", name="Sums", version=3):
    """Can't follow all there is."""

    @project
    def moved(self, event: Deposited | Withdrawn, recorded: Recorded) -> None:
        if event.amount == 13:
            raise ValueError("unlucky")


class Deaf(Projection, name="Sums", version=4):
    """Has no answers."""

    @project
    def moved(self, event: Deposited) -> None: ...


def application(url: str | Path, *projections: type[Projection]) -> Application:
    store = url if isinstance(url, str) else f"sqlite:///{url}/bank.db"
    return Application("bank", store=store, aggregates=[Account], projections=projections or [Sums], events=[Audited])


def running(app: Application, name: str = "Sums") -> ViewProcess:
    """The process's inside, to look at."""
    server = app.system.named(ViewProcess, f"view {name}").process.server
    assert isinstance(server, ViewProcess)
    return server


async def snapshot_settled(app: Application) -> None:
    await running(app)._keeper.settled()


def snapshots(store: EventStore, app: Application, kind: type[TableProjection[Any]]) -> ViewSnapshots:
    return ViewSnapshots(store, kind, app.system.clock)


async def contents(app: Application, kind: type[Sums], at: Position | None = None) -> object:
    """What a fresh one would hold."""
    return (await app.project(kind, at=at)).contents


async def fill(app: Application, moves: Sequence[tuple[str, int]]) -> Position:
    from tests.bank import Deposit

    position = Position(0)
    for account, amount in moves:
        position = (await app.dispatch(Deposit(account, amount))).position
    return position
