"""The marks of a process manager's methods: which events they are for, and which instances. Pure."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import Final, TypeVar, overload

import msgspec

from headwater.store.model import Recorded

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])

MANAGER: Final = "process_manager"
"""The key of the metadata that names the process manager whose command led to an event."""

INSTANCE: Final = "instance"
"""The key of the metadata that names its instance."""

REACT: Final = "__headwater_react__"
REJECTED: Final = "__headwater_rejected__"
ACCEPTED: Final = "__headwater_accepted__"
EXPIRES: Final = "__headwater_expires__"


class By(enum.Enum):
    """How the instance is found that an event is for, if no field of the event tells."""

    SENDER = "sender"
    """The instance that sent the command which led to the event."""
    CORRELATION = "correlation"
    """The instance that is named like the event's correlation, as text."""


Identify = str | By | Callable[[Recorded], str | Iterable[str] | None]
"""How the instances are found that an event is for: by a field of it; by `By`; or by a function, which may name one,
several, or None for none."""


class Mode(enum.Enum):
    """What an event does to the instance that it is for."""

    START = "start"
    CONTINUE = "continue"
    STOP = "stop"


class Mark(msgspec.Struct, frozen=True):
    """What a method is marked with.

    Attributes:
        mode: what its events do to an instance.
        by: how instances are found; None for the class's way.
        strict: whether it is an error if the instance is started, or isn't.
    """

    mode: Mode
    by: Identify | None
    strict: bool


@overload
def starts(function: FunctionT, /) -> FunctionT: ...


@overload
def starts(*, by: Identify | None = None, strict: bool = False) -> Callable[[FunctionT], FunctionT]: ...


def starts(
    function: FunctionT | None = None, /, *, by: Identify | None = None, strict: bool = False
) -> FunctionT | Callable[[FunctionT], FunctionT]:
    """Mark a method of a `ProcessManager` whose events start an instance. One that runs already goes on with it.

    Args:
        function: the method.
        by: how the instances are found; as the class says, if not given.
        strict: whether it is an error (`InstanceAlreadyStarted`) if it runs already.
    """
    return _marked(function, Mark(Mode.START, by, strict))


@overload
def continues(function: FunctionT, /) -> FunctionT: ...


@overload
def continues(*, by: Identify | None = None, strict: bool = False) -> Callable[[FunctionT], FunctionT]: ...


def continues(
    function: FunctionT | None = None, /, *, by: Identify | None = None, strict: bool = False
) -> FunctionT | Callable[[FunctionT], FunctionT]:
    """Mark a method of a `ProcessManager` for events of an instance that runs. If none does, nothing happens.

    Args:
        function: the method.
        by: how the instances are found; as the class says, if not given.
        strict: whether it is an error (`InstanceNotStarted`) if it doesn't run.
    """
    return _marked(function, Mark(Mode.CONTINUE, by, strict))


@overload
def stops(function: FunctionT, /) -> FunctionT: ...


@overload
def stops(*, by: Identify | None = None, strict: bool = False) -> Callable[[FunctionT], FunctionT]: ...


def stops(
    function: FunctionT | None = None, /, *, by: Identify | None = None, strict: bool = False
) -> FunctionT | Callable[[FunctionT], FunctionT]:
    """Mark a method of a `ProcessManager` whose events are the last of an instance. If none runs, nothing happens.

    Args:
        function: the method. What it yields is still dispatched.
        by: how the instances are found; as the class says, if not given.
        strict: whether it is an error (`InstanceNotStarted`) if it doesn't run.
    """
    return _marked(function, Mark(Mode.STOP, by, strict))


def rejected(function: FunctionT) -> FunctionT:
    """Mark a method `(self, command, rejection)` that compensates for a command which an aggregate rejected."""
    setattr(function, REJECTED, True)
    return function


def accepted(function: FunctionT) -> FunctionT:
    """Mark a method `(self, command, committed)` that goes on when a command has had its effect."""
    setattr(function, ACCEPTED, True)
    return function


def expires(timer: str) -> Callable[[FunctionT], FunctionT]:
    """Mark a method `(self)` that goes on when the instance's timer of this name has run out."""

    def mark(function: FunctionT) -> FunctionT:
        setattr(function, EXPIRES, timer)
        return function

    return mark


def _marked(function: FunctionT | None, mark: Mark) -> FunctionT | Callable[[FunctionT], FunctionT]:
    def put(target: FunctionT) -> FunctionT:
        setattr(target, REACT, mark)
        return target

    return put if function is None else put(function)
