"""One method of a process manager, and how the instances are found that its events are for. Pure."""

from __future__ import annotations

import inspect
from types import GeneratorType

import msgspec

from headwater.cqrs.reacting import EXPIRES, INSTANCE, MANAGER, REACT, By, Identify, Mark
from headwater.errors import DefinitionError
from headwater.sourcing.messages import Event
from headwater.sourcing.signatures import Function, refuse_async, takes
from headwater.store.model import Recorded


class Reactor(msgspec.Struct, frozen=True):
    """A method for events.

    Attributes:
        function: the method.
        mark: what it is marked with.
        by: how the instances are found.
        wants_recorded: whether it takes the `Recorded` event too.
    """

    function: Function
    mark: Mark
    by: Identify
    wants_recorded: bool

    def instances(self, manager: str, recorded: Recorded) -> tuple[str, ...]:
        """The ids of the instances that an event is for, each once.

        Args:
            manager: the process manager's name.
            recorded: the event.

        Raises:
            DefinitionError: one is named by an empty text.
            Exception: whatever the function that was given as `by` raises.
        """
        found = self._found(manager, recorded)
        several = found if isinstance(found, list | tuple | set | frozenset | GeneratorType) else (found,)
        names = tuple(dict.fromkeys(str(name) for name in several if name is not None))
        if "" in names:
            raise DefinitionError(f"a {recorded.type} names an instance of {manager!r} by an empty text")
        return names

    def _found(self, manager: str, recorded: Recorded) -> object:
        if isinstance(self.by, str):
            return getattr(recorded.event, self.by)
        if self.by is By.CORRELATION:
            return None if recorded.correlation is None else str(recorded.correlation)
        if isinstance(self.by, By):
            metadata = recorded.metadata
            return metadata.get(INSTANCE) if metadata.get(MANAGER) == manager else None
        return self.by(recorded)


def reactor_of(cls: type, event: type[Event], function: Function, identity: str | None) -> Reactor:
    """What a marked method does about an event.

    Raises:
        DefinitionError: nothing tells which instance the event is for.
    """
    mark: Mark = getattr(function, REACT)
    by = mark.by if mark.by is not None else identity
    if by is None:
        raise DefinitionError(
            f"{function.__qualname__}: nothing tells which instance a {event.__qualname__} is for; give the class an "
            "`identity`, or the mark a `by`"
        )
    if isinstance(by, str) and by not in event.__struct_fields__:
        raise DefinitionError(
            f"{event.__qualname__} has no field {by!r}, by which the instance of {cls.__qualname__} is found; it has "
            f"{', '.join(event.__struct_fields__) or 'none'}"
        )
    return Reactor(function, mark, by, takes(function) > 1)


def expirations_of(cls: type) -> dict[str, Function]:
    """The methods that are marked for timers, by the timers' names.

    Raises:
        DefinitionError: two are for the same one, or one is async.
    """
    found: dict[str, Function] = {}
    for attribute in dict.fromkeys(name for parent in reversed(cls.__mro__) for name in vars(parent)):
        function = inspect.getattr_static(cls, attribute, None)
        timer = getattr(function, EXPIRES, None)
        if not isinstance(timer, str) or not callable(function):
            continue
        refuse_async(function)
        if found.setdefault(timer, function) is not function:
            raise DefinitionError(f"{cls.__qualname__} has two methods for the timer {timer!r}")
    return found
