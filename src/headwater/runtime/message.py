"""What lies in a mailbox."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from headwater.runtime.handlers import Handler

Reply: TypeAlias = "asyncio.Future[object] | None"
Message: TypeAlias = tuple[Handler, Any, Mapping[str, object] | None, Reply]
"""What lies in a mailbox: a handler, its positional arguments, its keyword arguments, and where the answer goes. A
tuple, because there are many. Most messages have one argument: these carry it bare, with None for the keyword
arguments, which makes handling them a third faster; see `arguments_of`."""

NOTHING: Final[Mapping[str, object]] = {}
"""The keyword arguments of messages that have none."""


def arguments_of(message: Message) -> tuple[tuple[object, ...], Mapping[str, object]]:
    """The positional and the keyword arguments of a message."""
    _, arguments, keywords, _ = message
    return ((arguments,), NOTHING) if keywords is None else (arguments, keywords)
