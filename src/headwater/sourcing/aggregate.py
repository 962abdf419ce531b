"""Aggregates: they decide commands, and their state is the sum of the events. Pure: no I/O, no clock, no loop."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import ClassVar

from headwater.errors import DefinitionError
from headwater.sourcing.deciding import Deciding
from headwater.sourcing.lifespan import Lifespan
from headwater.sourcing.messages import Command
from headwater.sourcing.naming import kebab
from headwater.sourcing.stored_state import StoredState


class Aggregate(StoredState, Deciding):
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
    is only a shortcut: one that other code has made, or that can't be read, is ignored and made anew; so is one
    that was made of other events, or of other versions of them. It isn't encrypted: an aggregate that follows events
    with personal fields can't take any.

    An aggregate with state that isn't a plain value builds it in `__init__(self, id)`, after `super().__init__`.

    Args of a class statement:
        identity: the field of the commands that says which aggregate they are for; must be given, unless a base class
            says it.
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
    _unstored: ClassVar[frozenset[str]] = frozenset({"id"})

    def __init__(self, id: str) -> None:  # noqa: A002 - the field's term
        self.id = id

    def __init_subclass__(
        cls,
        *,
        identity: str | None = None,
        category: str | None = None,
        lifespan: Lifespan | None = None,
        snapshot_every: int | None = None,
        version: int = 1,
    ) -> None:
        """Collect the marked methods.

        Raises:
            DefinitionError: two methods for one message, no identity, a command without that field, or an annotation
                that can't be used; or a version or a number of events below 1, or a lifespan that is none.
        """
        super().__init_subclass__()
        cls._check_options(identity, lifespan)
        cls.identity = identity or cls.identity
        cls.category = category or kebab(cls.__name__)
        cls.lifespan = lifespan or cls.lifespan
        cls.snapshot_every = snapshot_every
        cls.code_version = version
        if version < 1 or (snapshot_every is not None and snapshot_every < 1):
            raise DefinitionError(f"{cls.__qualname__}: version and snapshot_every start at 1")
        cls._check_identity(cls.commands())

    @classmethod
    def _check_options(cls, identity: str | None, lifespan: object) -> None:
        if not identity and not hasattr(cls, "identity"):
            raise DefinitionError(
                f"{cls.__qualname__} doesn't say which field of its commands names it: "
                f'class {cls.__name__}(Aggregate, identity="…")'
            )
        if not isinstance(lifespan, Lifespan | None):
            raise DefinitionError(
                f"{cls.__qualname__}: a lifespan is a Lifespan, such as Lifespan(60.0), not {lifespan!r}"
            )

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
    def stream_of(cls, id: str) -> str:  # noqa: A002 - the field's term
        """The name of the stream that holds this aggregate's events."""
        return f"{cls.category}-{id}"

    @classmethod
    def snapshot_key(cls) -> str:
        """Says which code a snapshot belongs to: the category, the version, and hashes of attributes and events.

        Raises:
            DefinitionError: the state can't be encoded as it is annotated.
        """
        if cls.dump_state is Aggregate.dump_state:
            return f"{cls.category} v{cls.code_version} {cls._state_codec().fingerprint} {cls._events_fingerprint()}"
        return f"{cls.category} v{cls.code_version} {cls._events_fingerprint()}"

    @classmethod
    def _events_fingerprint(cls) -> str:
        """Changes with the events, and with their schema versions: then the past is read otherwise."""
        names = repr(sorted(tuple(event.type_name) for event in cls.events()))
        return hashlib.sha256(names.encode()).hexdigest()[:12]

    def describe(self) -> Mapping[str, object]:
        """What people are shown when they ask for its state; its attributes, unless a subclass knows better."""
        return {name: value for name, value in self._attributes() if not name.startswith("_")}

    def _attributes(self) -> Iterable[tuple[str, object]]:
        own = (parent for parent in reversed(type(self).__mro__) if parent not in Aggregate.__mro__)
        annotated = (name for parent in own for name in vars(parent).get("__annotations__", ()) if hasattr(self, name))
        return ((name, getattr(self, name)) for name in dict.fromkeys((*vars(self), *annotated)))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]  # aggregates change

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__qualname__}({fields})"
