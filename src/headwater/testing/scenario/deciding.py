"""Given, when, then for what decides commands: aggregates and decision models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Generic, TypeVar, cast

import msgspec

from headwater.errors import HeadwaterError, Rejected
from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.decider import seen
from headwater.sourcing.deciding import Deciding
from headwater.sourcing.messages import Command, Event
from headwater.testing.scenario.difference import difference, numbered_difference, require
from headwater.testing.scenario.storable import require_storable
from headwater.testing.scenario.subjects import Subject

StateT = TypeVar("StateT")
ErrorT = TypeVar("ErrorT", bound=HeadwaterError)


class Given(Generic[StateT]):
    """What has happened so far. Made by `given`; see there."""

    def __init__(self, subject: Subject, history: Sequence[Event] = ()) -> None:
        self._subject: Final = subject
        self._history: Final = tuple(history)

    def events(self, *events: Event) -> Given[StateT]:
        """Further events have happened, in this order.

        Raises:
            TypeError: one is no Event.
            AssertionError: one would not come back from the log as it is.
        """
        for event in events:
            require_storable(event)
        return Given(self._subject, (*self._history, *events))

    def when(self, command: Command) -> Decided[StateT]:
        """Somebody sends a command. It is validated and decided, as the application would do it.

        Raises:
            ValueError: the command is for another aggregate than the scenario is about.
            AssertionError: `decide` has changed the state by itself, so that it would be another one after a restart.
        """
        return Decided(self._subject, self._history, command)

    def then_state(
        self, expected: StateT | msgspec.UnsetType = msgspec.UNSET, /, **attributes: object
    ) -> Given[StateT]:
        """The state is this one, before any command: see `Decided.then_state`."""
        _require_state(str(self._subject), self.state, expected, attributes)
        return self

    @property
    def state(self) -> StateT:
        """The state that the events so far make: the aggregate or the model, or the state of a `Decider`."""
        return cast("StateT", _state(self._subject.fold(self._history, None)))


class Decided(Generic[StateT]):
    """What has become of a command. Its methods give back the same, so that they can be chained."""

    def __init__(self, subject: Subject, history: tuple[Event, ...], command: Command) -> None:
        self._subject: Final = subject
        self._command: Final = command
        events: list[Event] = []
        self._error: Final = _execute(subject, history, command, events)
        self._events: Final = () if self._error is not None else tuple(events)
        self._history: Final = (*history, *self._events)

    def then(self, *events: Event) -> Decided[StateT]:
        """The command has led to these events, and no others.

        Raises:
            AssertionError: it has led to others, or was refused; says what differs, field by field.
        """
        self._require_decided()
        lines = numbered_difference("event", events, self._events)
        require(f"{self._subject} has decided {self._command!r} otherwise:", lines)
        return self

    def then_nothing(self) -> Decided[StateT]:
        """The command had nothing to do: it was accepted, and led to no event.

        Raises:
            AssertionError: it has led to events, or was refused.
        """
        return self.then()

    def then_rejected(self, match: str | None = None, *, reason: str | None = None) -> Decided[StateT]:
        """The command was `Rejected`.

        Args:
            match: a regular expression that is found in the message.
            reason: `Rejected.reason`.

        Raises:
            AssertionError: it was accepted, it failed otherwise, or it was rejected for something else.
        """
        error = self._require_error(Rejected, match)
        if reason is not None:
            require(f"{self._command!r} was rejected for another reason:", difference(reason, error.reason))
        return self

    def then_raises(self, error: type[HeadwaterError], match: str | None = None) -> Decided[StateT]:
        """The command failed with such an error, for example `InvalidCommand` by its `validate`.

        What is no `HeadwaterError` is a bug of the application, and comes out of `when` as it is.

        Args:
            error: its class.
            match: a regular expression that is found in the message.

        Raises:
            AssertionError: it was accepted, or failed otherwise.
        """
        self._require_error(error, match)
        return self

    def then_state(
        self, expected: StateT | msgspec.UnsetType = msgspec.UNSET, /, **attributes: object
    ) -> Decided[StateT]:
        """The state is this one, after the command's events; after none, if it was refused.

        Args:
            expected: the whole state.
            attributes: attributes of the state, by name; others are not looked at.

        Raises:
            AssertionError: it is another one; says what differs.
        """
        _require_state(f"{self._subject} after {self._command!r}", self.state, expected, attributes)
        return self

    def when(self, command: Command) -> Decided[StateT]:
        """Then somebody sends another command; see `Given.when`."""
        return Decided(self._subject, self._history, command)

    @property
    def events(self) -> tuple[Event, ...]:
        """What the command has led to."""
        return self._events

    @property
    def state(self) -> StateT:
        """The state, built anew from all events so far, as a restart would build it. For a model: by the command."""
        return cast("StateT", _state(self._subject.fold(self._history, self._command)))

    def _require_decided(self) -> None:
        if self._error is not None:
            raise AssertionError(
                f"{self._subject} has refused {self._command!r}: {_told(self._error)}"
            ) from self._error

    def _require_error(self, kind: type[ErrorT], match: str | None) -> ErrorT:
        error = self._error
        if error is None:
            decided = ", ".join(map(repr, self._events)) or "no events"
            raise AssertionError(f"{self._subject} has accepted {self._command!r}, with {decided}")
        if not isinstance(error, kind):
            raise AssertionError(  # noqa: TRY004 - what a test runner expects
                f"{self._command!r} was refused, but not by a {kind.__qualname__}: {_told(error)}"
            ) from error
        if match is not None and not re.search(match, str(error)):
            raise AssertionError(
                f"{self._command!r} was refused for something else:\n"
                f"  expected a message that matches {match!r}\n  found {str(error)!r}"
            ) from error
        return error


def _execute(
    subject: Subject, history: Sequence[Event], command: Command, events: list[Event]
) -> HeadwaterError | None:
    """Let a command be decided; gives what it was refused by."""
    error: HeadwaterError | None = None
    try:
        subject.check(command)
    except HeadwaterError as refusal:
        return refusal
    deciding = subject.fold(history, command)
    try:
        deciding.execute(command, events)
    except HeadwaterError as refusal:
        error = refusal
    for event in events:
        require_storable(event)
    folds = [subject.fold(history, command) for _ in range(2)]
    for fold in folds:
        for event in events:
            fold.apply(event)
    lines = _impurities(deciding, *folds)
    require(
        f"{subject} was changed by deciding {command!r}, other than by its events; a restart would lose that:", lines
    )
    return error


def _impurities(deciding: Deciding, fold: Deciding, again: Deciding) -> list[str]:
    """How one that has decided differs from one that has only followed the events.

    Attributes in which two of the latter differ can't be compared: they hold objects that are equal to none.
    """
    found, expected, control = vars(deciding), vars(fold), vars(again)
    comparable = [name for name in expected if not difference(expected[name], control.get(name))]
    added = [name for name in found if name not in expected]
    return difference(
        {name: expected[name] for name in comparable}, {name: found.get(name) for name in (*comparable, *added)}
    )


def _state(deciding: Deciding) -> object:
    return seen(deciding) if isinstance(deciding, Aggregate) else deciding


def _require_state(title: str, state: object, expected: object, attributes: Mapping[str, object]) -> None:
    lines = [] if expected is msgspec.UNSET else _whole(expected, state)
    for name, value in attributes.items():
        found = getattr(state, name, msgspec.UNSET)
        missing = found is msgspec.UNSET
        lines += [f"there is no attribute {name!r}"] if missing else difference({name: value}, {name: found})
    require(f"{title} has another state:", lines)


def _whole(expected: object, found: object) -> list[str]:
    """How two whole states differ: attribute by attribute, if they are objects of one class that has such."""
    both = isinstance(expected, Deciding) and type(found) is type(expected)
    return difference(vars(expected), vars(found)) if both else difference(expected, found)


def _told(error: HeadwaterError) -> str:
    return f"{type(error).__qualname__}: {error}"
