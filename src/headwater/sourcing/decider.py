"""Aggregates as three plain functions. Pure."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Generic, TypeVar, cast

import msgspec

from headwater.errors import DefinitionError
from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.lifespan import Lifespan
from headwater.sourcing.messages import Command, Event
from headwater.sourcing.signatures import Function, handled_types, refuse_async

State = TypeVar("State")
State_co = TypeVar("State_co", covariant=True)
CommandT = TypeVar("CommandT", bound=Command)
EventT = TypeVar("EventT", bound=Event)


class Decider(Generic[State_co]):
    """An aggregate made of functions: how it begins, what it decides, and how an event changes it.

        class Light(msgspec.Struct, frozen=True):
            on: bool = False

        def decide(command: Switch, state: Light) -> Iterator[Event]:
            if command.on == state.on:
                raise Rejected("it is so already")
            yield Switched(command.on)

        def evolve(state: Light, event: Switched) -> Light:
            return Light(event.on)

        light = Decider("light", identity="light", initial=Light, decide=decide, evolve=evolve)

        application = Application("home", store="memory://", aggregates=[light])

    It can be used wherever the class of an aggregate can; where that would give an aggregate, this gives the state. All
    events of a command are decided on the state before it. `decide` may return, or yield, what a `@decide` method
    may. `evolve` returns the new state; an event that its annotation doesn't name leaves the state as it is.

    Args:
        category: what the names of its streams begin with; part of what is stored.
        identity: the field of the commands that says which one they are for.
        initial: makes the state before the first event.
        decide: from a command and the state to events, or `Rejected`.
        evolve: from the state and an event to the next state. Changes nothing.
        lifespan: see `Aggregate`.
        snapshot_every: see `Aggregate`. The state's type is what `evolve` is annotated to return.
        version: see `Aggregate`.

    Attributes:
        kind: the class of its aggregates; their `state` is the state.

    Raises:
        DefinitionError: a function isn't annotated with the commands, the events or the state, or is async; or a
            command has no such field.
    """

    def __init__(
        self,
        category: str,
        *,
        identity: str,
        initial: Callable[[], State_co],
        decide: Callable[[CommandT, State_co], Iterable[Event] | Event | None],
        evolve: Callable[[State_co, EventT], State_co],
        lifespan: Lifespan | None = None,
        snapshot_every: int | None = None,
        version: int = 1,
    ) -> None:
        keywords = {
            "identity": identity,
            "category": category,
            "lifespan": lifespan,
            "snapshot_every": snapshot_every,
            "version": version,
        }
        namespace = {
            "functions": _Functions(initial, decide, evolve),
            "__annotations__": {"state": _state_type(evolve)} if snapshot_every is not None else {},
            "__module__": getattr(decide, "__module__", __name__),
        }
        name = "".join(part.capitalize() for part in category.split("-"))
        self.kind = cast(
            "type[Decided]", types.new_class(name, (Decided,), keywords, lambda body: body.update(namespace))
        )

    def stream_of(self, id: str) -> str:  # noqa: A002 - the field's term
        """The name of the stream that holds this one's events."""
        return self.kind.stream_of(id)

    def __repr__(self) -> str:
        return f"<Decider {self.kind.category!r}>"


class _Functions(msgspec.Struct, frozen=True):
    initial: Function
    decide: Function
    evolve: Function


class Decided(Aggregate, identity="id"):
    """An aggregate that a `Decider` describes.

    Attributes:
        state: its state.
    """

    functions: ClassVar[_Functions]
    _commands: ClassVar[tuple[type[Command], ...]] = ()
    _events: ClassVar[tuple[type[Event], ...]] = ()
    state: object

    def __init__(self, id: str) -> None:  # noqa: A002 - the field's term
        super().__init__(id)
        self.state = self.functions.initial()

    def __init_subclass__(
        cls,
        *,
        identity: str | None = None,
        category: str | None = None,
        lifespan: Lifespan | None = None,
        snapshot_every: int | None = None,
        version: int = 1,
    ) -> None:
        """Find out which commands and events the functions are for."""
        super().__init_subclass__(
            identity=identity, category=category, lifespan=lifespan, snapshot_every=snapshot_every, version=version
        )
        refuse_async(cls.functions.decide)
        refuse_async(cls.functions.evolve)
        cls._commands = handled_types(cls.functions.decide, Command, skip=0)
        cls._events = handled_types(cls.functions.evolve, Event)
        cls._check_identity(cls._commands)

    @classmethod
    def commands(cls) -> tuple[type[Command], ...]:
        """The commands that it decides."""
        return cls._commands

    @classmethod
    def events(cls) -> tuple[type[Event], ...]:
        """The events that change it."""
        return cls._events

    def apply(self, event: object) -> None:
        """Let the state follow one event."""
        if isinstance(event, self._events):
            self.state = self.functions.evolve(self.state, event)

    def execute(self, command: Command, events: list[Event]) -> None:
        """Decide a command; see `Aggregate.execute`."""
        self._take_all(self.functions.decide(command, self.state), events)

    def describe(self) -> Mapping[str, object]:
        """What people are shown: the fields of the state, if it has some."""
        if isinstance(self.state, msgspec.Struct):
            return msgspec.structs.asdict(self.state)
        return {"state": self.state}


def kind_of(aggregate: type[Aggregate] | Decider[object]) -> type[Aggregate]:
    """The class of an aggregate, however it is defined."""
    return aggregate.kind if isinstance(aggregate, Decider) else aggregate


def seen(aggregate: Aggregate | None) -> object:
    """What an application sees of an aggregate: itself, or the state of one that a `Decider` describes."""
    return aggregate.state if isinstance(aggregate, Decided) else aggregate


def _state_type(evolve: Function) -> object:
    try:
        return typing.get_type_hints(evolve)["return"]
    except (KeyError, NameError) as error:
        raise DefinitionError(
            f"{evolve.__qualname__} must be annotated with the state that it returns, for snapshots"
        ) from error
