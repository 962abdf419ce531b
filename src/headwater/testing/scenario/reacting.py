"""Given, when, then for what answers events with commands: process managers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Generic, Protocol, TypeVar

from headwater.cqrs.committed import Committed
from headwater.errors import Rejected
from headwater.sourcing.messages import Command, Event
from headwater.store.model import Recorded
from headwater.testing.scenario.difference import difference, numbered_difference, require
from headwater.testing.scenario.recording import STREAM, Place, recorded
from headwater.testing.scenario.storable import require_storable
from headwater.types import Position, Version


class Timer(Protocol):
    """A timer that is to be set."""

    @property
    def name(self) -> str:
        """Which one."""


class Reaction(Protocol):
    """What is to happen next."""

    @property
    def commands(self) -> Sequence[Command]:
        """To be dispatched."""

    @property
    def timers(self) -> Sequence[Timer]:
        """To be set."""

    @property
    def stopped(self) -> bool:
        """Whether the instance has come to its end."""

    @property
    def ignored(self) -> bool:
        """Whether nothing happens at all."""


class Reacting(Protocol):
    """An instance of a process manager, without I/O."""

    def react(self, event: Event, recorded: Recorded | None = None, /) -> Reaction:
        """Follow an event."""

    def react_to_timer(self, timer: str, /) -> Reaction:
        """Follow that a timer has run out."""

    def react_to_acceptance(self, command: Command, committed: Committed, /) -> Reaction:
        """Follow that one of its commands has had its effect."""

    def react_to_rejection(self, command: Command, rejection: Rejected, /) -> Reaction:
        """Follow that a command was rejected."""


ReactingT = TypeVar("ReactingT", bound=Reacting)
Step = Callable[[Reacting], Reaction]


class Instance(Generic[ReactingT]):
    """An instance of a process manager, and what has happened so far. Made by `given`; see there."""

    def __init__(self, kind: Callable[[str], ReactingT], id: str, steps: Sequence[Step] = ()) -> None:  # noqa: A002
        self._kind: Final = kind
        self._id: Final = id
        self._steps: Final = tuple(steps)

    def events(self, *events: Event) -> Instance[ReactingT]:
        """Further events have happened that concern it, in this order. Its commands for them were accepted."""
        return Instance(self._kind, self._id, (*self._steps, *map(_following, events)))

    def when(self, event: Event, *, stream: str = STREAM) -> Reacted[ReactingT]:
        """An event happens that concerns it."""
        return self._reacted(f"{event!r}", _following(event, stream))

    def when_timer(self, name: str) -> Reacted[ReactingT]:
        """One of its timers runs out."""
        return self._reacted(f"the end of timer {name!r}", lambda instance: instance.react_to_timer(name))

    def when_accepted(self, command: Command, *events: Event) -> Reacted[ReactingT]:
        """One of its commands has had its effect: these events, or none."""
        for event in events:
            require_storable(event)
        committed = Committed(STREAM, Version(len(events)), Position(len(events)), events)
        return self._reacted(f"the acceptance of {command!r}", lambda one: one.react_to_acceptance(command, committed))

    def when_rejected(self, command: Command, rejection: Rejected | None = None) -> Reacted[ReactingT]:
        """One of its commands is rejected."""
        error = rejection or Rejected("no")
        return self._reacted(f"the rejection of {command!r}", lambda one: one.react_to_rejection(command, error))

    def _reacted(self, cause: str, step: Step) -> Reacted[ReactingT]:
        return Reacted(self._kind, self._id, (*self._steps, step), cause)


class Reacted(Instance[ReactingT], Generic[ReactingT]):
    """What a process manager has made of something. Its `then_` methods give back the same."""

    def __init__(self, kind: Callable[[str], ReactingT], id: str, steps: Sequence[Step], cause: str) -> None:  # noqa: A002
        super().__init__(kind, id, steps)
        self.state: Final = kind(id)
        self._title: Final = f"{getattr(kind, '__qualname__', kind)} {id!r} has answered {cause} otherwise:"
        self._reaction: Final = [step(self.state) for step in steps][-1]

    def then(self, *commands: Command) -> Reacted[ReactingT]:
        """It wants these commands to be dispatched, and no others, in this order.

        Raises:
            AssertionError: it wants others; says what differs, field by field.
        """
        require(self._title, numbered_difference("command", commands, self._reaction.commands))
        return self

    def then_timers(self, *names: str) -> Reacted[ReactingT]:
        """It wants these timers to be set, and no others, in whatever order."""
        found = sorted(timer.name for timer in self._reaction.timers)
        require(self._title, numbered_difference("timer", sorted(names), found))
        return self

    def then_stopped(self) -> Reacted[ReactingT]:
        """It has come to its end."""
        require(self._title, [] if self._reaction.stopped else ["it should have come to its end, and goes on"])
        return self

    def then_ignored(self) -> Reacted[ReactingT]:
        """It has nothing to do with that: nothing changes."""
        require(self._title, [] if self._reaction.ignored else ["it should not have been concerned"])
        return self

    def then_state(self, **attributes: object) -> Reacted[ReactingT]:
        """Its attributes of these names have these values; others are not looked at."""
        found = {name: getattr(self.state, name, None) for name in attributes}
        require(self._title, difference(attributes, found))
        return self


def _following(event: Event, stream: str = STREAM) -> Step:
    require_storable(event)
    with_place = recorded(event, Place(1, stream, 1))
    return lambda instance: instance.react(event, with_place)
