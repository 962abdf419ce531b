"""An application whose events have personal fields: it decides, remembers, shows, and forgets."""

from pathlib import Path

import pytest

from headwater import (
    Aggregate,
    Application,
    Codec,
    Command,
    Committed,
    Event,
    EventStore,
    Personal,
    Rejected,
    decide,
    evolve,
)
from headwater.errors import DefinitionError, SubjectForgotten
from tests.store.driving import scenario

from .people import MASTER, OTHER


class Registered(Event, subject="customer"):
    customer: str
    name: Personal[str]


class Renamed(Event, subject="customer"):
    customer: str
    name: Personal[str]


class Register(Command):
    customer: str
    name: str


class Rename(Command):
    customer: str
    name: str


class Customer(Aggregate, identity="customer"):
    names: tuple[str | None, ...] = ()

    @decide
    def register(self, command: Register) -> Registered:
        if self.names:
            raise Rejected("registered already")
        return Registered(command.customer, command.name)

    @decide
    def rename(self, command: Rename) -> Renamed:
        return Renamed(command.customer, command.name)

    @evolve
    def registered(self, event: Registered) -> None:
        self.names = (event.name,)

    @evolve
    def renamed(self, event: Renamed) -> None:
        self.names = (*self.names, event.name)


class Remembered(Customer, identity="customer", category="customer", snapshot_every=2): ...


def test_no_snapshot_holds_what_is_encrypted_in_the_events() -> None:
    with pytest.raises(DefinitionError, match="Remembered takes snapshots, but Registered has personal fields"):
        Application("shop", store="memory://", aggregates=[Remembered])


@pytest.mark.row("BS-07")
@pytest.mark.parametrize("source", ["environment", "parameter"])
@scenario
async def test_an_aggregate_is_remembered_and_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setenv("HEADWATER_MASTER_KEY", MASTER if source == "environment" else OTHER)
    key = None if source == "environment" else MASTER

    def application() -> Application:
        return Application("shop", store=f"sqlite:///{tmp_path / 'shop.db'}", aggregates=[Customer], master_key=key)

    async with application() as shop:
        commands = [Register(f"c-{n}", "Ann") for n in range(20)] + [Rename(f"c-{n}", "Bea") for n in range(20)]
        outcomes = [outcome async for outcome in shop.dispatch_all(commands)]
        assert all(isinstance(outcome.result, Committed) for outcome in outcomes)
    assert b"Ann" not in (tmp_path / "shop.db").read_bytes()
    async with await EventStore.open(f"sqlite:///{tmp_path / 'shop.db'}", Codec(), master_key=MASTER) as store:
        await store.rewrap_keys()  # would not, if another master key had been used
    async with application() as shop:
        assert (await shop.state(Customer, "c-3")).names == ("Ann", "Bea")
        await shop.store.forget("c-3")
        assert (await shop.state(Customer, "c-3")).names == (None, None)
        assert (await shop.state(Customer, "c-4")).names == ("Ann", "Bea")
        with pytest.raises(SubjectForgotten):
            await shop.dispatch(Rename("c-3", "Cy"))
        await shop.dispatch(Rename("c-4", "Cy"))
        assert await shop.store.head() == 41
