"""Aggregates without a store."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import Aggregate, Command, Event, Rejected, decide, evolve
from headwater.errors import DefinitionError
from tests.bank import Account, Audit, Audited, Deposit, Deposited, Payout, Withdraw, Withdrawn

amounts = st.integers(-5, 20)
commands = st.lists(
    st.one_of(
        st.builds(Deposit, st.just("a"), amounts),
        st.builds(Withdraw, st.just("a"), amounts),
        st.builds(Payout, st.just("a"), st.lists(amounts, max_size=3)),
        st.builds(Audit, st.just("a"), st.one_of(st.none(), st.text(max_size=3))),
    )
)


@given(commands)
@pytest.mark.row("CM-06")
def test_the_state_is_the_sum_of_the_events(history: list[Command]) -> None:
    account, stored = Account("a"), list[Event]()
    for command in history:
        events: list[Event] = []
        try:
            account.execute(command, events)
        except Rejected:
            account = _folded(stored)  # what it had followed is thrown away
        else:
            stored += events
    assert account == _folded(stored)
    assert account.balance >= 0


def _folded(events: list[Event]) -> Account:
    account = Account("a")
    for event in events:
        account.apply(event)
    return account


@pytest.mark.row("CM-07")
def test_each_event_is_applied_before_the_next_line_runs() -> None:
    account, events = Account("a"), list[Event]()
    account.execute(Deposit("a", 30), events)
    account.execute(Payout("a", [10, 20]), events)
    with pytest.raises(Rejected):
        account.execute(Payout("a", [1]), [])
    assert events == [Deposited(30), Withdrawn(10), Withdrawn(20)]


def test_an_event_without_a_method_leaves_the_state() -> None:
    account = Account("a")
    before = vars(account).copy()
    account.apply(Audited("x"))
    assert vars(account) == before


class Open(Command):
    door: str


class Opened(Event):
    pass


def test_what_decide_gives_must_be_events() -> None:
    class Door(Aggregate, identity="door"):
        @decide
        def open(self, command: Open) -> Iterator[object]:
            yield "opened"

    class Gate(Aggregate, identity="door"):
        @decide
        def open(self, command: Open) -> object:
            return "opened"

    for kind in (Door, Gate):
        with pytest.raises(DefinitionError, match="'opened', which is no Event"):
            kind("1").execute(Open("1"), [])


def test_categories_come_from_the_class_unless_told() -> None:
    class OrderBook(Aggregate, identity="door"):
        pass

    class HTTPServer(Aggregate, identity="door"):
        pass

    class Named(Aggregate, identity="door", category="other"):
        pass

    assert OrderBook.stream_of("x-1") == "order-book-x-1"
    assert HTTPServer.category == "http-server"
    assert Named.category == "other"


def test_mistakes_are_found_when_the_class_is_made() -> None:
    with pytest.raises(DefinitionError, match=r"Open has no field 'room', by which .*A is found; it has door"):

        class A(Aggregate, identity="room"):
            @decide
            def open(self, command: Open) -> None: ...

    with pytest.raises(DefinitionError, match="two methods for Opened: first and second"):

        class B(Aggregate, identity="door"):
            @evolve
            def first(self, event: Opened) -> None: ...

            @evolve
            def second(self, event: Opened) -> None: ...

    with pytest.raises(DefinitionError, match="needs an annotation"):

        class C(Aggregate, identity="door"):
            @evolve
            def opened(self, event) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    with pytest.raises(DefinitionError, match="which is no subclass of Command"):

        class D(Aggregate, identity="door"):
            @decide
            def open(self, command: Opened) -> None: ...

    with pytest.raises(DefinitionError, match="can't be resolved"):

        class E(Aggregate, identity="door"):
            @decide
            def open(self, command: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(DefinitionError, match="needs a parameter"):

        class F(Aggregate, identity="door"):
            @decide
            def open(self) -> None: ...


def test_a_subclass_inherits_and_overrides() -> None:
    class Generous(Account, identity="account", category="generous"):
        @evolve
        def deposited(self, event: Deposited) -> None:
            self.balance += 2 * event.amount

    account, events = Generous("a"), list[Event]()
    account.execute(Deposit("a", 5), events)
    account.execute(Withdraw("a", 10), events)
    assert account.balance == 0
    assert account.describe() == {"id": "a", "balance": 0}
