"""Upcasters: what makes of the JSON of earlier days what today's classes can read. Pure.

    @upcast("bank.deposited", schema=1)                      # gives bank.deposited v2
    def with_currency(data: dict[str, object]) -> dict[str, object]:
        return {**data, "currency": "EUR"}

    @upcast("bank.moved", schema=1, to=[("bank.withdrawn", 1), ("bank.deposited", 2)])
    def split(data: dict[str, object]) -> Iterator[Raw]:
        yield Raw("bank.withdrawn", {"amount": data["amount"]})
        yield Raw("bank.deposited", {"amount": data["amount"], "currency": "EUR"}, schema=2)

The log never changes: an upcaster is run whenever an old event is read. What it gives may be old as well; then the next
one takes it on.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final, Generic, ParamSpec, Protocol, TypeAlias, TypeVar, cast
from uuid import UUID

import msgspec

from headwater.errors import DefinitionError, Undecodable, one_of
from headwater.types import TypeName

P = ParamSpec("P")
Made_co = TypeVar("Made_co", covariant=True)

_BOTH: Final = 2


class Raw(msgspec.Struct, frozen=True):
    """An event as plain JSON values, as an upcaster gives it.

    Attributes:
        type: its type name.
        data: its fields.
        schema: the schema version of the type.
    """

    type: str
    data: Mapping[str, object]
    schema: int = 1


class Origin(Protocol):
    """Where an old event lies: what an upcaster may ask for as its second parameter. A `StoredEvent` is one."""

    @property
    def position(self) -> int:
        """1, 2, 3 … in the log."""

    @property
    def stream(self) -> str:
        """The stream's name."""

    @property
    def version(self) -> int:
        """1, 2, 3 … in the stream."""

    @property
    def id(self) -> UUID:
        """The event's identifier."""

    @property
    def recorded_at(self) -> datetime:
        """When it was recorded."""

    @property
    def tags(self) -> tuple[str, ...]:
        """What it can be found by."""

    @property
    def metadata(self) -> Mapping[str, object]:
        """What the application stored beside it."""


class Upcaster(Generic[P, Made_co]):
    """A function that makes events of newer types of the JSON of an old one. Made by `upcast`; can be called.

    Attributes:
        source: the type name and schema version that it is for.
        targets: those of what it gives. Empty: such events are left out.
        name: its module and name, for messages.
    """

    __slots__ = ("_function", "_wants_origin", "name", "source", "targets")

    def __init__(self, source: TypeName, targets: tuple[TypeName, ...], function: Callable[P, Made_co]) -> None:
        self.source: Final = source
        self.targets: Final = targets
        self.name: Final = f"{function.__module__}.{function.__qualname__}"
        self._function: Final = function
        self._wants_origin: Final = len(inspect.signature(function).parameters) >= _BOTH

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Made_co:
        """Run the function, for tests."""
        return self._function(*args, **kwargs)

    def run(self, data: object, origin: Origin) -> Iterator[Raw]:
        """What it makes of an event: each one before the function goes on to the next.

        Raises:
            Undecodable: it raised something, or gave what it had not declared.
        """
        made = self._each(data, origin)
        while True:
            try:
                raw = next(made, None)
            except Exception as error:
                raise Undecodable(f"upcaster {self.name} raised {error!r}", name=self.source.name) from error
            if raw is None:
                return
            if (raw.type, raw.schema) not in self.targets:
                raise Undecodable(
                    f"upcaster {self.name} gave a {raw.type} v{raw.schema}, which it doesn't declare; it declares: "
                    f"{one_of(list(map(str, self.targets)))}",
                    name=self.source.name,
                )
            yield raw

    def _each(self, data: object, origin: Origin) -> Iterator[Raw]:
        function = cast("Callable[..., object]", self._function)
        made = function(data, origin) if self._wants_origin else function(data)
        if isinstance(made, Raw):
            yield made
        elif isinstance(made, Mapping):
            if len(self.targets) != 1:
                raise TypeError(f"a Raw is needed, to tell which of {len(self.targets)} types it is of")
            yield Raw(self.targets[0].name, made, self.targets[0].version)
        elif made is not None:
            for raw in cast("Iterable[object]", made):
                if not isinstance(raw, Raw):
                    raise TypeError(f"it gave {raw!r}, which is no Raw")
                yield raw

    def __repr__(self) -> str:
        return f"<Upcaster {self.name}: {self.source} to {one_of(list(map(str, self.targets)))}>"


AnyUpcaster: TypeAlias = Upcaster[..., object]
"""An upcaster, whatever its function looks like."""


def upcast(
    type: str,  # noqa: A002 - the field's term
    schema: int = 1,
    *,
    to: Iterable[tuple[str, int]] | None = None,
) -> Callable[[Callable[P, Made_co]], Upcaster[P, Made_co]]:
    """Make an upcaster of a function.

    The function gets the fields of the old event, as a dict of its own, which it may change; and, if it has a second
    parameter, the event's `Origin`. It gives the new fields as a dict if there is one target; or a `Raw`; or yields
    several, or none; or returns None for none. It depends on nothing else: no clock, no chance, no I/O. A personal
    field that was erased is None.

    Args:
        type: the type name of the old events.
        schema: their schema version.
        to: type names and schema versions of all that it may give, as they are called today and stay called: when one
            of them gets old, it gets an upcaster of its own. By default the next version of the same type. Empty:
            such events are left out wherever events are read.

    Raises:
        DefinitionError: a schema version is below 1, a target is named twice, or the function has no parameter, or more
            than two.
    """
    source = TypeName(type, schema)
    targets = (TypeName(type, schema + 1),) if to is None else tuple(TypeName(*target) for target in to)
    for name in (source, *targets):
        if name.version < 1:
            raise DefinitionError(f"upcaster of {source}: a schema version starts at 1, not {name.version}")
    if len(set(targets)) < len(targets):
        raise DefinitionError(f"upcaster of {source}: each target is named once, not {one_of(list(map(str, targets)))}")

    def make(function: Callable[P, Made_co]) -> Upcaster[P, Made_co]:
        count = len(inspect.signature(function).parameters)
        if not 1 <= count <= _BOTH:
            raise DefinitionError(
                f"upcaster {function.__qualname__} takes the data, or the data and its origin, not {count} parameters"
            )
        return Upcaster(source, targets, function)

    return make
