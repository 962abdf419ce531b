"""Handlers of the runtime's own processes: a caller's mistake is the caller's, not theirs.

A GenServer that is called with arguments that its method doesn't take crashes, as any that raises. A supervisor or an
agent must not: everything that stands under it, or knows it, would suffer for one wrong line elsewhere.
"""

from __future__ import annotations

import functools
import logging
from typing import Final, Protocol, cast

from headwater.errors import WrongArguments
from headwater.runtime.handlers import Function, Handler, HandlerTable
from headwater.runtime.reply import Deferred

_log: Final = logging.getLogger("headwater.runtime")


class _Answering(Protocol):
    """A server, as far as this module has to know it."""

    def defer(self, answer: type[None]) -> Deferred[None]:
        """Answer later."""
        ...


class GuardedHandlers(HandlerTable):
    """The public methods of one of the runtime's own classes.

    Called with arguments that don't fit, a method is not run: the caller gets `WrongArguments`, and the process lives
    on. As nobody hears of a cast, it is logged too.
    """

    def _look_up(self, method: Function) -> Handler:
        handler = super()._look_up(method)
        return Handler(handler.name, _guarded(handler.function)) if handler.is_sync else handler


def _guarded(function: Function) -> Function:
    @functools.wraps(function)
    def run(server: _Answering, *arguments: object, **keywords: object) -> object:
        try:
            return function(server, *arguments, **keywords)
        except TypeError as error:
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                raise  # the function was entered, so it is another one
            return _refuse(server, error)

    return cast("Function", run)


def _refuse(server: _Answering, error: TypeError) -> Deferred[None]:
    _log.error("a call or cast to a %s was refused: %s", type(server).__qualname__, error)
    deferred = server.defer(type(None))
    deferred.fail(WrongArguments(str(error)))
    return deferred
