"""What is given wrongly is refused where it is given, by a typed error that says what would be right."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from headwater import (
    Aggregate,
    Application,
    Command,
    Decider,
    DecisionModel,
    Event,
    Lifespan,
    ProcessManager,
    Projection,
    Query,
    Rejected,
    answer,
    decide,
    evolve,
    expires,
    project,
    rejected,
    starts,
)
from headwater.errors import CommandFailed, DefinitionError, InvalidCommand, UnknownCommand, UnknownView


class Paid(Event, tags=("account",)):
    account: str


class Foreign(Event):
    account: str


class Pay(Command):
    account: str | None


class PayAbroad(Command):
    account: str


class NobodysCommand(Command):
    account: str


class PaidSum(Query[int]):
    account: str


class Account(Aggregate, identity="account"):
    @decide
    def pay(self, command: Pay) -> Iterator[Event]:
        yield Paid(command.account or "")

    @decide
    def pay_abroad(self, command: PayAbroad) -> Iterator[Event]:
        yield Foreign(command.account)


class Payments(Projection):
    @project
    def paid(self, event: Paid) -> None: ...


def bank(*managers: type[ProcessManager]) -> Application:
    return Application(
        "bank", store="memory://", aggregates=[Account], projections=[Payments], process_managers=managers
    )


def refused(error: type[Exception], match: str, action: Callable[[Application], Any]) -> None:
    async def scenario() -> None:
        async with bank() as application:
            with pytest.raises(error, match=match):
                await action(application)
            assert await application.store.head() == 0

    asyncio.run(scenario())


# --- at the call -------------------------------------------------------------------------------------------------


@pytest.mark.row("CM-12")
@pytest.mark.parametrize(
    ("given", "match"),
    [
        (NobodysCommand("a"), "no aggregate decides NobodysCommand; known: Pay, PayAbroad"),
        (Pay, r"a command is an object: Pay\(…\), not the class Pay"),
        ("pay", "'pay' is no Command; known: Pay, PayAbroad"),
    ],
)
def test_what_nobody_decides_is_refused(given: object, match: str) -> None:
    refused(UnknownCommand, match, lambda application: application.dispatch(cast("Command", given)))


@pytest.mark.row("CM-02")
def test_a_command_that_names_nobody_is_refused() -> None:
    refused(InvalidCommand, "Pay.account is None: it says which Account", lambda bank: bank.dispatch(Pay(None)))
    refused(InvalidCommand, "Pay.account is empty: it says which Account", lambda bank: bank.dispatch(Pay("")))


def test_an_event_that_the_application_does_not_know_is_refused() -> None:
    message = r"PayAbroad failed: UnknownType: .*Foreign is not registered.*known: Paid v1; .* is named in `events`"
    refused(CommandFailed, message, lambda bank: bank.dispatch(PayAbroad("a")))


@pytest.mark.parametrize("view", [Account, "Payments"])
def test_only_a_view_or_a_handler_can_be_waited_for(view: object) -> None:
    wrong = cast("type[Projection]", view)
    refused(
        UnknownView, "is no projection of this application; known: Payments v1", lambda bank: bank.wait_for(wrong, 0)
    )
    refused(UnknownView, "is no projection", lambda bank: bank.dispatch(Pay("a"), wait_for=[wrong]))


def test_the_id_of_a_command_is_a_uuid() -> None:
    wrong: Any = "7"
    refused(TypeError, "a command's id is a UUID, not '7'", lambda bank: bank.dispatch(Pay("a"), id=wrong))
    refused(TypeError, "a command's id is a UUID, not '7'", lambda bank: bank.schedule(Pay("a"), after=1.0, id=wrong))


# --- at the definition -------------------------------------------------------------------------------------------


def async_aggregate() -> object:
    class Slow(Aggregate, identity="account"):
        @decide
        async def pay(self, command: Pay) -> None: ...

    return Slow


def async_evolve() -> object:
    class Slow(Aggregate, identity="account"):
        @evolve
        async def paid(self, event: Paid) -> None: ...

    return Slow


def async_decider() -> object:
    async def decide(command: PayAbroad, state: int) -> None: ...

    def evolve(state: int, event: Paid) -> int:
        return state

    wrong: Any = decide
    return Decider("slow", identity="account", initial=int, decide=wrong, evolve=evolve)


def async_projection() -> object:
    class Slow(Projection):
        @project
        async def paid(self, event: Paid) -> None: ...

    return Slow


def async_answer() -> object:
    class Slow(Projection):
        @answer
        async def sum(self, query: PaidSum) -> int:
            return 0

    return Slow


def async_manager() -> object:
    class Slow(ProcessManager, identity="account"):
        @starts
        async def paid(self, event: Paid) -> None: ...

    return Slow


def async_timer() -> object:
    class Slow(ProcessManager, identity="account"):
        @starts
        def paid(self, event: Paid) -> None: ...

        @expires("late")
        async def late(self) -> None: ...

    return Slow


@pytest.mark.parametrize(
    "define",
    [async_aggregate, async_evolve, async_decider, async_projection, async_answer, async_manager, async_timer],
)
def test_what_nobody_would_await_must_not_be_async(define: Callable[[], object]) -> None:
    with pytest.raises(DefinitionError, match=r"\.\w+ must not be async"):
        define()


def test_an_aggregate_says_by_which_field_it_is_found_or_its_base_does() -> None:
    with pytest.raises(DefinitionError, match=r'which field of its commands names it: class Nameless\(.*identity="…"'):

        class Nameless(Aggregate): ...

    class Savings(Account): ...

    assert Savings.identity == "account"
    assert Savings.category == "savings"


def test_a_lifespan_is_a_lifespan() -> None:
    seconds: Any = 60
    with pytest.raises(DefinitionError, match=r"Brief: a lifespan is a Lifespan, such as Lifespan\(60.0\), not 60"):

        class Brief(Aggregate, identity="account", lifespan=seconds): ...

    class Long(Aggregate, identity="account", lifespan=Lifespan(60.0)): ...

    assert Long.lifespan.idle == 60.0


def test_a_decision_model_says_what_a_command_is_about() -> None:
    with pytest.raises(DefinitionError, match=r"Limit must say which entities .* define scope\(command\)"):

        class Limit(DecisionModel[PayAbroad]):
            @decide
            def pay(self, command: PayAbroad) -> Event:
                return Paid(command.account)

            @evolve
            def paid(self, event: Paid) -> None: ...


def test_a_process_manager_hears_only_of_commands_that_somebody_decides() -> None:
    class Payer(ProcessManager, identity="account"):
        @starts
        def paid(self, event: Paid) -> None: ...

        @rejected
        def refused(self, command: NobodysCommand, rejection: Rejected) -> None: ...

    with pytest.raises(
        DefinitionError, match="Payer has a method for how NobodysCommand ends, a command that no aggre"
    ):
        bank(Payer)


@pytest.mark.parametrize(
    ("part", "given", "match"),
    [
        ("projections", Account, "`projections` are subclasses of Projection, not Account"),
        ("handlers", Payments, "`handlers` are subclasses of EventHandler, or objects of them, not Payments"),
        ("process_managers", Payments, "`process_managers` are subclasses of ProcessManager, not Payments"),
        ("models", Account, "`models` are subclasses of DecisionModel, not Account"),
        ("events", "Paid", "`events` are subclasses of Event, not 'Paid'"),
        ("aggregates", Payments, "`aggregates` are subclasses of Aggregate, or Deciders, not Payments"),
        ("middleware", object, "`middleware` are objects of subclasses of Middleware, not <class 'object'>"),
    ],
)
def test_each_part_is_of_its_kind(part: str, given: object, match: str) -> None:
    parts: dict[str, Any] = {part: [given]}
    with pytest.raises(DefinitionError, match=match):
        Application("bank", store="memory://", **parts)
