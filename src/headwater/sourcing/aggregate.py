"""Aggregates: they decide commands, and their state is the sum of the events. Pure: no I/O, no clock, no loop."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Mapping
from types import GeneratorType
from typing import ClassVar, Final, TypeVar

from headwater.errors import DefinitionError
from headwater.sourcing.lifespan import Lifespan
from headwater.sourcing.messages import Command, Event
from headwater.sourcing.signatures import Function, marked_methods
from headwater.sourcing.state_codec import StateCodec

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])

_DECIDE: Final = "__headwater_decide__"
_EVOLVE: Final = "__headwater_evolve__"


def decide(function: FunctionT) -> FunctionT:
    """Mark a method of an `Aggregate` that decides the command which its parameter is annotated with.

    It yields events, or returns one, or a list of them, or None for "nothing to do"; or it raises `Rejected`.
    Each event that it yields has been applied to the aggregate before the next line of the method runs. It
    reads the aggregate and changes nothing. Reject before the first `yield` where you can: afterwards the
    aggregate has to be read anew from the log.
    """
    setattr(function, _DECIDE, True)
    return function


def evolve(function: FunctionT) -> FunctionT:
    """Mark a method of an `Aggregate` that applies the event which its parameter is annotated with.

    It changes the aggregate, and nothing else: no clock, no chance, no I/O, no rejection. An event that no
    method is marked for leaves the aggregate as it is.
    """
    setattr(function, _EVOLVE, True)
    return function


class Aggregate:
    """A consistency boundary: one stream of events, decided one command at a time.

        class Account(Aggregate, identity="account"):
            balance: int = 0

            @decide
            def deposit(self, command: Deposit) -> Iterator[Event]:
                if command.amount <= 0:
                    raise Rejected("the amount must be positive", amount=command.amount)
                yield Deposited(command.amount)

            @evolve
            def deposited(self, event: Deposited) -> None:
                self.balance += event.amount

    With `snapshot_every=100` its state is kept beside the log every 100 events, and reading it begins there. A snapshot
    is only a shortcut: one that other code has made, or that can't be read, is ignored and made anew.

    An aggregate with state that isn't a plain value builds it in `__init__(self, id)`, after `super().__init__`.

    Args of a class statement:
        identity: the field of the commands that says which aggregate they are for.
        lifespan: how long its process stays in memory when it is idle; 300 seconds by default.
        snapshot_every: how many events lie between two snapshots; none are taken if not given.
        version: raise it when the methods build the state differently: snapshots of other versions are ignored. A
            change of the attributes' annotations does the same.
        category: what the names of its streams begin with; the class's name in kebab case if not given. It
            is part of what is stored: it must never change.

    Attributes:
        id: which one it is.
    """

    identity: ClassVar[str]
    category: ClassVar[str]
    lifespan: ClassVar[Lifespan] = Lifespan()
    snapshot_every: ClassVar[int | None] = None
    code_version: ClassVar[int] = 1
    _codec: ClassVar[StateCodec | None]
    _deciders: ClassVar[dict[type[Command], Function]]
    _evolvers: ClassVar[dict[type[Event], Function]]

    def __init__(self, id: str) -> None:  # noqa: A002 - the field's term
        self.id = id

    def __init_subclass__(
        cls,
        *,
        identity: str,
        category: str | None = None,
        lifespan: Lifespan | None = None,
        snapshot_every: int | None = None,
        version: int = 1,
    ) -> None:
        """Collect the marked methods.

        Raises:
            DefinitionError: two methods for one message, a command without the identity field, or an
                annotation that can't be used; or a version or a number of events below 1.
        """
        super().__init_subclass__()
        cls.identity = identity
        cls.category = category or _kebab(cls.__name__)
        cls.lifespan = lifespan or cls.lifespan
        cls.snapshot_every = snapshot_every
        cls._codec = None
        cls.code_version = version
        if version < 1 or (snapshot_every is not None and snapshot_every < 1):
            raise DefinitionError(f"{cls.__qualname__}: version and snapshot_every start at 1")
        cls._deciders = marked_methods(cls, _DECIDE, Command)
        cls._evolvers = marked_methods(cls, _EVOLVE, Event)
        cls._check_identity(cls._deciders)

    @classmethod
    def _check_identity(cls, commands: Iterable[type[Command]]) -> None:
        """Raise DefinitionError unless each command has the field that the aggregate is found by."""
        for command in commands:
            if cls.identity not in command.__struct_fields__:
                raise DefinitionError(
                    f"{command.__qualname__} has no field {cls.identity!r}, by which {cls.__qualname__} is found; "
                    f"it has {', '.join(command.__struct_fields__) or 'none'}"
                )

    @classmethod
    def commands(cls) -> tuple[type[Command], ...]:
        """The commands that it decides."""
        return tuple(cls._deciders)

    @classmethod
    def events(cls) -> tuple[type[Event], ...]:
        """The events that change it."""
        return tuple(cls._evolvers)

    @classmethod
    def stream_of(cls, id: str) -> str:  # noqa: A002 - the field's term
        """The name of the stream that holds this aggregate's events."""
        return f"{cls.category}-{id}"

    def apply(self, event: object) -> None:
        """Let the aggregate's state follow one event."""
        function = self._evolvers.get(type(event))  # type: ignore[arg-type]  # any class may be asked for
        if function is not None:
            function(self, event)

    def execute(self, command: Command, events: list[Event]) -> None:
        """Decide a command: append the events to `events`, each applied as soon as it is there.

        If this raises and `events` is not empty, the aggregate has followed events that will never be stored:
        throw it away.

        Raises:
            Rejected: the aggregate says no.
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

    @classmethod
    def snapshot_key(cls) -> str:
        """Says which code a snapshot belongs to: the category, the version, and a hash of the attributes' types.

        Raises:
            DefinitionError: the state can't be encoded as it is annotated.
        """
        if cls.dump_state is Aggregate.dump_state:
            return f"{cls.category} v{cls.code_version} {cls._state_codec().fingerprint}"
        return f"{cls.category} v{cls.code_version}"

    def dump_state(self) -> bytes:
        """The state as bytes, for a snapshot: the attributes, encoded by their annotations as MessagePack.

        Override it together with `load_state` where that doesn't fit.

        Raises:
            DefinitionError: an attribute has no annotation, or can't be encoded.
        """
        return self._state_codec().dump(vars(self))

    def load_state(self, data: bytes) -> None:
        """Take over the state that `dump_state` has given. Called on a new object.

        Raises:
            Exception: the bytes don't fit. The snapshot is ignored then.
        """
        for name, value in self._state_codec().load(data).items():
            setattr(self, name, value)

    @classmethod
    def _state_codec(cls) -> StateCodec:
        if cls._codec is None:
            cls._codec = StateCodec(cls, frozenset({"id"}))
        return cls._codec

    def describe(self) -> Mapping[str, object]:
        """What people are shown when they ask for its state; its attributes, unless a subclass knows better."""
        return {name: value for name, value in self._attributes() if not name.startswith("_")}

    def _attributes(self) -> Iterable[tuple[str, object]]:
        annotated = (name for name in type(self).__annotations__ if hasattr(self, name))
        return ((name, getattr(self, name)) for name in dict.fromkeys((*vars(self), *annotated)))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]  # aggregates change

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__qualname__}({fields})"


def _no_event(aggregate: Aggregate, value: object) -> DefinitionError:
    return DefinitionError(f"{type(aggregate).__qualname__}: a decide method gave {value!r}, which is no Event")


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()
