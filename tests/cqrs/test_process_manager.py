"""What a process manager decides, without a store or a loop; and how its class may not be put together."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest

from headwater import (
    Application,
    By,
    Command,
    Event,
    ProcessManager,
    Reaction,
    Recorded,
    Rejected,
    TimerSet,
    continues,
    expires,
    rejected,
    starts,
    stops,
)
from headwater.cqrs.command_ids import derived_id
from headwater.errors import DefinitionError, InstanceAlreadyStarted, InstanceNotStarted
from headwater.store.model import StoredEvent
from headwater.types import IdSource
from tests.bank import Account, Deposit, Withdraw


class Asked(Event):
    loan: str
    amount: int


class Paid(Event):
    loans: list[str]
    amount: int


class Closed(Event):
    loan: str


class Reminded(Event):
    loan: str


class Loan(ProcessManager, identity="loan"):
    amount: int = 0

    @starts(strict=True)
    def asked(self, event: Asked) -> Iterator[Command]:
        self.amount = event.amount
        self.set_timer("overdue", after=30.0)
        yield Deposit(self.id, event.amount)

    @continues(by=lambda recorded: recorded.event.loans if isinstance(recorded.event, Paid) else None)
    def paid(self, event: Paid) -> Command | None:
        self.amount -= event.amount
        if self.amount <= 0:
            self.stop()
        return Withdraw(self.id, event.amount)

    @continues(strict=True)
    def reminded(self, event: Reminded) -> None:
        self.cancel_timer("overdue")

    @stops
    def closed(self, event: Closed) -> None: ...

    @expires("overdue")
    def overdue(self) -> list[Command]:
        return [Withdraw(self.id, self.amount)]

    @rejected
    def refused(self, command: Withdraw, rejection: Rejected) -> Command:
        self.discard_pending()
        return Deposit(self.id, 1)


def recorded(event: Event, metadata: str | None = None) -> Recorded:
    stored = StoredEvent(1, "s", 1, "t", 1, "{}", bytes(16), 0, None, UUID(int=5).bytes, metadata)
    return Recorded(event, stored)


@pytest.mark.row("CM-27")
def test_events_start_continue_and_stop_the_instances_that_they_name() -> None:
    loan = Loan("l-1")
    assert not loan.running
    assert loan.react(Paid(["l-1"], 1)).ignored, "nothing to continue"
    assert loan.react(Closed("l-1")).ignored, "nothing to stop"
    assert loan.react(Asked("l-1", 5)) == Reaction((Deposit("l-1", 5),), (TimerSet("overdue", 30.0),))
    assert (loan.running, loan.amount) == (True, 5)
    assert loan.react(Paid(["l-1"], 2)) == Reaction((Withdraw("l-1", 2),))
    assert loan.react(Paid(["l-1"], 3)) == Reaction((Withdraw("l-1", 3),), stopped=True)
    assert not loan.running
    loan.react(Asked("l-1", 7))
    assert loan.amount == 7, "it begins anew"
    assert loan.react(Closed("l-1")) == Reaction(stopped=True)
    assert [Loan.instances(recorded(event)) for event in (Asked("a", 1), Paid(["b", "c", "b"], 1), Paid([], 1))] == [
        ("a",),
        ("b", "c"),
        (),
    ]


@pytest.mark.row("CM-27")
def test_strict_forms_are_errors_when_it_runs_already_or_does_not() -> None:
    loan = Loan("l-1")
    with pytest.raises(InstanceNotStarted):
        loan.react(Reminded("l-1"))
    loan.react(Asked("l-1", 5))
    with pytest.raises(InstanceAlreadyStarted):
        loan.react(Asked("l-1", 5))
    assert loan.react(Reminded("l-1")) == Reaction(cancelled=("overdue",))


def test_timers_and_rejections_are_reacted_to() -> None:
    loan = Loan("l-1")
    assert loan.react_to_timer("overdue").ignored, "it doesn't run"
    loan.react(Asked("l-1", 5))
    assert loan.react_to_timer("overdue") == Reaction((Withdraw("l-1", 5),))
    reaction = loan.react_to_rejection(Withdraw("l-1", 5), Rejected("no"))
    assert reaction == Reaction((Deposit("l-1", 1),), discarded=True)
    assert loan.react_to_rejection(Deposit("l-1", 5), Rejected("no")).ignored
    with pytest.raises(DefinitionError, match="overdue"):
        loan.set_timer("other", after=1.0)
    for wrong in ({}, {"after": -1.0}, {"after": 1.0, "at": datetime.now(UTC)}, {"at": datetime(2030, 1, 1)}):  # noqa: DTZ001
        with pytest.raises(ValueError, match=r"timer|time zone"):
            loan.set_timer("overdue", **wrong)


def test_an_instance_is_found_by_its_own_commands_and_by_correlation() -> None:
    class Sent(ProcessManager, name="sent", identity="loan"):
        @starts
        def asked(self, event: Asked) -> None: ...

        @continues(by=By.SENDER)
        def reminded(self, event: Reminded) -> None: ...

        @continues(by=By.CORRELATION)
        def closed(self, event: Closed) -> None: ...

    own = recorded(Reminded("x"), '{"process_manager": "sent", "instance": "i-9"}')
    foreign = recorded(Reminded("x"), '{"process_manager": "other", "instance": "i-9"}')
    assert [Sent.instances(one) for one in (own, foreign, recorded(Reminded("x")))] == [("i-9",), (), ()]
    assert Sent.instances(recorded(Closed("x"))) == (str(UUID(int=5)),)


def test_the_state_goes_through_json_and_takes_new_attributes() -> None:
    loan = Loan("l-1")
    loan.react(Asked("l-1", 5))
    data = loan.dump_state()
    assert data == b'{"amount":5}'
    other = Loan("l-1")
    other.load_state(data)
    other.running = True
    assert other == loan
    other.load_state(b"{}")
    assert other.amount == 5


def test_a_class_that_is_put_together_wrongly_is_refused() -> None:
    with pytest.raises(DefinitionError, match="never start"):

        class NoStart(ProcessManager, identity="loan"):
            @continues
            def asked(self, event: Asked) -> None: ...

    with pytest.raises(DefinitionError, match=r"Paid has no field 'loan'.*loans, amount"):

        class NoField(ProcessManager, identity="loan"):
            @starts
            def paid(self, event: Paid) -> None: ...

    with pytest.raises(DefinitionError, match="`identity`"):

        class NoIdentity(ProcessManager):
            @starts
            def asked(self, event: Asked) -> None: ...

    with pytest.raises(DefinitionError, match="two methods"):

        class Twice(ProcessManager, identity="loan"):
            @starts
            def asked(self, event: Asked) -> None: ...

            @stops
            def asked_again(self, event: Asked) -> None: ...

    with pytest.raises(DefinitionError, match="how it ended"):

        class Short(ProcessManager, identity="loan"):
            @starts
            def asked(self, event: Asked) -> None: ...

            @rejected
            def refused(self, command: Withdraw) -> None: ...


def test_names_are_those_of_one() -> None:
    class AccountManager(ProcessManager, name="account", identity="loan"):
        @starts
        def asked(self, event: Asked) -> None: ...

    class OtherLoan(ProcessManager, name="loan", identity="loan"):
        @starts
        def asked(self, event: Asked) -> None: ...

    with pytest.raises(DefinitionError, match="an aggregate is"):
        Application("x", store="memory://", aggregates=[Account], process_managers=[AccountManager])
    with pytest.raises(DefinitionError, match="Loan is"):
        Application("x", store="memory://", aggregates=[Account], process_managers=[Loan, OtherLoan])


def test_what_is_no_command_is_refused() -> None:
    class Wrong(ProcessManager, identity="loan"):
        @starts
        def asked(self, event: Asked) -> str:
            return "deposit"

    with pytest.raises(DefinitionError, match="no Command"):
        Wrong("w").react(Asked("w", 1))


def test_derived_identifiers_are_a_function_of_what_led_to_them() -> None:
    trigger = IdSource().next()
    ids = {derived_id(trigger, purpose, index) for purpose in ("a", "b") for index in range(3)}
    assert len(ids) == 6
    assert derived_id(trigger, "a", 1) in ids
    assert {(one.version, one.bytes[:6]) for one in ids} == {(7, trigger.bytes[:6])}
