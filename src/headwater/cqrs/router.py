"""Who decides a command, and who answers a query."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar, cast

from headwater.cqrs.projection import Projection
from headwater.cqrs.query import Query
from headwater.errors import (
    CommandFailed,
    DefinitionError,
    HeadwaterError,
    InvalidCommand,
    UnknownCommand,
    UnknownQuery,
    UnknownView,
    one_of,
)
from headwater.personal import personal_fields
from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.deciding import Deciding
from headwater.sourcing.decision_model import DecisionModel, ModelClass
from headwater.sourcing.messages import Command

Target = TypeVar("Target")


class _Routes(Generic[Target]):
    """Message classes to whoever handles them; exactly one each."""

    def __init__(self) -> None:
        self._targets: dict[type, type[Target]] = {}

    def add(self, message: type, target: type[Target]) -> None:
        other = self._targets.setdefault(message, target)
        if other is not target:
            raise DefinitionError(
                f"{message.__qualname__} is handled by both {other.__qualname__} and {target.__qualname__}"
            )

    def get(self, message: type) -> type[Target] | None:
        return self._targets.get(message)

    def names(self) -> list[str]:
        return sorted(message.__qualname__ for message in self._targets)


class CommandRouter:
    """Finds the aggregate that a command is for.

    Args:
        aggregates: the application's aggregates.
        models: its decision models.

    Raises:
        DefinitionError: two of them decide the same command, or two aggregates share a category; or the state of one
            that takes snapshots can't be encoded, or it follows events with personal fields.
    """

    def __init__(self, aggregates: Iterable[type[Aggregate]], models: Iterable[ModelClass] = ()) -> None:
        self._routes: _Routes[Deciding] = _Routes()
        self._aggregates: dict[type[Command], type[Aggregate]] = {}
        self._models: dict[type[Command], type[DecisionModel[Command]]] = {}
        self._validated: set[type[Command]] = set()
        categories: dict[str, type[Aggregate]] = {}
        for aggregate in aggregates:
            other = categories.setdefault(aggregate.category, aggregate)
            if other is not aggregate:
                raise DefinitionError(
                    f"{other.__qualname__} and {aggregate.__qualname__} share the category {aggregate.category!r}; "
                    "their streams would mix"
                )
            if aggregate.snapshot_every is not None:
                aggregate.snapshot_key()
                _refuse_personal(aggregate)
            for command in aggregate.commands():
                self._add(command, aggregate)
                self._aggregates[command] = aggregate
        for model in models:
            for command in model.commands():
                self._add(command, model)
                self._models[command] = cast("type[DecisionModel[Command]]", model)  # one that is for this command

    def _add(self, command: type[Command], target: type[Deciding]) -> None:
        self._routes.add(command, target)
        if command.validate is not Command.validate:
            self._validated.add(command)

    def commands(self) -> tuple[type[Command], ...]:
        """All commands that somebody decides."""
        return (*self._aggregates, *self._models)

    def model(self, command: Command) -> type[DecisionModel[Command]] | None:
        """The decision model that decides a command; None if it is for an aggregate, or for nobody.

        Raises:
            HeadwaterError: its `validate` refuses it.
        """
        model = self._models.get(type(command))
        if model is not None and type(command) in self._validated:
            _validate(command)
        return model

    def check(self, command: Command, aggregate: type[Aggregate]) -> None:
        """Raise TypeError unless the aggregate is the one that decides the command."""
        if self._aggregates.get(type(command)) is not aggregate:
            raise TypeError(f"{aggregate.__qualname__} doesn't decide {type(command).__qualname__}")

    def route(self, command: Command) -> tuple[type[Aggregate], str]:
        """The aggregate's class and id.

        Raises:
            UnknownCommand: no aggregate decides this command.
            InvalidCommand: its `validate` refuses it, or its identity field is empty or None.
            HeadwaterError: its `validate` raised that.
        """
        aggregate = self._aggregates.get(type(command))
        if aggregate is None:
            raise UnknownCommand(_unknown(command, self._routes.names()))
        if type(command) in self._validated:
            _validate(command)
        identity = getattr(command, aggregate.identity)
        if identity is None or identity == "":
            raise InvalidCommand(
                f"{type(command).__qualname__}.{aggregate.identity} is {'None' if identity is None else 'empty'}: it "
                f"says which {aggregate.__qualname__} the command is for",
                field=aggregate.identity,
            )
        return aggregate, str(identity)


def _unknown(command: object, known: list[str]) -> str:
    if isinstance(command, type):
        return f"a command is an object: {command.__qualname__}(…), not the class {command.__qualname__}"
    if not isinstance(command, Command):
        return f"{command!r} is no Command; known: {one_of(known)}"
    return f"no aggregate decides {type(command).__qualname__}; known: {one_of(known)}"


def _refuse_personal(aggregate: type[Aggregate]) -> None:
    """A snapshot would keep in the clear, and for ever, what is encrypted in the events."""
    for event in aggregate.events():
        if personal_fields(event) is not None:
            raise DefinitionError(
                f"{aggregate.__qualname__} takes snapshots, but {event.__qualname__} has personal fields, which a "
                "snapshot would still hold once the person is forgotten: leave out snapshot_every"
            )


def _validate(command: Command) -> None:
    try:
        command.validate()
    except HeadwaterError:
        raise
    except (ValueError, TypeError) as error:
        raise InvalidCommand(f"{type(command).__qualname__}: {error}") from error
    except Exception as error:
        raise CommandFailed(f"{type(command).__qualname__}.validate failed: {error!r}") from error


class QueryRouter:
    """Finds the view that answers a query: its projection, or the first of those that are versions of it.

    Args:
        projections: the application's projections.

    Raises:
        DefinitionError: two views answer the same query, or two projections have the same name and version.
    """

    def __init__(self, projections: Iterable[type[Projection]]) -> None:
        self._routes: _Routes[Projection] = _Routes()
        self._views: dict[str, type[Projection]] = {}
        self._first: dict[str, type[Projection]] = {}
        for projection in projections:
            self.add(projection)

    def add(self, projection: type[Projection]) -> None:
        """Add a projection.

        Raises:
            DefinitionError: another one has its name and version, or another view answers one of its queries.
        """
        other = self._views.get(projection.view, projection)
        if other is not projection:
            raise DefinitionError(
                f"two projections are called {projection.view!r}: rename one, or raise its version if it is to replace "
                "the other"
            )
        first = self._first.get(projection.view_name, projection)
        for query in projection.queries():
            self._routes.add(query, first)
        self._first[first.view_name] = first
        self._views[projection.view] = projection

    def route(self, query: Query[object]) -> type[Projection]:
        """The first version's class.

        Raises:
            UnknownQuery: no projection answers this query.
        """
        projection = self._routes.get(type(query))
        if projection is None:
            raise UnknownQuery(
                f"no projection answers {type(query).__qualname__}; known: {one_of(self._routes.names())}"
            )
        return projection

    def check(self, projection: type[Projection]) -> None:
        """Raise UnknownView unless the projection is one of the application's."""
        if self._views.get(getattr(projection, "view", "")) is not projection:
            named = getattr(projection, "__qualname__", repr(projection))
            raise UnknownView(f"{named} is no projection of this application; known: {one_of(sorted(self._views))}")
