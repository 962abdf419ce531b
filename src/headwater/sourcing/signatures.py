"""Which messages a handler is for: the annotation of its first parameter says so."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import TypeVar

from headwater.errors import DefinitionError

Function = Callable[..., object]
MessageT = TypeVar("MessageT")


class _Annotated:
    """Something that has annotations, for `typing.get_type_hints`."""

    def __init__(self, annotations: dict[str, object]) -> None:
        self.__annotations__ = annotations


def handled_types(function: Function, base: type[MessageT], *, skip: int = 1) -> tuple[type[MessageT], ...]:
    """The message classes that a handler is for: `def deposit(self, command: Deposit | Refund)`.

    Args:
        function: a method; its first parameter after `self` is the message.
        base: what each of the classes must derive from.
        skip: how many parameters stand before it.

    Raises:
        DefinitionError: there is no such parameter, it has no annotation, the annotation can't be resolved, or
            it names something that isn't a `base`.
    """
    parameter = _message_parameter(function, skip)
    annotation = _resolve(function, parameter)
    members = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    for member in members:
        if not (isinstance(member, type) and issubclass(member, base)):
            raise DefinitionError(
                f"{function.__qualname__}: parameter {parameter.name!r} is annotated {member!r}, "
                f"which is no subclass of {base.__name__}"
            )
    return members


def marked_methods(
    cls: type, mark: str, base: type[MessageT], *, may_be_async: bool = False
) -> dict[type[MessageT], Function]:
    """The methods of a class that carry a mark, by the message classes that they are for; inherited ones too.

    Args:
        cls: the class.
        mark: the attribute that marked methods have.
        base: what each of the message classes must derive from.
        may_be_async: whether whoever calls them awaits them.

    Raises:
        DefinitionError: two methods are for one message, or one has no usable annotation, or must not be async.
    """
    found: dict[type[MessageT], Function] = {}
    for name in dict.fromkeys(name for parent in reversed(cls.__mro__) for name in vars(parent)):
        function = getattr(cls, name, None)
        if not callable(function) or not hasattr(function, mark):
            continue
        if not may_be_async:
            refuse_async(function)
        for message in handled_types(function, base):
            other = found.setdefault(message, function)
            if other is not function:
                raise DefinitionError(
                    f"{cls.__qualname__} has two methods for {message.__qualname__}: "
                    f"{other.__name__} and {function.__name__}"
                )
    return found


def refuse_async(function: Function) -> None:
    """Raise DefinitionError if nobody would await what a function does."""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError(
            f"{function.__qualname__} must not be async: it works with what it is given, and waits for nothing"
        )


def takes(function: Function) -> int:
    """How many positional parameters a method has besides `self`."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return sum(1 for parameter in parameters if parameter.kind in _POSITIONAL)


def is_async(function: Function) -> bool:
    """Whether a function is `async def`, or decorates one."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(inspect.unwrap(function))


def returns_nothing(function: Function) -> bool:
    """Whether a function says by its annotation that it returns None."""
    return inspect.signature(function).return_annotation in (None, "None")


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _message_parameter(function: Function, skip: int) -> inspect.Parameter:
    parameters = list(inspect.signature(function).parameters.values())[skip:]
    if not parameters or parameters[0].kind not in _POSITIONAL:
        raise DefinitionError(f"{function.__qualname__} needs a parameter for the message, after self")
    if parameters[0].annotation is inspect.Parameter.empty:
        raise DefinitionError(
            f"{function.__qualname__}: parameter {parameters[0].name!r} needs an annotation that names the message"
        )
    return parameters[0]


def _resolve(function: Function, parameter: inspect.Parameter) -> object:
    scope = getattr(function, "__globals__", {})
    try:
        hints = typing.get_type_hints(_Annotated({parameter.name: parameter.annotation}), globalns=scope)
    except NameError as error:
        raise DefinitionError(
            f"{function.__qualname__}: annotation {parameter.annotation!r} can't be resolved ({error}); "
            "the message class must be known in the module, not only under TYPE_CHECKING or inside a function"
        ) from error
    return hints[parameter.name]


def _is_union(annotation: object) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)
