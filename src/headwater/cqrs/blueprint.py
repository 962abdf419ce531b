"""What an application is made of, before it has a name and a store: parts that can be put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from headwater.cqrs.event_handler import EventHandler
from headwater.cqrs.handler_instance import HandlerDefinition
from headwater.cqrs.middleware import ForCommands, Middleware
from headwater.cqrs.process_manager import ProcessManager
from headwater.cqrs.projection import Projection
from headwater.errors import DefinitionError
from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.decider import Decider, kind_of
from headwater.sourcing.decision_model import DecisionModel, ModelClass
from headwater.sourcing.messages import Event
from headwater.upcaster import AnyUpcaster

T = TypeVar("T")


class Blueprint:
    """Parts of an application that belong together: one subject of it, in a module of its own.

        accounts = Blueprint(aggregates=[Account], projections=[Balances])
        lending = Blueprint(aggregates=[Loan], models=[CreditLimit], middleware=[Authorised()], include=[accounts])

        bank = Application("bank", store="sqlite:///bank.db", include=[accounts, lending])

    An application that includes several has all of their parts, each once, however many of them have it. Whatever
    would not fit in one application doesn't fit in several blueprints: `Application` refuses it.

    Args:
        aggregates: see `Application`.
        models: see `Application`.
        projections: see `Application`.
        handlers: see `Application`.
        process_managers: see `Application`.
        upcasters: see `Application`.
        events: see `Application`.
        middleware: what the commands of this blueprint pass through, and of those that it includes; no others do.
        include: blueprints that are part of this one.

    Attributes:
        aggregates: the classes of all aggregates; own ones first.
        models: all decision models.
        projections: all projections.
        handlers: all event handlers.
        process_managers: all process managers.
        upcasters: all upcasters.
        events: all further events.
        middleware: what every command passes through in an application that is made of this, the first one first:
            own middleware, and that of the included ones for their commands.
        scoped: the same, where this blueprint is a part of something: for its own commands only.

    Raises:
        DefinitionError: one of them is something else than it should be.
    """

    aggregates: tuple[type[Aggregate], ...]
    models: tuple[ModelClass, ...]
    projections: tuple[type[Projection], ...]
    handlers: tuple[HandlerDefinition, ...]
    process_managers: tuple[type[ProcessManager], ...]
    upcasters: tuple[AnyUpcaster, ...]
    events: tuple[type[Event], ...]
    middleware: tuple[Middleware, ...]
    scoped: tuple[Middleware, ...]

    def __init__(
        self,
        *,
        aggregates: Sequence[type[Aggregate] | Decider[object]] = (),
        models: Sequence[ModelClass] = (),
        projections: Sequence[type[Projection]] = (),
        handlers: Sequence[HandlerDefinition] = (),
        process_managers: Sequence[type[ProcessManager]] = (),
        upcasters: Sequence[AnyUpcaster] = (),
        events: Sequence[type[Event]] = (),
        middleware: Sequence[Middleware] = (),
        include: Sequence[Blueprint] = (),
    ) -> None:
        _check_kinds("aggregates", [one for one in aggregates if not isinstance(one, Decider)], Aggregate)
        _check_kinds("models", models, DecisionModel)
        _check_kinds("projections", projections, Projection)
        _check_kinds("process_managers", process_managers, ProcessManager)
        _check_kinds("handlers", [one if isinstance(one, type) else type(one) for one in handlers], EventHandler)
        _check_kinds("events", events, Event)
        for one in middleware:
            if not isinstance(one, Middleware):
                raise DefinitionError(f"`middleware` are objects of subclasses of Middleware, not {one!r}")
        kinds = [kind_of(aggregate) for aggregate in aggregates]
        self.aggregates = _each_once(kinds, *(part.aggregates for part in include))
        self.models = _each_once(models, *(part.models for part in include))
        self.projections = _each_once(projections, *(part.projections for part in include))
        self.handlers = _each_once(handlers, *(part.handlers for part in include))
        self.process_managers = _each_once(process_managers, *(part.process_managers for part in include))
        self.upcasters = _each_once(upcasters, *(part.upcasters for part in include))
        self.events = _each_once(events, *(part.events for part in include))
        inner = [part.scoped for part in include]
        commands = frozenset(command for part in (*self.aggregates, *self.models) for command in part.commands())
        self.middleware = _each_once(middleware, *inner)
        self.scoped = _each_once([ForCommands(one, commands) for one in middleware], *inner)


_ALSO: Final = {"aggregates": ", or Deciders", "handlers": ", or objects of them"}


def _check_kinds(part: str, given: Iterable[object], base: type) -> None:
    """Raise DefinitionError unless all of them are subclasses of what they should be."""
    for one in given:
        if not (isinstance(one, type) and issubclass(one, base)):
            named = one.__qualname__ if isinstance(one, type) else repr(one)
            raise DefinitionError(f"`{part}` are subclasses of {base.__name__}{_ALSO.get(part, '')}, not {named}")


def _each_once(*parts: Iterable[T]) -> tuple[T, ...]:
    """All of them in their order, each object once."""
    return tuple({id(one): one for part in parts for one in part}.values())
