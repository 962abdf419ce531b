"""Orders of the runtime's own to a process, that come through its mailbox as messages do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from headwater.runtime.exits import Reason
from headwater.runtime.handlers import Handler
from headwater.runtime.server import Server


class Obedient(Protocol):
    """Who gets an order: a process, as far as this module has to know it.

    Attributes:
        handled: how many messages were handled.
    """

    handled: int

    def stop_after_handler(self, reason: Reason) -> None:
        """End in good order when the handler that is running has returned."""


ObedientT = TypeVar("ObedientT", bound=Obedient)


def _stop(_: Server, process: Obedient, reason: Reason) -> None:
    process.stop_after_handler(reason)


STOP: Final = Handler("stop", _stop)
"""The handler of requests to end in good order. Its arguments: the process, and the reason."""


def _administer(
    _: Server, process: ObedientT, action: Callable[[ObedientT], object], answer: asyncio.Future[object]
) -> None:
    process.handled -= 1
    try:
        outcome = action(process)
        if not answer.done():
            answer.set_result(outcome)
    except Exception as error:  # noqa: BLE001 - it is the asker's
        if not answer.done():
            answer.set_exception(error)
    finally:
        del answer  # the error's traceback refers to this frame


SYSTEM: Final = Handler("system", _administer)
"""The handler of requests by `introspect`. Its arguments: the process, what to do with it, and the answer."""
