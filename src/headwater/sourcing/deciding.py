"""What decides commands and follows events by marked methods. Pure: no I/O, no clock, no loop."""

from __future__ import annotations

from collections.abc import Callable, Generator
from types import GeneratorType
from typing import ClassVar, Final, TypeVar

from headwater.errors import DefinitionError
from headwater.sourcing.messages import Command, Event
from headwater.sourcing.signatures import Function, marked_methods

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])

_DECIDE: Final = "__headwater_decide__"
_EVOLVE: Final = "__headwater_evolve__"


def decide(function: FunctionT) -> FunctionT:
    """Mark a method of an `Aggregate` or a `DecisionModel` that decides the command in its parameter's annotation.

    It yields events, or returns one, or a list of them, or None for "nothing to do"; or it raises `Rejected`.
    Each event that it yields has been applied to the aggregate before the next line of the method runs. It
    reads the aggregate and changes nothing. Reject before the first `yield` where you can: afterwards the
    aggregate has to be read anew from the log.
    """
    setattr(function, _DECIDE, True)
    return function


def evolve(function: FunctionT) -> FunctionT:
    """Mark a method of an `Aggregate` or a `DecisionModel` that applies the event in its parameter's annotation.

    It changes the aggregate, and nothing else: no clock, no chance, no I/O, no rejection. An event that no
    method is marked for leaves the aggregate as it is.
    """
    setattr(function, _EVOLVE, True)
    return function


class Deciding:
    """Base of aggregates and decision models: which commands they decide, and which events change them."""

    _deciders: ClassVar[dict[type[Command], Function]] = {}
    _evolvers: ClassVar[dict[type[Event], Function]] = {}

    def __init_subclass__(cls) -> None:
        """Collect the marked methods.

        Raises:
            DefinitionError: two methods for one message, or an annotation that can't be used.
        """
        super().__init_subclass__()
        cls._deciders = marked_methods(cls, _DECIDE, Command)
        cls._evolvers = marked_methods(cls, _EVOLVE, Event)

    @classmethod
    def commands(cls) -> tuple[type[Command], ...]:
        """The commands that it decides."""
        return tuple(cls._deciders)

    @classmethod
    def events(cls) -> tuple[type[Event], ...]:
        """The events that change it."""
        return tuple(cls._evolvers)

    def apply(self, event: object) -> None:
        """Let the state follow one event."""
        function = self._evolvers.get(type(event))  # type: ignore[arg-type]  # any class may be asked for
        if function is not None:
            function(self, event)

    def execute(self, command: Command, events: list[Event]) -> None:
        """Decide a command: append the events to `events`, each applied as soon as it is there.

        If this raises and `events` is not empty, this object has followed events that will never be stored:
        throw it away.

        Raises:
            Rejected: it says no.
            DefinitionError: a `decide` method gave something that is no event.
            Exception: whatever a `decide` or `evolve` method raises otherwise.
        """
        outcome = self._deciders[type(command)](self, command)
        if type(outcome) is GeneratorType:
            self._follow(outcome, events)
        else:
            self._take_all(outcome, events)

    def _take_all(self, outcome: object, events: list[Event]) -> None:
        """Append what was decided to `events`, and apply it: an event, several, or None."""
        if outcome is not None:
            several = isinstance(outcome, list | tuple | GeneratorType)
            for event in outcome if several else (outcome,):  # type: ignore[attr-defined]  # it is one of these
                self._take(event, events)

    def _follow(self, decisions: Generator[object, None, object], events: list[Event]) -> None:
        evolvers = self._evolvers
        for event in decisions:
            if not isinstance(event, Event):
                raise _no_event(self, event)
            events.append(event)
            function = evolvers.get(type(event))
            if function is not None:
                function(self, event)

    def _take(self, event: object, events: list[Event]) -> None:
        if not isinstance(event, Event):
            raise _no_event(self, event)
        events.append(event)
        self.apply(event)


def _no_event(deciding: Deciding, value: object) -> DefinitionError:
    return DefinitionError(f"{type(deciding).__qualname__}: a decide method gave {value!r}, which is no Event")
