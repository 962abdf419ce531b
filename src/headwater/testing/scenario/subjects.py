"""What a scenario about commands can be about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Never, Protocol, cast

from headwater.cqrs.router import CommandRouter
from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.deciding import Deciding
from headwater.sourcing.decision_model import DecisionModel
from headwater.sourcing.messages import Command, Event
from headwater.testing.scenario.storable import tags_of


class Subject(Protocol):
    """What a scenario is about."""

    def fold(self, history: Sequence[Event], command: Command | None) -> Deciding:
        """A new one that has followed what it would be given of a history; for decision models, by the command."""

    def check(self, command: Command) -> None:
        """Refuse a command as the application would, before anybody decides it.

        Raises:
            ValueError: it is for another one, so that the scenario makes no sense.
            HeadwaterError: nobody decides it, or it makes no sense by itself.
        """

    def __str__(self) -> str:
        """What people call it."""


class AggregateSubject:
    """One aggregate."""

    def __init__(self, kind: type[Aggregate], id: str) -> None:  # noqa: A002 - the field's term
        self._kind: Final = kind
        self._id: Final = id
        self._router: Final = CommandRouter([kind])

    def fold(self, history: Sequence[Event], command: Command | None) -> Deciding:
        """A new one that has followed the history."""
        aggregate = self._kind(self._id)
        for event in history:
            aggregate.apply(event)
        return aggregate

    def check(self, command: Command) -> None:
        """Refuse a command that is for another aggregate, or for none, or invalid."""
        found = self._router.route(command)[1]
        if found != self._id:
            raise ValueError(f"{command!r} is for {self._kind.__qualname__} {found!r}; the scenario is about {self}")

    def __str__(self) -> str:
        return f"{self._kind.__qualname__} {self._id!r}"


class ModelSubject:
    """A decision model: it is given those events of a history that its scope means."""

    def __init__(self, kind: type[DecisionModel[Never]]) -> None:
        self._kind: Final = cast("type[DecisionModel[Command]]", kind)
        self._router: Final = CommandRouter([], [kind])

    def fold(self, history: Sequence[Event], command: Command | None) -> Deciding:
        """A new one that has followed those events of the history that the command's scope means; without one, all."""
        model = self._kind()
        query = None if command is None else self._kind.query(command)
        for event in history:
            if query is None or query.matches(event.type_name.name, tags_of(event)):
                model.apply(event)
        return model

    def check(self, command: Command) -> None:
        """Refuse a command that the model doesn't decide, or that is invalid."""
        if self._router.model(command) is None:
            self._router.route(command)  # says that nobody decides it

    def __str__(self) -> str:
        return self._kind.__qualname__
