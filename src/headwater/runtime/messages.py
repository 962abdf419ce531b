"""What lies in a mailbox."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from headwater.runtime.exits import Reason
from headwater.runtime.handlers import Handler


class Invocation:
    """A method to run. With a `reply` it is a call, without one a cast."""

    __slots__ = ("arguments", "handler", "keywords", "reply")

    def __init__(
        self,
        handler: Handler,
        arguments: tuple[object, ...],
        keywords: Mapping[str, object],
        reply: asyncio.Future[object] | None,
    ) -> None:
        self.handler = handler
        self.arguments = arguments
        self.keywords = keywords
        self.reply = reply


class Info:
    """A plain message, for `handle_info`."""

    __slots__ = ("message",)

    def __init__(self, message: object) -> None:
        self.message = message


class Stop:
    """A request to end in good order."""

    __slots__ = ("reason",)

    def __init__(self, reason: Reason) -> None:
        self.reason = reason


Message = Invocation | Info | Stop
