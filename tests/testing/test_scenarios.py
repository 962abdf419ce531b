"""Given, when, then: without a store, without a loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given as given_values
from hypothesis import strategies as st

from headwater import (
    Aggregate,
    Command,
    Committed,
    Decider,
    Event,
    Projection,
    Query,
    Recorded,
    Rejected,
    answer,
    decide,
    evolve,
    project,
)
from headwater.errors import DefinitionError, InvalidCommand, UnknownCommand
from headwater.testing import given
from headwater.testing.scenario.difference import MOST, difference
from tests.bank import (
    Account,
    Audit,
    Audited,
    Balance,
    BalanceOf,
    Balances,
    Break,
    Deposit,
    Deposited,
    Payout,
    Withdraw,
    Withdrawn,
)
from tests.cqrs.courses import Enrol, Enrolled, Enrolment, Left, Opened, Swap


def failure(work: Callable[[], object]) -> list[str]:
    """The lines of what the assertion says."""
    with pytest.raises(AssertionError) as caught:
        work()
    return str(caught.value).splitlines()


# --- aggregates --------------------------------------------------------------------------------------------------


@pytest.mark.row("BC-09")
def test_an_aggregate_without_a_store_or_a_loop() -> None:
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
    rich = given(Account, "a").events(Deposited(30), Deposited(20))
    assert rich.then_state(balance=50).state.balance == 50
    rich.when(Withdraw("a", 20)).then(Withdrawn(20)).then_state(balance=30)
    rich.when(Payout("a", [10, 40])).then(Withdrawn(10), Withdrawn(40)).when(Withdraw("a", 1)).then_rejected("cover")
    rich.when(Withdraw("a", 51)).then_rejected(reason="not_covered").then_state(balance=50)
    rich.when(Audit("a")).then_nothing()
    assert rich.when(Audit("a", "x")).then(Audited("x"), Audited("done")).events == (Audited("x"), Audited("done"))
    with pytest.raises(ZeroDivisionError):
        rich.when(Break("a"))


@pytest.mark.row("BC-09")
def test_what_differs_is_told_field_by_field() -> None:
    rich = given(Account, "a").events(Deposited(50))
    done = rich.when(Payout("a", [10, 20]))
    assert failure(lambda: done.then(Withdrawn(10), Withdrawn(25))) == [
        "Account 'a' has decided Payout(account='a', amounts=[10, 20]) otherwise:",
        "  event 2.amount: expected 25, found 20",
    ]
    assert failure(lambda: done.then(Deposited(10)))[1:] == [
        "  event 1: expected Deposited(amount=10), found Withdrawn(amount=10)",
        "  event 2: expected nothing, found Withdrawn(amount=20)",
    ]
    assert failure(lambda: done.then(Withdrawn(10), Withdrawn(20), Audited("x")))[1:] == [
        "  event 3: expected Audited(note='x'), found nothing"
    ]
    assert failure(done.then_nothing)[1:] == [
        "  event 1: expected nothing, found Withdrawn(amount=10)",
        "  event 2: expected nothing, found Withdrawn(amount=20)",
    ]
    assert failure(lambda: done.then_state(balance=50, owner="x")) == [
        "Account 'a' after Payout(account='a', amounts=[10, 20]) has another state:",
        "  ['balance']: expected 50, found 20",
        "  there is no attribute 'owner'",
    ]
    assert "has accepted" in failure(done.then_rejected)[0]


@pytest.mark.row("BC-09")
def test_a_rejection_is_told_apart_from_other_errors() -> None:
    poor = given(Account, "a")
    rejected = poor.when(Withdraw("a", 1))
    assert failure(lambda: rejected.then(Withdrawn(1))) == [
        "Account 'a' has refused Withdraw(account='a', amount=1): Rejected: the account doesn't cover that"
    ]
    assert failure(lambda: rejected.then_rejected("positive"))[1:] == [
        "  expected a message that matches 'positive'",
        '  found "the account doesn\'t cover that"',
    ]
    assert failure(lambda: rejected.then_rejected(reason="other"))[1:] == [
        "  value: expected 'other', found 'not_covered'"
    ]
    poor.when(Deposit("", 1)).then_raises(InvalidCommand, "account is empty")
    poor.when(Enrol("c", "s")).then_raises(UnknownCommand)
    assert "not by a Rejected: UnknownCommand" in failure(poor.when(Enrol("c", "s")).then_rejected)[0]
    with pytest.raises(ValueError, match="the scenario is about Account 'a'"):
        poor.when(Deposit("b", 1))


class Added(Event, name="basket.added"):
    item: str
    tags: list[str] = msgspec.field(default_factory=list)


class Add(Command):
    basket: str
    item: str


class AddTwice(Add):
    pass


class AddStrangely(Add):
    pass


class AddNoEvent(Add):
    pass


class Basket(Aggregate, identity="basket"):
    def __init__(self, id: str) -> None:  # noqa: A002 - the field's term
        super().__init__(id)
        self.items: list[str] = []
        self.lock = object()  # equal to none but itself

    @decide
    def add(self, command: Add) -> Added | None:
        if command.item in self.items:
            return None
        return Added(command.item)

    @decide
    def add_twice(self, command: AddTwice) -> Iterator[Event]:
        yield Added(command.item)
        self.items.append("by the way")
        raise Rejected("after all, no")

    @decide
    def add_strangely(self, command: AddStrangely) -> Added:
        return Added(command.item, ("a", "b"))  # type: ignore[arg-type]

    @decide
    def add_no_event(self, command: AddNoEvent) -> Iterator[object]:
        yield "no event"

    @evolve
    def added(self, event: Added) -> None:
        self.items.append(event.item)


@pytest.mark.row("BC-09")
def test_a_scenario_finds_what_would_go_wrong_only_in_production() -> None:
    basket = given(Basket, "b").events(Added("pear"))
    basket.when(Add("b", "nut")).then(Added("nut")).then_state(items=["pear", "nut"])
    assert failure(lambda: basket.when(AddTwice("b", "nut")))[1:] == [
        "  ['items'][2]: expected nothing, found 'by the way'"
    ]
    assert failure(lambda: basket.when(AddStrangely("b", "nut")))[1:] == [
        "  tags: expected ('a', 'b'), found ['a', 'b']"
    ]
    assert "can't be stored and read again" in failure(lambda: basket.events(Added(7)))[0]  # type: ignore[arg-type]
    basket.when(AddNoEvent("b", "nut")).then_raises(DefinitionError, "no Event")
    with pytest.raises(TypeError, match="made of events"):
        basket.events("no event")  # type: ignore[arg-type]


class Lamp(msgspec.Struct, frozen=True):
    on: bool = False
    times: int = 0


class Switch(Command):
    lamp: str


class Switched(Event, name="lamp.switched"):
    on: bool


def switch(command: Switch, state: Lamp) -> Switched:
    if state.times == 2:
        raise Rejected("worn out")
    return Switched(not state.on)


def follow(state: Lamp, event: Switched) -> Lamp:
    return Lamp(event.on, state.times + 1)


LAMP = Decider("lamp", identity="lamp", initial=Lamp, decide=switch, evolve=follow)


@pytest.mark.row("BC-09", "CM-03")
def test_a_decider_and_its_state() -> None:
    once = given(LAMP, "l").when(Switch("l")).then(Switched(True)).then_state(Lamp(True, 1))
    assert once.state.on
    twice = once.when(Switch("l")).then(Switched(False)).then_state(times=2)
    twice.when(Switch("l")).then_rejected("worn out").then_state(Lamp(False, 2))
    assert failure(lambda: once.then_state(Lamp(True, 7)))[1:] == ["  times: expected 7, found 1"]


# --- decision models ---------------------------------------------------------------------------------------------


@pytest.mark.row("BC-09")
def test_a_decision_model_sees_its_scope_and_nothing_else() -> None:
    school = given(Enrolment).events(Opened("a", 1), Opened("b", 1), Enrolled("b", "ann"))
    school.when(Enrol("a", "bob")).then(Enrolled("a", "bob")).when(Enrol("a", "eve")).then_rejected(reason="full")
    school.when(Swap("ann", "b", "a")).then(Left("b", "ann"), Enrolled("a", "ann"))
    asked = school.when(Enrol("a", "bob"))
    asked.then_state(places={"a": 1})
    assert asked.state.places == {"a": 1}, "course b is none of its business"


# --- projections -------------------------------------------------------------------------------------------------


@pytest.mark.row("BC-09")
def test_a_projection_and_its_answers() -> None:
    view = given(Balances).events(Deposited(50), Audited("x"), Withdrawn(20), stream=Account.stream_of("a"))
    view.events(Deposited(5), stream=Account.stream_of("b"))
    view.then(BalanceOf("a"), 30).then(BalanceOf("b"), 5).then(BalanceOf("c"), 0)
    view.then_rows(Balance("b", 5), Balance("a", 30))
    assert len(view.projection.table) == 2
    assert failure(lambda: view.then(BalanceOf("a"), 31)) == [
        "Balances has answered BalanceOf(account='a') otherwise:",
        "  value: expected 31, found 30",
    ]
    assert failure(lambda: view.then_rows(Balance("a", 31), Balance("c", 1))) == [
        "Balances has other rows:",
        "  ['a'].amount: expected 31, found 30",
        "  ['c']: expected Balance(account='c', amount=1), found nothing",
        "  ['b']: expected nothing, found Balance(account='b', amount=5)",
    ]


class LastSeen(Query[tuple[int, int, str, object]]):
    pass


class Seen(Projection):
    last: tuple[int, int, str, object] = (0, 0, "", None)

    @project
    def deposited(self, event: Deposited, recorded: Recorded) -> None:
        at = recorded.recorded_at.isoformat()
        self.last = (int(recorded.position), int(recorded.version), at, recorded.metadata.get("user"))

    @answer
    def last_seen(self, query: LastSeen) -> tuple[int, int, str, object]:
        return self.last


@pytest.mark.row("BC-09")
def test_a_projection_is_given_what_the_log_knows() -> None:
    view = given(Seen).events(Deposited(1), stream="x").events(Audited("not followed"), stream="y")
    view.events(Deposited(2), stream="x", at=datetime(2026, 5, 4, tzinfo=UTC), metadata={"user": "ann"})
    view.then(LastSeen(), (3, 2, "2026-05-04T00:00:00+00:00", "ann"))
    with pytest.raises(TypeError, match="no TableProjection"):
        view.then_rows()
    with pytest.raises(DefinitionError, match="no answer for BalanceOf"):
        view.then(BalanceOf("a"), 1)


def test_a_scenario_must_be_about_something() -> None:
    for wrong in (
        lambda: given(Account),  # type: ignore[type-var]
        lambda: given(LAMP),  # type: ignore[call-overload]
        lambda: given(Balances, "x"),  # type: ignore[type-var]
        lambda: given(Lamp),  # type: ignore[type-var]
        lambda: given("Account"),  # type: ignore[call-overload]
    ):
        with pytest.raises(TypeError):
            wrong()


# --- process managers --------------------------------------------------------------------------------------------


class Named(msgspec.Struct):
    name: str


class Answered(msgspec.Struct):
    """What a process manager answers."""

    commands: tuple[Command, ...] = ()
    timers: tuple[Named, ...] = ()
    stopped: bool = False
    ignored: bool = False


class Refund:
    """Pays back what was taken, twice, unless it takes too long."""

    def __init__(self, id: str) -> None:  # noqa: A002 - the field's term
        self.id = id
        self.paid = 0

    def react(self, event: Event, recorded: Recorded | None = None, /) -> Answered:
        assert recorded is not None
        if not isinstance(event, Withdrawn):
            return Answered(ignored=True)
        self.paid += 1
        return Answered((Deposit(self.id, event.amount),), (Named("late"),) if self.paid == 1 else (), self.paid == 2)

    def react_to_timer(self, timer: str, /) -> Answered:
        return Answered(stopped=True)

    def react_to_acceptance(self, command: Command, committed: Committed, /) -> Answered:
        return Answered((Audit(self.id, f"{committed.version}: {committed.events}"),))

    def react_to_rejection(self, command: Command, rejection: Rejected, /) -> Answered:
        return Answered((Audit(self.id, str(rejection)),))


@pytest.mark.row("BC-09")
def test_a_process_manager_and_its_commands() -> None:
    refund = given(Refund, "a")
    once = refund.when(Withdrawn(5)).then(Deposit("a", 5)).then_timers("late").then_state(paid=1)
    once.when(Withdrawn(6)).then(Deposit("a", 6)).then_timers().then_stopped().then_state(paid=2)
    refund.events(Withdrawn(5)).when_timer("late").then().then_stopped()
    once.when_accepted(Deposit("a", 5), Deposited(5)).then(Audit("a", "1: (Deposited(amount=5),)"))
    once.when_accepted(Deposit("a", 5)).then(Audit("a", "0: ()"))
    once.when_rejected(Deposit("a", 5), Rejected("closed")).then(Audit("a", "closed"))
    refund.when(Audited("x")).then_ignored()
    assert failure(lambda: once.then(Deposit("b", 5))) == [
        "Refund 'a' has answered Withdrawn(amount=5) otherwise:",
        "  command 1.account: expected 'b', found 'a'",
    ]
    assert "goes on" in failure(once.then_stopped)[1]
    assert "concerned" in failure(once.then_ignored)[1]
    assert failure(lambda: once.then_timers("early"))[1:] == ["  timer 1: expected 'early', found 'late'"]
    assert failure(lambda: once.then_state(paid=2))[1:] == ["  ['paid']: expected 2, found 1"]


# --- differences -------------------------------------------------------------------------------------------------


class Point(msgspec.Struct):
    x: object
    y: object = None


values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ab", max_size=1), inner, max_size=3)
        | st.builds(Point, inner, inner)
    ),
    max_leaves=6,
)


def same(a: object, b: object) -> bool:
    """Equal, and of the same classes all the way down."""
    return msgspec.json.encode(tagged(a)) == msgspec.json.encode(tagged(b))


def tagged(value: object) -> object:
    if isinstance(value, Point):
        return ["point", tagged(value.x), tagged(value.y)]
    if isinstance(value, list):
        return ["list", *map(tagged, value)]
    if isinstance(value, dict):
        return ["dict", *((key, tagged(value[key])) for key in sorted(value))]
    return [type(value).__name__, value]


@given_values(values, values)
def test_two_values_have_a_difference_if_and_only_if_they_differ(a: object, b: object) -> None:
    assert not difference(a, a)
    assert bool(difference(a, b)) == (not same(a, b))
    assert len(difference(a, b)) == len(difference(b, a))


def test_values_of_other_classes_differ_though_they_are_equal() -> None:
    assert difference([Point([True])], [Point([1])]) == ["[0].x[0]: expected True, found 1"]


def test_many_differences_are_counted() -> None:
    lines = difference(list(range(1_000)), list(range(1, 1_001)))
    assert len(lines) == MOST + 1
    assert lines[-1] == f"… and {1_000 - MOST} more"
