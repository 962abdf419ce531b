"""Blueprints: parts of an application that are put together; and the same application on another store."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from headwater import (
    Aggregate,
    Application,
    Blueprint,
    Command,
    Envelope,
    Event,
    HeadwaterError,
    Middleware,
    Rejected,
    decide,
)
from headwater.errors import DefinitionError, UnknownCommand
from headwater.testing import running
from headwater.testing.clock import VirtualClock
from tests.bank import Account, Audit, Audited, BalanceOf, Balances, Deposit, Deposited
from tests.cqrs.courses import Enrol, Enrolled, Enrolment, Noted, Open, Opened
from tests.cqrs.test_decider import home  # a Decider, for `Switch`


class Log(Middleware):
    """Notes what passes through."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self.name = name
        self.notes = notes

    def before(self, envelope: Envelope) -> None:
        self._note("before", envelope)

    def after(self, envelope: Envelope, committed: object) -> None:
        self._note("after", envelope)

    def failed(self, envelope: Envelope, error: HeadwaterError) -> None:
        self._note("failed", envelope)

    def _note(self, what: str, envelope: Envelope) -> None:
        self.notes.append(f"{self.name} {what} {type(envelope.command).__name__}")


@pytest.mark.row("CM-04")
def test_an_application_has_the_parts_of_all_blueprints_that_it_includes() -> None:
    accounts = Blueprint(aggregates=[Account], projections=[Balances], events=[Audited])
    school = Blueprint(models=[Enrolment], events=[Noted], include=[accounts])
    application = Application("all", store="memory://", include=[school, accounts])
    assert application.aggregates == (Account,), "each once"

    async def main() -> None:
        async with application:
            await application.dispatch(Open("c", 1))
            assert await application.dispatch(Enrol("c", "ann"), returning="events") == (Enrolled("c", "ann"),)
            await application.dispatch(Audit("a", "x"))
            done = await application.dispatch(Deposit("a", 5), wait_for=[Balances])
            assert await application.query(BalanceOf("a")) == 5
            assert done.position == 6

    asyncio.run(main())


@pytest.mark.row("CM-04", "CM-14")
def test_the_middleware_of_a_blueprint_is_for_its_own_commands() -> None:
    notes: list[str] = []
    accounts = Blueprint(aggregates=[Account], middleware=[Log("accounts", notes)])
    one = Blueprint(models=[Enrolment], include=[accounts], middleware=[Log("one", notes)])
    other = Blueprint(include=[accounts])
    application = Application("all", store="memory://", include=[one, other], middleware=[Log("all", notes)])

    async def passed(application: Application, command: Command) -> list[str]:
        notes.clear()
        with suppress(HeadwaterError):
            await application.dispatch(command)
        return list(notes)

    async def main() -> None:
        async with application:
            assert await passed(application, Deposit("a", 1)) == [
                *("all before Deposit", "one before Deposit", "accounts before Deposit"),
                *("accounts after Deposit", "one after Deposit", "all after Deposit"),
            ], "that of the included twice, once"
            assert await passed(application, Enrol("c", "ann")) == [
                *("all before Enrol", "one before Enrol", "one failed Enrol", "all failed Enrol")
            ]
            assert await passed(application, Unknown()) == ["all before Unknown", "all failed Unknown"]

    asyncio.run(main())


class Unknown(Command):
    pass


class Teller(Aggregate, identity="account"):
    @decide
    def deposit(self, command: Deposit) -> Deposited:
        return Deposited(command.amount)


@pytest.mark.row("CM-02", "CM-04")
def test_blueprints_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(DefinitionError, match="Deposit is handled by both Account and Teller"):
        Application("x", store="memory://", include=[Blueprint(aggregates=[Account]), Blueprint(aggregates=[Teller])])


# --- handlers of any name ----------------------------------------------------------------------------------------


class Greet(Command):
    guest: str


class Leave(Command):
    guest: str


class Greeted(Event, name="guest.greeted"):
    words: str


class Guest(Aggregate, identity="guest"):
    """Methods of any name, one for two commands; what is to come before, they call themselves."""

    greetings: int = 0

    @decide
    def whatever_it_is_called(self, command: Greet | Leave) -> Iterator[Event]:
        self._before(command)
        yield Greeted("hello" if isinstance(command, Greet) else "bye")

    def execute_nothing(self, command: Greet) -> None:
        """Not marked: decides nothing."""

    def _before(self, command: Greet | Leave) -> None:
        if command.guest == "nobody":
            raise Rejected("nobody is there")


@pytest.mark.row("CM-03")
def test_what_decides_a_command_may_have_any_name() -> None:
    async def main() -> None:
        async with Application("inn", store="memory://", aggregates=[Guest], events=[Greeted]) as inn:
            assert await inn.dispatch(Greet("ann"), returning="events") == (Greeted("hello"),)
            assert await inn.dispatch(Leave("ann"), returning="events") == (Greeted("bye"),)
            with pytest.raises(Rejected):
                await inn.dispatch(Leave("nobody"))
            with pytest.raises(UnknownCommand):
                await inn.dispatch(Deposit("a", 1))

    asyncio.run(main())


# --- the same on another store -----------------------------------------------------------------------------------


def parameters(function: Callable[..., object]) -> set[str]:
    return set(inspect.signature(function).parameters) - {"self"}


def test_all_parts_that_an_application_is_given_are_in_its_blueprint() -> None:
    """So nothing is lost where an application is made of another one's blueprint."""
    of_the_run = {"name", "store", "view_database", "parking", "catch_up", "max_live", "master_key"}
    of_the_run |= {"clock", "rng", "telemetry"}
    assert parameters(Application.__init__) - of_the_run == parameters(Blueprint.__init__)


@pytest.mark.row("BC-10", "CM-01")
def test_the_same_application_on_another_store_has_all_parts_and_shares_nothing(tmp_path: Path) -> None:
    notes: list[str] = []
    definition = Application(
        "definition",
        store=f"sqlite:///{tmp_path}/a.db",
        aggregates=[Account],
        models=[Enrolment],
        projections=[Balances],
        events=[Opened, Audited],
        middleware=[Log("log", notes)],
        max_live=7,
    )
    clock = VirtualClock()
    other = definition.on(f"sqlite:///{tmp_path}/b.db", name="other", clock=clock)
    assert vars(other.blueprint) == vars(definition.blueprint) | {"scoped": other.blueprint.scoped}
    assert (other.name, other._max_live, other.system.clock) == ("other", 7, clock)

    async def main() -> None:
        async with definition, other, other.on("memory://") as third:
            applications = (definition, other, third)
            await asyncio.gather(*(one.dispatch(Deposit("a", place)) for place, one in enumerate(applications, 1)))
            for place, one in enumerate(applications, 1):
                await one.wait_for(Balances, 1)
                assert await one.query(BalanceOf("a")) == place
                assert await one.store.head() == 1
                assert one.pubsub is not applications[place - 2].pubsub
        assert notes.count("log after Deposit") == 3

    asyncio.run(main())


@pytest.mark.row("CM-01", "CM-36")
def test_an_application_of_functions_runs_in_memory(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(home(tmp_path)) as application:
            assert application.url == "memory://"
            assert application.store.durability == "none"
        assert not list(tmp_path.iterdir()), "its own store wasn't touched"

    asyncio.run(main())
