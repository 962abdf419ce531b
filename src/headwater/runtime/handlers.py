"""Which methods of a class can be called or cast, looked up once for each class."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Final

from headwater.errors import UnknownMethod, one_of

Function = Callable[..., object]


class Handler:
    """A method of a process's class.

    Attributes:
        name: the method's name.
        function: the function, to be called with the server as its first argument.
        is_sync: whether calling it gives the answer itself, not a coroutine.
    """

    __slots__ = ("function", "is_sync", "name")

    def __init__(self, name: str, function: Function) -> None:
        self.name = name
        self.function = function
        self.is_sync = not inspect.iscoroutinefunction(function)


class HandlerTable:
    """The public methods of one class, by the function that a caller names.

    A caller that names a base class's method gets the override of the process's own class, as a method call
    would.

    Args:
        server: the class.
        reserved: names that belong to the runtime and can't be called.

    Attributes:
        server: the class.
        approved: whether the class was found to be in order.
        known: the methods that were found already: finding one again costs one look-up in a plain dictionary.
        info: the handler of plain messages.
        signal: the handler of plain messages that must not be lost, such as `Down`.
    """

    def __init__(self, server: type, reserved: frozenset[str]) -> None:
        self.approved = False
        self.known: Final[dict[Function, Handler]] = {}
        self.server: Final = server
        self._reserved: Final = reserved
        self.info: Final = Handler("handle_info", server.handle_info)  # type: ignore[attr-defined]  # a GenServer
        self.signal: Final = Handler("handle_info", server.handle_info)  # type: ignore[attr-defined]  # likewise

    def find(self, method: Function) -> Handler:
        """The handler of a method.

        Raises:
            UnknownMethod: the class has no public method of this name, or it belongs to the runtime.
        """
        handler = self.known.get(method)
        if handler is None:
            handler = self.known[method] = self._look_up(method)
        return handler

    def _look_up(self, method: Function) -> Handler:
        name = getattr(method, "__name__", "")
        function = getattr(self.server, name, None) if name in self._public_names() else None
        if function is None or not self._stems_from(method):
            raise UnknownMethod(
                f"{self.server.__qualname__} has no public method {_label(method)}; "
                f"it has: {one_of(self._public_names())}"
            ) from None
        handler: Handler = Handler(name, function)
        return handler

    def _public_names(self) -> list[str]:
        return [
            name
            for name, _ in inspect.getmembers(self.server, inspect.isfunction)
            if not name.startswith("_") and name not in self._reserved
        ]

    def _stems_from(self, method: Function) -> bool:
        return any(method is vars(base).get(method.__name__) for base in self.server.__mro__)


def _label(method: Function) -> str:
    return getattr(method, "__qualname__", repr(method))
